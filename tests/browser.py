"""What the browser tests share: Chromium, its fake camera and microphone, pictures of the page."""

from __future__ import annotations

import os
import shutil
import wave
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import variants

ROOT = Path(__file__).resolve().parent.parent
ARTEFACTS = Path(__file__).resolve().parent / "artefacts"
CLIP = ROOT / "examples" / "crema_happy.mp4"
FLAGS = (
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync --use-fake-device-for-media-stream --use-fake-ui-for-media-stream"
).split()
PATIENCE_MS = 120_000


def chromium() -> str:
    found = next((p for p in map(shutil.which, ("chromium", "chromium-browser", "google-chrome")) if p), None)
    if found is None and not os.environ.get("CI"):
        pytest.skip("Chromium is not installed")
    assert found, "CI must have Chromium: apt-get install -y chromium"
    return found


def camera(path: Path) -> None:
    """The example's pictures as raw y4m, the only moving picture that a fake camera takes besides mjpeg."""
    import av

    frames = [av.VideoFrame.from_ndarray(image).reformat(format="yuv420p") for _, image in variants.pictures(CLIP)]
    with open(path, "wb") as f:
        f.write(b"YUV4MPEG2 W%d H%d F25:1 Ip A1:1 C420jpeg\n" % (frames[0].width, frames[0].height))
        for frame in frames:
            f.write(b"FRAME\n" + frame.to_ndarray().tobytes())


def microphone(path: Path) -> None:
    samples = (np.clip(variants.sound(CLIP, 48_000), -1, 1) * 32767).astype("<i2")
    with wave.open(str(path), "wb") as f:
        f.setnchannels(1)
        f.setsampwidth(2)
        f.setframerate(48_000)
        f.writeframes(samples.tobytes())


def stored(folder: Path) -> list[str]:
    return [p.name for p in folder.rglob("*") if p.is_file()]


def shown(page: Any, name: str) -> None:
    ARTEFACTS.mkdir(exist_ok=True)
    page.wait_for_timeout(500)
    page.screenshot(path=str(ARTEFACTS / f"{name}.png"), full_page=True)
