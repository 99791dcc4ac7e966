"""Small pictures of a clip for display, few and evenly spaced."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from msa_core.features.box import Box, between
from msa_core.schema import Thumbnail

MAX_THUMBNAILS = 12
THUMBNAIL_SIDE = 320  # pixels of the longer side, at most


def thumbnail(frame: np.ndarray) -> np.ndarray:
    """Scale a picture (H, W, 3) uint8 down to what is kept of it for display."""
    scale = min(1.0, THUMBNAIL_SIDE / max(frame.shape[:2]))
    size = max(round(frame.shape[1] * scale), 1), max(round(frame.shape[0] * scale), 1)
    return np.asarray(cv2.resize(frame, size, interpolation=cv2.INTER_AREA))


class Thumbnails:
    """Few small pictures of a clip of unknown length, evenly spaced: every 2nd, 4th, .. frame."""

    def __init__(self) -> None:
        self._every = 1
        self._kept: dict[int, np.ndarray] = {}

    def add(self, number: int, frame: np.ndarray) -> None:
        """Remember the frame when it is its turn."""
        if number % self._every:
            return
        self._kept[number] = thumbnail(frame)
        if len(self._kept) > 2 * MAX_THUMBNAILS:
            self._every *= 2
            self._kept = {n: kept for n, kept in self._kept.items() if n % self._every == 0}

    def pictures(
        self, times: Sequence[float], boxes: dict[int, Box], valences: dict[int, float], size: Sequence[int]
    ) -> tuple[Thumbnail, ...]:
        """Return up to MAX_THUMBNAILS of them, with the face where it was found on a picture of `size`."""
        numbers = list(self._kept)
        chosen = np.linspace(0, len(numbers) - 1, min(MAX_THUMBNAILS, len(numbers))).round().astype(int)
        pictures = []
        for number in (numbers[i] for i in chosen):
            image = self._kept[number]
            box = None
            if number in boxes:
                b, (height, width) = between(boxes[number], size, image.shape), image.shape[:2]
                left, top = max(round(b.x), 0), max(round(b.y), 0)
                box = left, top, min(round(b.x + b.w), width) - left, min(round(b.y + b.h), height) - top
            pictures.append(Thumbnail(times[number], image, box, valences.get(number)))
        return tuple(pictures)
