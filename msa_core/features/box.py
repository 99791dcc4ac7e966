"""Box of a face in a picture."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple


class Box(NamedTuple):
    """Face in pixels of its frame; x and y are the top left corner."""

    x: float
    y: float
    w: float
    h: float

    @property
    def side(self) -> float:
        """Side of the square of the same area."""
        return math.sqrt(self.w * self.h)

    @property
    def centre(self) -> tuple[float, float]:
        """Middle of the box (x, y)."""
        return self.x + self.w / 2, self.y + self.h / 2

    def scaled(self, across: float, down: float) -> Box:
        """Scale the box to a picture that is `across` times as wide and `down` times as high."""
        return Box(self.x * across, self.y * down, self.w * across, self.h * down)


def between(box: Box, size: Sequence[int], other: Sequence[int]) -> Box:
    """Move a box from a picture of one (height, width, ..) to the same picture of another."""
    return box.scaled(other[1] / size[1], other[0] / size[0])
