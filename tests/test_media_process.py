"""The processes that read media: the same arrays to the bit, limits that hold, and nothing that stays."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import bombs
import numpy as np
import pytest
import variants
from paths import EXAMPLES, ROOT

from msa_core import media
from msa_core.config import MediaLimits
from msa_core.errors import MediaError
from msa_core.media import process
from msa_core.media.child import Request

LIMITS = MediaLimits()
CLIP = EXAMPLES / "crema_happy.mp4"
unix = pytest.mark.skipif(os.name != "posix", reason="limits and signals of a Unix")


@pytest.fixture(autouse=True)
def fresh() -> Iterator[None]:
    """No process of an earlier test."""
    media.close()
    yield
    media.close()


def asked(function: str, *values: Any, cpu_s: float = 10.0, **limits: Any) -> Request:
    return Request(f"hungry:{function}", CLIP, values, replace(LIMITS, **limits), cpu_s)


def reader_pids() -> list[int]:
    return [reader.pid for reader in process.READERS._idle]


def there(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def gone(pids: list[int], within_s: float = 30.0) -> bool:
    deadline = time.monotonic() + within_s
    while any(map(there, pids)) and time.monotonic() < deadline:
        time.sleep(0.05)
    return not any(map(there, pids))


@pytest.mark.parametrize(
    "clip", sorted(p for p in EXAMPLES.iterdir() if p.suffix in media.SUFFIXES), ids=lambda p: p.name
)
def test_an_example_is_the_same_to_the_bit(clip: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def read() -> tuple[Any, np.ndarray, list[Any]]:
        info = media.probe(clip)
        return info, media.waveform(clip, info), list(media.frames(clip, info))

    there = read()
    monkeypatch.setenv("MSA_MEDIA_PROCESS", "0")
    here = read()
    assert there[0] == here[0] and there[1].dtype == here[1].dtype and np.array_equal(there[1], here[1])
    assert len(there[2]) == len(here[2])
    for (time_there, image_there), (time_here, image_here) in zip(there[2], here[2], strict=True):
        assert time_there == time_here and np.array_equal(image_there, image_here)
        assert image_there.flags.writeable and image_there.dtype == np.uint8


def test_a_process_is_a_plain_one_and_is_used_again() -> None:
    loaded = process.call(asked("modules"))
    assert "msa_core.media.sound" in loaded and not {"torch", "cv2", "gradio", "transformers"} & set(loaded)
    before = reader_pids()
    media.probe(CLIP)
    assert reader_pids() == before and len(before) == 1


@unix
@pytest.mark.parametrize(
    "request_, said",
    [
        (asked("memory", max_memory_bytes=200 * 2**20), "needs more than 200 MB of memory"),
        (asked("processor", cpu_s=0.5), "takes more than 0 s of computing"),
        (asked("nothing", max_wall_s=0.5), "could not be read within 0 s"),
        (asked("crash"), r"broke the process that reads media \(SIGSEGV\)"),
    ],
    ids=lambda x: x.function if isinstance(x, Request) else "",
)
def test_a_limit_is_a_sentence_and_the_next_clip_is_read(request_: Request, said: str) -> None:
    began = time.process_time()
    with pytest.raises(MediaError, match=f"^{CLIP.name} {said}"):
        process.call(request_)
    assert time.process_time() - began < 1 and media.probe(CLIP).has_video
    assert len(process.READERS._taken) == 0


def test_a_fault_of_ours_is_told_with_its_place() -> None:
    with pytest.raises(RuntimeError, match="(?s)fault in the process.*ZeroDivisionError: of ours"):
        process.call(asked("fault"))
    assert media.probe(CLIP).has_video


def test_a_process_that_has_died_is_replaced() -> None:
    media.warm()
    old = reader_pids()
    for pid in old:
        os.kill(pid, signal.SIGTERM)
    deadline = time.monotonic() + 30
    while any(r.alive for r in process.READERS._idle) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert media.probe(CLIP).has_video and not set(reader_pids()) & set(old)
    assert gone(old), "a dead process stays as a zombie"


def test_a_reading_that_is_broken_off_leaves_a_process_for_the_next() -> None:
    shown = process.stream(asked("arrays", 10**9))
    first, second = next(shown), next(shown)
    assert second[0] == first[0] + 1 and second[1].tolist() == [[1, 1, 1], [1, 1, 1]]
    (taken,) = process.READERS._taken
    del shown
    assert reader_pids() == [taken.pid] and [i for i, _ in process.stream(asked("arrays", 3))] == [0, 1, 2]


def test_a_process_reads_many_clips_and_then_another_takes_its_place(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "MOST_REQUESTS", 2)
    media.probe(CLIP)
    (old,) = reader_pids()
    media.probe(CLIP)
    assert old not in reader_pids() and len(reader_pids()) == process.WARM and gone([old])


SCRIPT = """
import sys, time
from msa_core import media
from msa_core.media import process
print(media.probe(sys.argv[1]).has_video, flush=True)
media.warm()
print(*[r.pid for r in process.READERS._idle], flush=True)
time.sleep(1000)
"""


@unix
@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGKILL])
def test_the_processes_end_with_the_one_that_asks(end: int, tmp_path: Path) -> None:
    """Also in a container: no HOME, a folder that is gone."""
    folder = tmp_path / "gone"
    folder.mkdir()
    given = {k: v for k, v in os.environ.items() if k != "HOME"} | {"PYTHONPATH": str(ROOT)}
    script = [sys.executable, "-c", f"import os; os.rmdir({str(folder)!r}){SCRIPT}", str(CLIP)]
    with subprocess.Popen(script, stdout=subprocess.PIPE, text=True, cwd=folder, env=given) as asking:
        assert asking.stdout is not None and asking.stdout.readline() == "True\n"
        pids = list(map(int, asking.stdout.readline().split()))
        assert len(pids) == process.WARM and all(map(there, pids))
        asking.send_signal(end)
    assert gone(pids)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
def test_a_forked_process_has_its_own(tmp_path: Path) -> None:
    media.warm()
    before, told = reader_pids(), tmp_path / "told"
    pid = os.fork()
    if pid == 0:
        try:
            empty = not process.READERS._idle
            told.write_text(f"{empty} {media.probe(CLIP).has_video} {reader_pids()[0] in before}")
            media.close()
        finally:
            os._exit(0)
    os.waitpid(pid, 0)
    assert told.read_text() == "True True False"
    assert reader_pids() == before and media.probe(CLIP).has_video


def test_a_process_that_does_not_start_is_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "CODE", "raise SystemExit(3)")
    with pytest.raises(MediaError, match=r"does not start \(exit code 3\).*MSA_MEDIA_PROCESS=0"):
        media.probe(CLIP)
    monkeypatch.setattr(sys, "executable", "no-such-python")
    media.close()
    with pytest.raises(MediaError, match="does not start .No such file"):
        media.probe(CLIP)
    monkeypatch.setenv("MSA_MEDIA_PROCESS", "0")
    assert media.probe(CLIP).has_video


# --------------------------------------------------------------------------------------------- bombs


def refusal(path: Path, limits: MediaLimits = LIMITS) -> str:
    with pytest.raises(MediaError) as error:
        info = media.probe(path, limits)
        media.waveform(path, info, limits)
        for _ in media.frames(path, info, limits=limits):
            pass
    return str(error.value)


@pytest.mark.parametrize("rate, ok", [(1, False), (3_999, False), (4_000, True), (768_001, False), (2**31 - 1, False)])
def test_sound_at_an_absurd_rate_is_refused(tmp_path: Path, rate: int, ok: bool) -> None:
    clip = bombs.wav(tmp_path / "a.wav", rate, min(rate, 40_000) * 2)
    if ok:
        assert media.waveform(clip, media.probe(clip)).any()
    else:
        assert refusal(clip).startswith(f"a.wav has sound at {rate} Hz; it must have from 4000 to 768000 Hz.")


@unix
@pytest.mark.parametrize("n", [20_000_000, 100_000_000])
def test_a_table_of_frames_without_end_is_refused_in_little_memory(tmp_path: Path, n: int) -> None:
    clip = bombs.table(tmp_path / "a.mov", n)
    assert clip.stat().st_size < 40_000
    assert refusal(clip).startswith("a.mov ")
    assert bombs.peak_bytes(reader_pids()) < LIMITS.max_memory_bytes + 300 * 2**20


@pytest.mark.parametrize("codec, n, fps", [("libx264", 1770, 30), ("png", 7000, 120)])
def test_too_many_pixels_are_refused_before_they_are_decoded(tmp_path: Path, codec: str, n: int, fps: int) -> None:
    clip = bombs.repeated(tmp_path / "a.mov", codec, 3840, 2160, n, fps)
    began = time.perf_counter()
    assert f"a.mov has {n} pictures of 3840 x 2160 pixels" in refusal(clip)
    assert time.perf_counter() - began < 60


def test_pixels_are_counted_while_they_are_decoded() -> None:
    info = media.probe(variants.REAL)
    few = replace(LIMITS, max_decoded_pixels=10 * info.width * info.height)
    assert f"has {round(info.duration_s * info.fps)} pictures of" in refusal(variants.REAL, few)
    with pytest.raises(MediaError, match="has 11 pictures of 480 x 360 pixels"):
        for _ in media.frames(variants.REAL, info, fps=30, limits=few):
            pass


def test_a_clip_that_will_take_too_long_is_refused_as_soon_as_it_is_foreseen(monkeypatch: pytest.MonkeyPatch) -> None:
    from msa_core.media import work

    seconds = iter(np.arange(0, 1000, 0.5))
    monkeypatch.setenv("MSA_MEDIA_PROCESS", "0")
    monkeypatch.setattr(work, "clock", lambda: float(next(seconds)))
    info, shown = media.probe(variants.REAL), []
    with pytest.raises(MediaError, match="takes more than 10 s of computing"):
        for time_s, _ in media.frames(variants.REAL, info, fps=30, limits=replace(LIMITS, max_decoding_s=10)):
            shown.append(time_s)
    assert 8 <= len(shown) <= 11, "5 s for these pictures, of 57"
