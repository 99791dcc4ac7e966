"""The media matrix: one clip written in many ways, and how far each reading of it is from the original.

`PYTHONPATH=.:tests/support python tests/support/media_table.py` writes its table into docs/media.md.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import media_matrix as matrix
import numpy as np
import variants
from paths import ROOT
from sounds import correlations

from msa_core import media, tables
from msa_core.page import preview

DOC = ROOT / "docs" / "media.md"
FPS, FPS_READ = 30, 5  # of the clip, and of the analysis
Build = Callable[[Path], Any]
TOLERANCE = {  # a lossy codec, a lead-in of sound that the container does not tell (64 ms of AAC at 16 kHz), one frame
    "duration (s)": 0.1,
    "sound late (s)": 0.07,
    "sound unlike (1 - r)": 0.12,
    "pictures missing": 0,
    "picture late (s)": 0.08,
    "picture unlike (levels)": 12.0,
    "player: begins at (s)": 0.05,
    "player: duration (s)": 0.1,
    "player: pictures missing": 1,
    "player: sound late (s)": 0.05,
}


@dataclass(frozen=True)
class Case:
    """One way of writing the clip; `sound` and `images` are what it has, from `.._from_s` on."""

    build: Build
    sound: bool = True
    images: bool = True
    turned: int = 0
    images_from_s: float = 0.0
    sound_from_s: float = 0.0


def film(video: str, audio: str, rate: int = variants.RATE, small: bool = False, **settings: Any) -> Build:
    images = variants.pictures()
    if small:  # libvpx is slow
        images = [(t, variants.resized(i, 180)) for t, i in images]
    return lambda p: variants.write(
        p, images, variants.sound(rate=rate), video=video, audio=audio, rate=rate, **settings
    )


def sound(layout: str, wave: Callable[[np.ndarray], np.ndarray], audio: str = "flac", fmt: str = "s16") -> Build:
    return lambda p: variants.write(
        p, wave=wave(matrix.voice(48_000)), audio=audio, rate=48_000, layout=layout, sample_format=fmt
    )


def b_frames(n: int, pyramid: str = "none") -> Build:
    params = f"bframes={n}:b-pyramid={pyramid}:b-adapt=0:keyint=250:scenecut=0"
    return film("libx264", "aac", video_options={"x264-params": params})


def cases() -> dict[str, Case]:
    """Every variant by its name, whose suffix is the container's."""
    found: dict[str, Case] = {}
    # 1. Containers and codecs.
    for suffix in ("mp4", "mov", "mkv", "flv", "ts", "avi", "mpg"):
        for video in ("libx264", "mpeg4"):
            for audio in ("aac", "libmp3lame", "libopus", "pcm_s16le"):
                if _fits(suffix, video, audio):
                    rate = {"libopus": 48_000, "libmp3lame": 44_100}.get(audio, variants.RATE)
                    fmt = {"libopus": "flt", "pcm_s16le": "s16"}.get(audio, "fltp")
                    built = film(video, audio, rate, sample_format=fmt)
                    found[f"{video} {audio}.{suffix}"] = Case(built)
    for video in ("libvpx", "libvpx-vp9"):
        found[f"{video} libopus.webm"] = Case(film(video, "libopus", 48_000, small=True, sample_format="flt"))
    # 2. Start times and missing decoding times.
    for suffix in ("mkv", "ts", "flv"):
        for shift in (0.0, 1.4, 7200.0):
            found[f"from {shift:g} s.{suffix}"] = Case(lambda p, shift=shift: matrix.copied(variants.REAL, p, shift))
    for shift, late in (
        (0.0, {}),
        (5.0, {}),
        (5.0, {"images_from_s": 0.6}),
        (5.0, {"sound_from_s": 0.6}),
        (7200.0, {}),
    ):
        which = ", {} from 0.6 s".format("pictures" if "images_from_s" in late else "sound") if late else ""
        built = lambda p, shift=shift, late=late: matrix.fragmented(p, shift, **late)  # noqa: E731
        found[f"fragments from {shift:g} s{which}.mp4"] = Case(built, **late)
    listed = {"options": {"movflags": "frag_keyframe+delay_moov+default_base_moof"}, "start_s": 5.0}
    found["fragments with an edit list from 5 s.mp4"] = Case(film("libx264", "aac", **listed))
    # 3. Runs of B-frames, sizes, rotations.
    for n in (0, 2, 3, 8, 16):
        for suffix in ("mp4", "mkv", "ts"):
            found[f"{n} B-frames.{suffix}"] = Case(b_frames(n))
    for scale in (0.5, 0.75, 1.5):
        for codec, suffix in (("libvpx", "webm"), ("libx264", "mkv")):
            built = lambda p, s=scale, c=codec: matrix.resized_midway(p, s, c)  # noqa: E731
            found[f"size x {scale:g} midway {codec}.{suffix}"] = Case(built, sound=False)
    for degrees in (90, 180, 270):
        found[f"turned {degrees}.mp4"] = Case(variants._tilt(degrees), turned=degrees)
    # 4. Channels and tracks.
    layouts: dict[str, Callable[[np.ndarray], np.ndarray]] = {
        "stereo": lambda v: np.stack([v, v]),
        "stereo, out of phase": lambda v: np.stack([v, -v]),
        "5.1, centre": lambda v: matrix.on_channel(6, 2, v),
        "5.1, low frequency": lambda v: matrix.on_channel(6, 3, v),
        "quad, behind": lambda v: matrix.on_channel(4, 2, v),
    }
    for name, wave in layouts.items():
        found[f"{name}.mkv"] = Case(sound(name.split(",")[0], wave), images=False)
    for n, k in ((3, 0), (3, 2), (5, 4), (8, 7)):
        built = lambda p, n=n, k=k: matrix.plain_wav(p, matrix.on_channel(n, k, matrix.voice()))  # noqa: E731
        found[f"channel {k + 1} of {n}.wav"] = Case(built, images=False)
    for suffix in ("mkv", "mp4"):
        built = lambda p: matrix.tracks(p, [0 * matrix.voice(), matrix.voice()], variants.pictures())  # noqa: E731
        found[f"silent track first.{suffix}"] = Case(built)
    return found


