"""Examples read beforehand: features of shipped clips, written once by `extract` and at hand without any reading.

`python -m msa_core extract examples --out examples/features` writes them. They hold for the very content of a clip and
for today's extractors; of anything else nothing is at hand, and the clip has to be read.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from msa_core import media, people
from msa_core.errors import FeatureError
from msa_core.features import store
from msa_core.features.thumbnails import thumbnail
from msa_core.schema import Thumbnail, Utterance

FOLDER = "features"  # beside the clips


def utterance(clip: Path) -> Utterance | None:
    """Look up a clip that was read beforehand, with its pictures and what people said of it, without timings.

    Returns: None when there are no features of this content by today's extractors.
    Raises: MediaError when its pictures cannot be decoded.

    >>> from msa_core.config import shipped
    >>> read = utterance(shipped("examples") / "crema_sad.mp4")
    >>> read.text.present, read.people["face"].n
    (True, 9)
    """
    stored = clip.parent / FOLDER / f"{clip.name}.npz"
    if store.stored_key(stored) != store.key(clip):
        return None
    try:
        read, frames = store.load(stored), store.frames(stored)
    except FeatureError:
        return None
    return replace(read, thumbnails=_pictures(clip, frames), people=people.of(clip), timings_s={})


def _pictures(clip: Path, frames: tuple[store.Frame, ...]) -> tuple[Thumbnail, ...]:
    """Decode the pictures of frames, which are kept in the clip only."""
    if not frames:
        return ()
    by_time = {round(f.time_s, 6): f for f in frames}
    shown = media.frames(clip, media.probe(clip))
    found = ((by_time[round(time_s, 6)], image) for time_s, image in shown if round(time_s, 6) in by_time)
    return tuple(Thumbnail(f.time_s, thumbnail(image), f.box, f.valence) for f, image in found)
