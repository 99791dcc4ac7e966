"""Extraction: one clip becomes an `Utterance`, every modality read once or absent with a reason.

The sound is read while another thread follows the face; both spend their time outside Python. Only `folder`, the
command for many clips, writes to disk, and it skips the clips that it has already done.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import wait as wait_for
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from tqdm import tqdm

from msa_core import checkpoint, media, people
from msa_core.config import MediaLimits, choose_device
from msa_core.degrade import Degradation
from msa_core.errors import FeatureError, MsaError, fault, message
from msa_core.features import COMPACT, expression, prosody, simulated_text, voice, weights
from msa_core.features.face import FaceReader, Faces
from msa_core.features.second_opinion import UNCERTAIN
from msa_core.features.speech import Speech, SpeechReader
from msa_core.features.store import save, stored_key
from msa_core.features.text import TextEncoder
from msa_core.features.translation import TranslatingReader, if_at_hand
from msa_core.features.whisper_decoding import NOT_UNDERSTOOD
from msa_core.schema import MediaInfo, Prosody, Stream, Utterance, Word

StepProgress = Callable[[str, float], None]  # step, share of the work that is done
BEGINS = {"media": 0.0, "speech": 0.05, "text": 0.6, "voice": 0.7, "faces": 0.75}  # of a talking clip of 10 s
NO_SPEECH = "no speech found"
NO_SPEECH_VOICE = "sound without speech"  # music and noise are not read as an emotional voice
SPOKEN = {"en": "English", "zh": "Chinese"}  # what may be spoken in a clip
NOTHING_TO_SIMULATE_FROM = "text is simulated from English speech only"
UNCERTAIN_NOTE = "The words are uncertain: they may be misheard, or another language is spoken."
POLL_S = 0.25  # between two calls of a progress within a step
EARLY_END_S = 1.0  # a picture that stops this long before the sound is worth a note


@dataclass(frozen=True)
class _SoundStreams:
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
    def nothing(text: str, audio: str) -> _SoundStreams:
        """Make the result of a sound without any stream, with the reasons for text and audio."""
        return _SoundStreams(Stream.absent(text), Stream.absent(audio), Stream.absent(text))


@dataclass(frozen=True)
class _Reading:
    """One clip while it is read: its file, how it is read, and where times and progress go."""

    path: Path
    info: MediaInfo
    degradation: Degradation
    spoken: str
    any_language: bool
    timings: dict[str, float]
    watch: _Watch


class Extractor:
    """Loaded feature extractors of the compact feature set.

    They keep nothing of a clip. Whisper base is loaded by the first clip in Chinese or with doubtful speech.
    """

    def __init__(
        self,
        speech: SpeechReader,
        text: TextEncoder,
        voice_network: voice.VoiceNetwork,
        projector: simulated_text.Projector,
        faces: FaceReader,
        translating: Callable[[], SpeechReader] | None = None,
    ) -> None:
        """Hold the loaded extractors.

        Args:
            speech: reader of English speech.
            text: encoder of words.
            voice_network: networks that read emotion and score from the voice.
            projector: maps decoder states to simulated text.
            faces: reader of faces.
            translating: gives the reader of Chinese, loaded by the first call; None takes Whisper base.
        """
        self.speech, self.text, self.voice_network = speech, text, voice_network
        self.projector, self.faces = projector, faces
        self._translator = weights.Once(translating or (lambda: TranslatingReader(weights.whisper("base"))))

    @staticmethod
    def load(device: str | None = None) -> Extractor:
        """Load and verify all extractors.

        Args:
            device: "cpu" or "cuda"; None takes the GPU when there is one.

        Raises:
            FeatureError, CheckpointError: weights are missing or altered; the message names the repair.
        """
        device = choose_device(device)
        base = weights.Once(lambda: TranslatingReader(weights.whisper("base", device=device)))
        return Extractor(
            SpeechReader(weights.whisper("tiny.en", device=device), second=lambda: if_at_hand(base)),
            TextEncoder(weights.minilm_directory(), device),
            voice.load(device=device),
            simulated_text.load(),
            FaceReader(expression.load()),
            base,
        )

    def utterance(
        self,
        path: str | Path,
        limits: MediaLimits | None = None,
        progress: StepProgress | None = None,
        degradation: Degradation | None = None,
        spoken: str = "en",
        any_language: bool = False,
    ) -> Utterance:
        """Extract every modality of one clip.

        A modality that is not there is absent with its reason.

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
        path, timings, watch = Path(path), dict.fromkeys(BEGINS, 0.0), _Watch(progress)
        with _step("media", timings, watch):
            info = media.probe(path, limits)
        clip = _Reading(path, info, degradation or Degradation(), spoken, any_language, timings, watch)
        # 2. Follow the face in a second thread while this one reads the sound.
        with ThreadPoolExecutor(1) as pool:
            seeing = pool.submit(self._see, clip)
            try:
                heard = self._hear(clip)
                watch.begin("faces")
                faces = _result(seeing, watch)
            except BaseException:
                watch.stopped.set()
                raise
        # 3. Put the streams together, each checked against the feature set.
        return Utterance(
            id=info.name,
            duration_s=info.duration_s,
            feature_set=COMPACT.id,
            transcript=heard.transcript,
            translation=heard.translation,
            words=heard.words,
            thumbnails=faces.thumbnails,
            notes=(*clip.degradation.notes(info.has_audio, info.has_video), *_tracks(info), *heard.notes, *faces.notes),
            timings_s=timings,
            text=_verified(heard.text, "text", info.name),
            audio=_verified(heard.audio, "audio", info.name),
            vision=_verified(faces.stream, "vision", info.name),
            simulated=_verified(heard.simulated, "simulated", info.name),
            prosody=heard.prosody,
            people=people.of(path) if clip.degradation == Degradation() else {},
        )

    def _hear(self, clip: _Reading) -> _SoundStreams:
        """Read text, audio and simulated text from the sound."""
        timings, watch = clip.timings, clip.watch
        if not clip.info.has_audio:
            reason = _no_track(clip.info, "audio")
            return _SoundStreams.nothing(reason, reason)
        with _step("media", timings):
            wave = clip.degradation.sound(media.waveform(clip.path, clip.info))
        with _step("speech", timings, watch):
            speech = self._listen(wave, clip, watch)
        if speech.silent_reason:
            return _SoundStreams.nothing(speech.silent_reason, speech.silent_reason)
        if speech.no_speech_reason and not speech.no_speech_reason.startswith(NOT_UNDERSTOOD):
            return _SoundStreams.nothing(NO_SPEECH, NO_SPEECH_VOICE)
        if speech.no_speech_reason:  # a voice in a language that is not recognised is still a voice
            absent = Stream.absent(speech.no_speech_reason)
            audio, heard = self._voice(speech, wave, clip)
            return _SoundStreams(absent, audio, absent, prosody=heard)
        with _step("text", timings, watch):
            text, simulated = self.text.encode_words(speech.words), self._simulated(speech)
        if not text.present:  # only punctuation was heard
            return _SoundStreams.nothing(NO_SPEECH, NO_SPEECH_VOICE)
        audio, heard = self._voice(speech, wave, clip)
        notes = (*speech.notes, *([UNCERTAIN_NOTE] if speech.log_probability < UNCERTAIN else []))
        return _SoundStreams(text, audio, simulated, speech.transcript, speech.words, speech.translation, notes, heard)

    def _listen(self, wave: np.ndarray, clip: _Reading, watch: _Watch) -> Speech:
        """Recognise what was said; the frames always come from the Whisper that the voice networks were trained on."""

        def poll() -> None:
            watch.look("speech")

        reader = self.speech if clip.spoken == "en" else self._translator()
        speech = reader.read(wave, poll, any_language=clip.any_language)
        if clip.spoken == "en":
            return speech
        frames, times_s = self.speech.frames(wave)
        return replace(speech, frames=frames, frame_times_s=times_s)

    def _simulated(self, speech: Speech) -> Stream:
        if speech.translation:
            return Stream.absent(NOTHING_TO_SIMULATE_FROM)
        return simulated_text.stream(speech, self.projector)

    def _voice(self, speech: Speech, wave: np.ndarray, clip: _Reading) -> tuple[Stream, Prosody]:
        with _step("voice", clip.timings, clip.watch):
            stream = voice.audio_stream(self.voice_network, speech.frames, speech.frame_times_s)
            return stream, prosody.measure(wave, speech.words, bool(speech.translation))

    def _see(self, clip: _Reading) -> Faces:
        """Read the face stream and the thumbnails from the pictures."""
        info = clip.info
        if not info.has_video:
            return Faces(Stream.absent(_no_track(info, "video")))
        last_s = 0.0

        def watched() -> Iterator[tuple[float, np.ndarray]]:
            nonlocal last_s
            for time_s, image in media.frames(clip.path, info):
                if clip.watch.stopped.is_set():
                    raise _Stopped
                last_s = time_s
                yield time_s, clip.degradation.picture(image)

        with _step("faces", clip.timings):
            faces = self.faces.read(watched())
        if info.duration_s - last_s <= EARLY_END_S:
            return faces
        note = message("The last picture is at {last:.1f} s of {length:.1f} s.", last=last_s, length=info.duration_s)
        return replace(faces, notes=(*faces.notes, note))


