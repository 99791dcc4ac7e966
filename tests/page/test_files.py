"""Identical uploads share a path: it stays until the last visitor has left."""

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
