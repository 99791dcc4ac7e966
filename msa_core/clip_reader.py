"""The line that every feature set shares: a file is probed, heard and seen at once, and put together as an `Utterance`.

The sound is read while another thread follows the face; both spend their time outside Python.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from msa_core import media, people
from msa_core.config import MediaLimits
from msa_core.degrade import Degradation
from msa_core.errors import FeatureError, MsaError, message
from msa_core.features import TUNED, FeatureSet
from msa_core.features.face import FaceFollower, Faces
from msa_core.features.text import WordEncoder
from msa_core.features.watch import BEGINS, StepProgress, Stopped, Watch, result, step
from msa_core.schema import MediaInfo, Prosody, Stream, Utterance, Word

SPOKEN = {"en": "English", "zh": "Chinese"}  # what may be spoken in a clip
EARLY_END_S = 1.0  # a picture that stops this long before the sound is worth a note


@dataclass(frozen=True)
class SoundStreams:
    """Streams, words and notes from the sound of a clip."""

    text: Stream
    audio: Stream
    simulated: Stream
    transcript: str = ""
    words: tuple[Word, ...] = ()
    translation: str = ""
    notes: tuple[str, ...] = ()
    prosody: Prosody | None = None

    @staticmethod
    def nothing(text: str, audio: str) -> SoundStreams:
        """Make the result of a sound without any stream, with the reasons for text and audio."""
        return SoundStreams(Stream.absent(text), Stream.absent(audio), Stream.absent(text))


@dataclass(frozen=True)
class Reading:
    """Clip while it is read: its file, how it is read, and where times and progress go."""

    path: Path
    info: MediaInfo
    limits: MediaLimits
    degradation: Degradation
    spoken: str
    any_language: bool
    timings: dict[str, float]
    watch: Watch


class ClipReader(ABC):
    """Reader of clips by loaded extractors of one feature set."""

    def __init__(self, feature_set: FeatureSet, text: WordEncoder, faces: FaceFollower) -> None:
        """Hold what every set has.

        Args:
            feature_set: widths and id of the streams.
            text: encoder of words.
            faces: reader of faces.
        """
        self.feature_set, self.text, self.faces = feature_set, text, faces

    def utterance(
        self,
        path: str | Path,
        limits: MediaLimits | None = None,
        progress: StepProgress | None = None,
        degradation: Degradation | None = None,
        spoken: str = "en",
        any_language: bool = False,
    ) -> Utterance:
        """Extract every modality of one clip; one that is not there is absent with its reason.

        Args:
            path: the media file.
            limits: on size and duration; None takes those of the page.
            progress: called with a step of BEGINS and the share of the work that is done, as each step begins and a
                few times a second within it; what it raises ends the work at once.
            degradation: applied to pictures and sound before anything reads them.
            spoken: a key of SPOKEN. Chinese is translated (`features/translation.py`); its voice is read by the
                networks for English voices, which is a departure from their training.
            any_language: use the words even if they sound like another language, or are not understood.

        Raises:
            MediaError: the file is not an acceptable clip.
            FeatureError: a feature is not finite, or the weights for Chinese are not installed.
            MsaError: the language is unknown.
        """
        if spoken not in SPOKEN:
            raise MsaError(
                "Unknown spoken language {name}. Choose from: {names}.", name=repr(spoken), names=", ".join(SPOKEN)
            )
        # 1. Probe the file.
        path, timings, watch = Path(path), dict.fromkeys(BEGINS, 0.0), Watch(progress)
        limits = limits or MediaLimits()
        with step("media", timings, watch):
            info = media.probe(path, limits)
        clip = Reading(path, info, limits, degradation or Degradation(), spoken, any_language, timings, watch)
        # 2. Follow the face in a second thread while this one reads the sound.
        with ThreadPoolExecutor(1) as pool:
            seeing = pool.submit(self._see, clip)
            try:
                heard = self._hear(clip)
                watch.begin("faces")
                faces = result(seeing, watch)
            except BaseException:
                watch.stopped.set()
                raise
        # 3. Put the streams together, each checked against the feature set.
        return Utterance(
            id=info.name,
            duration_s=info.duration_s,
            feature_set=self.feature_set.id,
            transcript=heard.transcript,
            translation=heard.translation,
            words=heard.words,
            thumbnails=faces.thumbnails,
            notes=(*clip.degradation.notes(info.has_audio, info.has_video), *_tracks(info), *heard.notes, *faces.notes),
            timings_s=timings,
            text=verified(heard.text, "text", info.name, self.feature_set),
            audio=verified(heard.audio, "audio", info.name, self.feature_set),
            vision=verified(faces.stream, "vision", info.name, self.feature_set),
            simulated=verified(heard.simulated, "simulated", info.name, self.feature_set),
            prosody=heard.prosody,
            people=people.of(path) if clip.degradation == Degradation() else {},
        )

    @abstractmethod
    def _hear(self, clip: Reading) -> SoundStreams:
        """Read text, audio and simulated text from the sound."""

    def _see(self, clip: Reading) -> Faces:
        """Read the face stream and the thumbnails from the pictures."""
        info = clip.info
        if not info.has_video:
            return Faces(Stream.absent(no_track(info, "video")))
        last_s = 0.0

        def watched() -> Iterator[tuple[float, np.ndarray]]:
            nonlocal last_s
            for time_s, image in media.frames(clip.path, info, limits=clip.limits):
                if clip.watch.stopped.is_set():
                    raise Stopped
                last_s = time_s
                yield time_s, clip.degradation.picture(image)

        with step("faces", clip.timings):
            faces = self.faces.read(watched())
        if info.duration_s - last_s <= EARLY_END_S:
            return faces
        note = message("The last picture is at {last:.1f} s of {length:.1f} s.", last=last_s, length=info.duration_s)
        return replace(faces, notes=(*faces.notes, note))


def _tracks(info: MediaInfo) -> tuple[str, ...]:
    """Note that there is more sound or are more pictures than what was read."""
    notes, n, seen = list[str](), info.n_audio_tracks, info.n_video_tracks
    if info.has_audio and n > 1:
        notes.append(
            message("The clip has {n} sound tracks; only track {number} was read.", n=n, number=info.audio_track)
        )
    if info.has_video and seen > 1:
        number = info.video_track
        notes.append(message("The clip has {n} video tracks; only track {number} was read.", n=seen, number=number))
    return tuple(notes)


def no_track(info: MediaInfo, kind: str) -> str:
    """Say why a clip has no track of a kind, "audio" or "video"."""
    codec = info.undecodable.get(kind)
    if codec is None:
        return f"no {kind} track"
    if kind == "audio":
        return message("audio track that cannot be decoded ({codec})", codec=codec)
    return message("video track that cannot be decoded ({codec})", codec=codec)


def verified(stream: Stream, name: str, clip: str, feature_set: FeatureSet = TUNED) -> Stream:
    """Return the stream of a feature set as float32.

    Raises:
        FeatureError: it holds NaN or infinity, or has the width of another feature set.
    """
    if stream.values is None or stream.times_s is None:
        return stream
    values, times_s = np.asarray(stream.values, np.float32), np.asarray(stream.times_s, np.float32)
    shape = (len(times_s), feature_set.dims[name])
    if values.shape != shape or len(times_s) == 0:
        raise FeatureError(
            "The {stream} features of {clip} have shape {shape}, expected {expected}. Restore the weights.",
            stream=name,
            clip=clip,
            shape=values.shape,
            expected=shape,
        )
    if not (np.isfinite(values).all() and np.isfinite(times_s).all()):
        raise FeatureError(
            "The {stream} features of {clip} hold NaN or infinity. Export the clip again and retry.",
            stream=name,
            clip=clip,
        )
    return Stream(values, times_s)