def folder(
    source: str | Path,
    out: str | Path,
    limits: MediaLimits | None = None,
    device: str | None = None,
    any_language: bool = False,
) -> tuple[int, dict[str, str]]:
    """Extract every clip under `source` to `out`/<same relative name>.npz, skipping those that are done.

    A clip is done when its .npz holds features of the same file content by the same extractors, so a stopped
    run goes on where it was and a changed clip is read again.

    Args:
        source: a folder of clips, searched with its subfolders.
        out: the folder to write to.
        limits: on size and duration of a clip; None takes those of the command line.
        device: "cpu" or "cuda"; None takes the GPU when there is one.
        any_language: see `Extractor.utterance`.

    Returns:
        The number of clips with features, and the reason for each clip that could not be read; none ends the run.

    Raises:
        MediaError: there is no clip.
        FeatureError: `out` cannot be written.
    """
    source, out = Path(source), Path(out)
    extractor: Extractor | None = None
    failed: dict[str, str] = {}
    clips = media.files(source)
    for clip in tqdm(clips, desc="extract", unit="clip"):
        name = str(clip.relative_to(source))
        target = out / f"{name}.npz"
        try:
            key = " ".join([checkpoint.sha256(clip), COMPACT.id, *COMPACT.extractors]) + any_language * " any language"
        except OSError as e:
            failed[name] = f"{media.label(clip)} cannot be read ({e.strerror})."
            continue
        if stored_key(target) == key:
            continue
        extractor = extractor or Extractor.load(device)
        try:
            read = extractor.utterance(clip, limits or MediaLimits.command_line(), any_language=any_language)
        except Exception as e:
            failed[name] = fault(e)
            continue
        save(read, target, key)
    return len(clips) - len(failed), failed


