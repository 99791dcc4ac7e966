"""Extraction of many clips by the real line with small stand-ins: once, by any number of processes, with reasons."""

import numpy as np
import pytest
import variants
from counted import QuickExtraction

from msa_core.cli.many.run import Place, run
from msa_core.errors import MsaError
from msa_core.features import store

TWO = Place(jobs=2)


def test_clips_are_extracted_once_by_any_number_of_processes(clip, tmp_path):
    source, out = tmp_path / "clips", tmp_path / "features"
    (source / "deep").mkdir(parents=True)
    for place, name in (("a.flac", "sound.flac"), ("deep/b.mp4", "mute.mp4"), ("broken.mp4", "text.mp4")):
        (source / place).write_bytes(clip(name).read_bytes())
    (source / "notes.txt").write_text("not a clip")
    task = QuickExtraction(source, out)
    found = run(task, source, out / "clips.csv", TWO, renew=True)
    assert list(found.bad) == ["broken.mp4"] and "is not a media file" in found.bad["broken.mp4"]
    plain = QuickExtraction(source, tmp_path / "plain")
    assert run(plain, source, tmp_path / "plain" / "clips.csv").bad == found.bad
    for name in ("a.flac", "deep/b.mp4"):
        one, other = (store.load(t.target(name)) for t in (task, plain))
        assert one.transcript == other.transcript and one.id == other.id and one.prosody == other.prosody
        for stream in ("text", "audio", "vision", "simulated"):
            ours, theirs = one.stream(stream), other.stream(stream)
            assert ours.reason == theirs.reason
            assert ours.values is None or (ours.values == theirs.values).all()
    assert run(task, source, out / "clips.csv", renew=True).worked_on == 0
    task.target("deep/b.mp4").write_bytes(b"cut off")
    (out / "clips.rows.jsonl").unlink()  # features without a journal, as older versions left them
    before = task.target("a.flac").stat().st_mtime_ns
    assert run(task, source, out / "clips.csv", renew=True).worked_on == 3
    assert store.load(task.target("deep/b.mp4")).vision.present and task.target("a.flac").stat().st_mtime_ns == before
    task.target("a.flac").write_bytes(b"cut off")
    assert run(task, source, out / "clips.csv", renew=True).worked_on == 1
    other = QuickExtraction(source, out, any_language=True)
    assert run(other, source, out / "clips.csv", renew=True).worked_on == 3, "read in another way"


def test_a_fault_with_one_clip_is_a_row(tmp_path, monkeypatch):
    (tmp_path / "clips").mkdir()
    for name in ("a.mp4", "b.mp4"):
        (tmp_path / "clips" / name).write_bytes(variants.REAL.read_bytes())
    task = QuickExtraction(tmp_path / "clips", tmp_path / "out")
    load = QuickExtraction.load

    def faulty(self):
        work = load(self)

        def worse(path):
            if path.name == "b.mp4":
                raise AssertionError("drawing failed")
            return work(path)

        return worse

    monkeypatch.setattr(QuickExtraction, "load", faulty)
    found = run(task, tmp_path / "clips", tmp_path / "out" / "clips.csv")
    assert found.bad == {"b.mp4": "a fault of the program (AssertionError: drawing failed)"}
    assert [p.name for p in (tmp_path / "out").glob("*.npz")] == ["a.mp4.npz"]


def test_features_that_cannot_be_written_end_the_run(tmp_path):
    (tmp_path / "clips").mkdir()
    (tmp_path / "clips" / "a.mp4").write_bytes(variants.REAL.read_bytes())
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(MsaError, match="^Cannot write a.mp4.npz .* Give a folder you may write to.$"):
        run(QuickExtraction(tmp_path / "clips", tmp_path / "file"), tmp_path / "clips", tmp_path / "t.csv")


