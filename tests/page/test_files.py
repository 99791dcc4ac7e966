"""Identical uploads share a path: it stays until the last visitor has left."""

import os
import time
from pathlib import Path

from msa_core.page import folders
from msa_core.page.files import Uploads


def test_the_last_release_deletes(tmp_path):
    clip = tmp_path / "hash" / "clip.mp4"
    clip.parent.mkdir()
    clip.write_bytes(b"x")
    uploads = Uploads(lambda: tmp_path)
    first, second = uploads.claim(str(clip)), uploads.claim(str(clip))
    uploads.release(str(clip), first)
    uploads.release(str(clip), first)  # at most once
    assert clip.exists()
    uploads.release(str(clip), second)
    assert not clip.exists() and not clip.parent.exists()


def test_other_folders_are_left_alone(tmp_path):
    example = tmp_path / "example.mp4"
    example.write_bytes(b"x")
    uploads = Uploads(lambda: tmp_path / "uploads")
    uploads.release(str(example), uploads.claim(str(example)))
    assert example.exists()


def test_nothing_is_remembered_of_files_that_someone_else_deleted(tmp_path):
    clip, other = tmp_path / "a" / "name of a visitor.mp4", tmp_path / "b.mp4"
    clip.parent.mkdir()
    clip.write_bytes(b"x")
    other.write_bytes(b"x")
    uploads = Uploads(lambda: tmp_path)
    lost = uploads.claim(str(clip))
    clip.unlink()
    kept = uploads.claim(str(other))
    assert list(uploads._claims) == [other]
    uploads.release(str(clip), lost)
    uploads.release(str(other), kept)
    assert not other.exists() and uploads._claims == {}


def test_a_folder_stays_while_an_upload_of_the_same_content_comes_in(tmp_path: Path) -> None:
    own = tmp_path / folders.OWN
    clip, now = own / "hash of the content" / "clip.mp4", time.time()
    clip.parent.mkdir(parents=True)
    clip.write_bytes(b"x")
    uploads = Uploads(lambda: own)
    claim = uploads.claim(str(clip))
    with uploads.receiving():
        with uploads.receiving():
            uploads.release(str(clip), claim)
            os.utime(clip.parent, (now - 1000, now - 1000))
            uploads.sweep(900)
            assert not clip.exists() and clip.parent.is_dir()
        assert clip.parent.is_dir()
    assert not clip.parent.exists()
    clip.parent.mkdir()
    clip.write_bytes(b"x")
    claim = uploads.claim(str(clip))
    with uploads.receiving():  # what came in meanwhile stays
        uploads.release(str(clip), claim)
        clip.write_bytes(b"again")
    assert clip.read_bytes() == b"again"


def test_what_nobody_claims_is_swept_by_its_age(tmp_path: Path) -> None:
    """A broken-off upload, a clip that was never analysed and an empty folder go; a claimed or a new file stays."""
    tmp_path = tmp_path / folders.OWN
    tmp_path.mkdir()
    now, uploads = time.time(), Uploads(lambda: tmp_path)
    files = {name: tmp_path / name for name in ("tmpbroken", "a/never analysed.mp4", "b/claimed.mp4", "c/new.mp4")}
    for path in files.values():
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"x")
    (tmp_path / "empty").mkdir()
    kept = uploads.claim(str(files["b/claimed.mp4"]))
    for path in tmp_path.rglob("*"):
        if path.name != "new.mp4":
            os.utime(path, (now - 1000, now - 1000))
    uploads.sweep(900)
    assert {p.name for p in tmp_path.rglob("*")} == {"a", "b", "claimed.mp4", "c", "new.mp4"}  # a has just changed
    os.utime(tmp_path / "a", (now - 1000, now - 1000))
    uploads.sweep(900)
    assert not (tmp_path / "a").exists()
    uploads.release(str(files["b/claimed.mp4"]), kept)
    uploads.clear()
    assert list(tmp_path.iterdir()) == []


def test_a_link_out_of_the_folder_is_not_followed(tmp_path: Path) -> None:
    mine, folder = tmp_path / "mine", tmp_path / f"{folders.OWN}x"
    mine.mkdir()
    folder.mkdir()
    (mine / "file").write_bytes(b"x")
    (folder / "link").symlink_to(mine, target_is_directory=True)
    Uploads(lambda: folder).clear()
    assert list(folder.iterdir()) == [] and (mine / "file").exists()
