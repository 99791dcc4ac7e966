"""Extraction of many clips by the real line with small stand-ins: once, by any number of processes, with reasons."""

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