@pytest.fixture
def two(clip, tmp_path):
    """Two clips that were extracted, one of them in a folder, and features that a researcher wrote."""
    source, out = tmp_path / "clips", tmp_path / "features"
    (source / "deep").mkdir(parents=True)
    (source / "a.flac").write_bytes(clip("sound.flac").read_bytes())
    (source / "deep" / "b.mp4").write_bytes(clip("mute.mp4").read_bytes())
    task = QuickExtraction(source, out)
    run(task, source, out / "clips.csv", renew=True)
    np.savez(out / "own.npz", text=np.zeros(3))
    return task


def again(task, table=None, **how):
    return run(task, task.source, table or task.out / "clips.csv", renew=True, **how)


def features(task):
    return sorted(p.relative_to(task.out).as_posix() for p in task.out.rglob("*.npz*"))


@pytest.mark.parametrize("place", [Place(), TWO])
def test_features_of_a_clip_that_can_no_longer_be_read_are_set_aside_and_come_back_with_it(two, place):
    clip, target = two.source / "deep" / "b.mp4", two.target("deep/b.mp4")
    whole, before = clip.read_bytes(), target.read_bytes()
    clip.write_bytes(b"damaged")
    found = again(two, place=place)
    assert list(found.bad) == ["deep/b.mp4"] and found.aside == {"deep/b.mp4": True, "own": False}
    assert features(two) == ["a.flac.npz", "deep/b.mp4.npz.aside", "own.npz"]
    assert again(two).aside == {"own": False} and again(two, again=True).worked_on == 1
    clip.write_bytes(whole)
    assert again(two).aside == {"own": False} and features(two) == ["a.flac.npz", "deep/b.mp4.npz", "own.npz"]
    assert target.read_bytes() == before, "they were renamed, not made again"


def test_features_that_an_older_version_left_of_an_unreadable_clip_are_set_aside(two):
    kept = two.target("deep/b.mp4").read_bytes()
    (two.source / "deep" / "b.mp4").write_bytes(b"damaged")
    again(two)
    two.target("deep/b.mp4").write_bytes(kept)
    found = again(two)
    assert found.worked_on == 0 and found.aside == {"deep/b.mp4": True, "own": False}
    assert again(two, again=True).aside == {"own": False} and not two.target("deep/b.mp4").exists()


@pytest.mark.parametrize("table", ["clips.csv", "other.csv"])
def test_features_of_a_clip_that_is_gone_are_set_aside(two, table):
    (two.source / "deep" / "b.mp4").unlink()
    assert again(two, two.out / table).aside == {"deep/b.mp4": True, "own": False}
    assert features(two) == ["a.flac.npz", "deep/b.mp4.npz.aside", "own.npz"]


def test_a_file_that_extract_did_not_write_stays_where_its_clip_cannot_be_read(two):
    own = (two.out / "own.npz").rename(two.target("deep/b.mp4")).read_bytes()
    (two.source / "deep" / "b.mp4").write_bytes(b"damaged")
    assert again(two).aside == {"deep/b.mp4": False} and two.target("deep/b.mp4").read_bytes() == own


def test_features_of_another_run_below_the_folder_stay(two):
    inner = QuickExtraction(two.source / "deep", two.out / "deep" / "inner")
    run(inner, inner.source, inner.out / "clips.csv", renew=True)
    (inner.out / "scores.rows.jsonl").write_text('{"settings": {"command": "analyse"}}')
    assert again(two).aside == {"own": False} and inner.target("b.mp4").exists()
    (inner.out / "clips.rows.jsonl").unlink()
    assert again(two).aside == {"own": False, "deep/inner/b.mp4": True}


def test_features_of_another_folder_are_told_from_those_of_clips_that_are_gone(two):
    assert two.of_other_clips() == []
    (two.source / "a.flac").rename(two.source / "c.flac")
    assert two.of_other_clips() == [], "b.mp4 is still there"
    (two.source / "deep" / "b.mp4").unlink()
    assert two.of_other_clips() == ["a.flac", "deep/b.mp4"], "own.npz is of no clip"
