"""Copies of clips that a browser can show: recordings get a duration, foreign codecs become h264 with AAC."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from fractions import Fraction
from itertools import chain
from pathlib import Path
from typing import Any

import av
import numpy as np

from msa_core import media
from msa_core.config import MediaLimits
from msa_core.degrade import Degradation
from msa_core.errors import MediaError

PREVIEW_FPS = 30
Change = Callable[[np.ndarray], np.ndarray]  # of a picture (H, W, 3) uint8, or of the samples (N,) float32


def browser_copy(path: str | Path, out_dir: str | Path) -> Path:
    """Return a file that a browser plays with a time line: `path` itself when it does, else a copy in `out_dir`.

    A recording without duration is rewritten; HEVC, AVI and the like become h264 with AAC, longer side 640.
    Raises: MediaError when it cannot be read or written; no partial file is left.
    """
    path, out_dir = media.check_file(path, MediaLimits.command_line()), Path(out_dir)
    with media.open_clip(path) as container:
        streams = media.main_streams(container)
        kind = _browser_kind(container.format.name, streams)
        timed = container.duration is not None
        native = path.suffix.lower() == f".{kind}"
    if kind and timed and native:
        return path
    out = out_dir / f"{path.stem}-preview.{kind or 'mp4'}"
    try:
        return remux(path, out) if kind else encode(path, out)
    except MediaError:
        if kind is None:
            raise
        return encode(path, out.with_suffix(".mp4"))  # damaged packets do not fit another container: decode them


def remux(path: str | Path, out: str | Path) -> Path:
    """Copy the main video and sound of `path` to `out` without decoding, adding the duration and index it lacks.

    Raises: MediaError when the streams do not fit the container of `out`; no partial file is left.
    """
    path, out = Path(path), Path(out)
    with _writing(path, out) as target, media.open_clip(path) as source:
        copies = {s.index: target.add_stream_from_template(s) for s in media.main_streams(source)}
        for packet in source.demux(media.main_streams(source)):
            if packet.dts is not None:
                packet.stream = copies[packet.stream_index]
                target.mux(packet)
    return out


def _browser_kind(container: str, streams: list[Any]) -> str | None:
    """Return 'mp4' or 'webm' when every stream plays there as it is, else None."""
    codecs = {s.codec_context.name for s in streams}
    pixels = {s.codec_context.pix_fmt for s in streams if s.type == "video"}
    if not streams or pixels - {"yuv420p", "yuvj420p"}:
        return None
    if "mov" in container and codecs <= {"h264", "aac", "mp3float", "mp3"}:
        return "mp4"
    if codecs <= {"vp8", "vp9", "libdav1d", "av1", "opus", "vorbis"}:
        return "webm"
    return "mp4" if codecs <= {"h264", "aac"} else None


def encode(path: str | Path, out: str | Path, picture: Change | None = None, sound: Change | None = None) -> Path:
    """Encode what the analysis itself sees and hears as h264 and AAC.

    Args:
        picture: applied to every picture, (H, W, 3) uint8.
        sound: applied to the samples, (N,) float32.

    Raises: MediaError; no partial file is left.
    """
    path, out = Path(path), Path(out)
    info = media.probe(path, MediaLimits.command_line())
    pictures = media.frames(path, info, fps=PREVIEW_FPS)
    first = next(pictures, None)
    with _writing(path, out) as target:
        packets: list[Any] = []
        if first is not None:
            video: Any = target.add_stream("libx264", rate=PREVIEW_FPS, options={"preset": "ultrafast", "crf": "26"})
            video.height, video.width = (side // 2 * 2 or 2 for side in first[1].shape[:2])
            video.pix_fmt, video.codec_context.time_base = "yuv420p", Fraction(1, 1000)
        if info.has_audio:
            audio: Any = target.add_stream("aac", rate=media.SAMPLE_RATE_HZ, layout="mono")
            wave = media.waveform(path, info)
            samples = wave if sound is None else sound(wave)
            block = av.AudioFrame.from_ndarray(samples[None], format="fltp", layout="mono")
            block.sample_rate, block.pts, block.time_base = media.SAMPLE_RATE_HZ, 0, Fraction(1, media.SAMPLE_RATE_HZ)
            packets += [*audio.encode(block), *audio.encode(None)]
        for time_s, image in [] if first is None else chain([first], pictures):
            shown = av.VideoFrame.from_ndarray(image if picture is None else picture(image), format="rgb24")
            shown = shown.reformat(video.width, video.height, "yuv420p")
            shown.pts, shown.time_base = round(time_s * 1000), Fraction(1, 1000)
            packets += video.encode(shown)
        packets += [] if first is None else video.encode(None)
        for packet in sorted(packets, key=lambda p: p.dts * p.time_base):
            target.mux(packet)
    return out


@contextmanager
def _writing(path: Path, out: Path) -> Iterator[Any]:
    """Open an output container for `out`, complete in the end or not there. Raises: MediaError naming `path`."""
    part = out.with_name(f".part-{out.name}")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        try:
            with av.open(str(part), "w") as target:
                yield target
            part.replace(out)
        finally:
            part.unlink(missing_ok=True)
    except (av.FFmpegError, ValueError, OSError) as e:
        why = getattr(e, "strerror", None) or type(e).__name__
        name = media.label(path)
        raise MediaError(f"{name} cannot be rewritten as {out.suffix[1:]} ({why}). Export it as mp4.") from e


def degraded_copy(path: str | Path, damage: Degradation, out: str | Path) -> Path:
    """Encode what the models get of a damaged clip as h264 and AAC into the folder `out`, and nowhere else.

    Returns: the mp4, named after the clip and the damage.

    Raises: MediaError; no partial file is left.
    """
    name = f"{Path(path).stem}-blur{1000 * damage.blur:.0f}"
    name += "" if damage.noise_db is None else f"-noise{damage.noise_db:g}"
    return encode(path, Path(out) / f"{name}.mp4", damage.picture, damage.sound)