def _fits(suffix: str, video: str, audio: str) -> bool:
    """Tell whether a container takes these codecs in common practice."""
    if suffix in ("flv", "ts"):
        return video == "libx264" and audio in ("aac", "libmp3lame")
    if suffix == "mpg":
        return False
    if suffix == "avi":
        return video == "mpeg4" and audio in ("libmp3lame", "pcm_s16le")
    if suffix == "mp4":
        return audio != "pcm_s16le"
    return not (suffix == "mov" and audio == "libopus")


def measured(case: Case, path: Path) -> dict[str, float]:
    """Read a variant and its player's copy, and compare them with the original."""
    case.build(path)
    info = media.probe(path)
    shown = preview.browser_copy(path, path.parent / "player")
    copy = media.probe(shown)
    voice, originals = matrix.voice().copy(), [(t, i) for t, i in variants.pictures() if t >= case.images_from_s]
    voice[: round(case.sound_from_s * variants.RATE)] = 0
    row = {"duration (s)": abs(info.duration_s - originals[-1][0] - 0.0167)}
    if case.sound:
        wave, played = media.waveform(path, info), media.waveform(shown, copy)
        row["sound late (s)"], likeness = late(wave, voice)
        row["sound unlike (1 - r)"] = 1 - likeness
        row["player: sound late (s)"] = late(played, wave)[0]
    if case.images:
        frames = list(media.frames(path, info))
        offset = row.get("sound late (s)", 0.0)
        row["pictures missing"] = round(10 - FPS_READ * case.images_from_s) - len(frames)
        nearest = [nearest_original(image, t - offset, originals, case.turned) for t, image in frames]
        row["picture late (s)"] = max(abs(t - offset - true) for (t, _), (true, _) in zip(frames, nearest, strict=True))
        row["picture unlike (levels)"] = max(apart for _, apart in nearest)
        every, kept = (sum(1 for _ in media.frames(p, i, fps=FPS)) for p, i in ((path, info), (shown, copy)))
        row["player: pictures missing"] = max(every - kept, len(originals) - every)
    row["player: begins at (s)"] = copy.start_s
    row["player: duration (s)"] = abs(copy.duration_s - info.duration_s)
    return row


def late(wave: np.ndarray, other: np.ndarray, longest_s: float = 0.08) -> tuple[float, float]:
    """Return how much later a sound is, in s, and its correlation then, whatever the sign."""
    lag = round(longest_s * 16_000)
    n = min(len(wave), len(other)) - lag
    likeness = np.abs(correlations(wave[: n + lag], other[lag:n])[::4])
    at = int(likeness.argmax())
    return (4 * at - lag) / 16_000, float(likeness[at])


def nearest_original(image: np.ndarray, time_s: float, originals: Any, turned: int) -> tuple[float, float]:
    """Return time and mean difference of the original picture, of those nearby, that looks most like this one."""
    upright = np.rot90(image, turned // 90) if turned else image
    own = variants.resized(np.ascontiguousarray(upright), 120).astype(int)
    near = [(t, i) for t, i in originals if abs(t - time_s) < 0.2] or originals[-1:]
    apart = [(float(np.abs(own - variants.resized(i, 120)).mean()), t) for t, i in near]
    least, time = min(apart)
    same = [t for a, t in apart if a < least + 0.3]  # a face that does not move looks the same for a while
    return min(same, key=lambda t: abs(t - time_s)), least


def rows() -> Iterator[tuple[str, dict[str, float]]]:
    """Measure every variant."""
    with tempfile.TemporaryDirectory() as folder:
        for name, case in cases().items():
            yield name, measured(case, Path(folder) / name)


def main() -> None:
    """Write docs/media.md."""
    table = [[name, *(f"{round(row[key], 3):g}" if key in row else "" for key in TOLERANCE)] for name, row in rows()]
    allowed = ["**allowed**", *(f"**{value:g}**" for value in TOLERANCE.values())]
    text = tables.markdown_table(["variant", *TOLERANCE], [allowed, *table])
    DOC.write_text(HEAD + text + "\n", encoding="utf-8")


HEAD = """# One clip, written in many ways

Every variant is the clip `examples/crema_happy.mp4` in another container, codec, layout of channels or tracks, with
another start time, in fragments, with longer runs of B-frames, a change of size or a rotation. Each is read as the
analysis reads it, and as the page's player shows it; the numbers are the largest differences from the original. The
first line is what the tests allow (`tests/test_media_matrix.py`). Sound counts as late by an encoder's lead-in where
the container does not tell it from sound; pictures are compared after that.

Written by `PYTHONPATH=.:tests/support python tests/support/media_table.py`.

"""

if __name__ == "__main__":
    main()