class _Stopped(Exception):
    """End of the thread that reads faces, when the other thread has failed or was interrupted."""


class _Watch:
    """Progress for a caller, who ends the work by raising an exception when it is told."""

    def __init__(self, progress: StepProgress | None) -> None:
        self._progress, self._told_s = progress, 0.0
        self.stopped = threading.Event()

    def begin(self, step: str) -> None:
        """Announce that a step begins."""
        if self._progress is not None:
            self._told_s = time.monotonic()
            self._progress(step, BEGINS[step])

    def look(self, step: str) -> None:
        """Announce that a step goes on, every POLL_S at most."""
        if time.monotonic() - self._told_s >= POLL_S:
            self.begin(step)


def _result(seeing: Future[Faces], watch: _Watch) -> Faces:
    """Wait for the faces, keeping the caller informed."""
    while not wait_for([seeing], POLL_S).done:
        watch.look("faces")
    return seeing.result()


@contextmanager
def _step(name: str, timings: dict[str, float], watch: _Watch | None = None) -> Iterator[None]:
    """Announce a step and add the seconds that it takes to `timings`."""
    if watch is not None:
        watch.begin(name)
    start = time.perf_counter()
    try:
        yield
    finally:
        timings[name] += time.perf_counter() - start


def _tracks(info: MediaInfo) -> tuple[str, ...]:
    """Note that there is more sound than what was read."""
    if not info.has_audio or info.n_audio_tracks < 2:
        return ()
    n, number = info.n_audio_tracks, info.audio_track
    return (message("The clip has {n} sound tracks; only track {number} was read.", n=n, number=number),)


def _no_track(info: MediaInfo, kind: str) -> str:
    codec = info.undecodable.get(kind)
    if codec is None:
        return f"no {kind} track"
    if kind == "audio":
        return message("audio track that cannot be decoded ({codec})", codec=codec)
    return message("video track that cannot be decoded ({codec})", codec=codec)


def _verified(stream: Stream, name: str, clip: str) -> Stream:
    """Return the stream as float32.

    Raises:
        FeatureError: it holds NaN or infinity, or has the width of another feature set.
    """
    if stream.values is None or stream.times_s is None:
        return stream
    values, times_s = np.asarray(stream.values, np.float32), np.asarray(stream.times_s, np.float32)
    shape = (len(times_s), COMPACT.dims[name])
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
