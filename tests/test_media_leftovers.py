"""What reading a clip leaves behind: no decoded picture, no thread. Python's own collection of cycles is off."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from pathlib import Path

import av
import pytest
import variants

from msa_core import media
from msa_core.config import MediaLimits
from msa_core.media import copies, pictures

THREADS = Path("/proc/self/task")


@pytest.fixture(autouse=True)
def here(monkeypatch: pytest.MonkeyPatch) -> None:
    """Read in this process, whose threads and pictures are counted."""
    monkeypatch.setenv("MSA_MEDIA_PROCESS", "0")


@pytest.fixture
def uncollected() -> Iterator[None]:
    """Keep Python from hiding what only its collector would free."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def left() -> tuple[int, int]:
    """Count the threads of this process (0 where the system does not tell) and the decoded frames in memory."""
    kinds = (av.VideoFrame, av.AudioFrame, pictures.Scaler)
    frames = sum(issubclass(type(o), kinds) for o in gc.get_objects())
    return len(list(THREADS.iterdir())) if THREADS.is_dir() else 0, frames


def read(path: Path) -> int:
    info = media.probe(path)
    media.waveform(path, info)
    return sum(1 for _ in media.frames(path, info, fps=30))


def test_a_clip_leaves_no_picture_and_no_thread(uncollected: None) -> None:
    threads, frames = left()
    assert read(variants.REAL) > 50
    assert left() == (threads, frames)


def test_a_reading_that_is_broken_off_leaves_none(uncollected: None) -> None:
    threads, frames = left()
    shown = media.frames(variants.REAL, media.probe(variants.REAL), fps=30)
    next(shown)
    del shown
    assert left() == (threads, frames)


def test_pictures_are_scaled_in_one_thread() -> None:
    shown = media.frames(variants.REAL, media.probe(variants.REAL), fps=30)
    next(shown)
    before, _ = left()
    for _ in range(20):
        next(shown)
    assert left()[0] <= before


def test_a_copy_for_the_browser_leaves_none(uncollected: None, tmp_path: Path) -> None:
    threads, frames = left()
    copies.encode(variants.REAL, tmp_path / "copy.mp4", MediaLimits())
    assert left() == (threads, frames)
