"""Clips read by a large feature set: `Extractor`'s line from file to `Utterance`, with models of one's own choice.

The words are heard by a Whisper, faces are found as the compact set finds them; what describes words, voice and face
comes from `features/large`. Written features say which models they are of, so a trained method finds its extractors.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from msa_core import media
from msa_core.checkpoint import sha256
from msa_core.clip_reader import ClipReader, Reading, SoundStreams, no_track
from msa_core.degrade import Degradation
from msa_core.errors import FeatureError, MsaError
from msa_core.extract import UNCERTAIN_NOTE
from msa_core.features import LARGE, prosody, store, weights
from msa_core.features.face import Faces
from msa_core.features.large import config as settings
from msa_core.features.large import hub
from msa_core.features.large.cache import Cache, Part
from msa_core.features.large.models import LargeSet
from msa_core.features.second_opinion import UNCERTAIN
from msa_core.features.sound_streams import NO_SPEECH, NO_SPEECH_VOICE, missing
from msa_core.features.speech import SpeechReader
from msa_core.features.translation import TranslatingReader, if_at_hand
from msa_core.features.watch import step
from msa_core.schema import Stream, Word

NOT_SIMULATED = "this feature set simulates no text"


class LargeExtractor(ClipReader):
    """Loaded models of a large feature set; beside a cache they keep nothing of a clip."""

    def __init__(self, large: LargeSet, device: str, cache: Cache | None = None) -> None:
        """Load the models.

        Args:
            large: the models that were found.
            device: "cpu" or "cuda".
            cache: of parts that were read before; None keeps none.

        Raises:
            FeatureError: a model does not load.
        """
        self.large, self.cache = large, cache or Cache()
        base = weights.Once(lambda: TranslatingReader(weights.whisper("base", device=device)))
        whisper = weights.whisper(large.config.transcriber, device=device)
        self.words = SpeechReader(whisper, language="en", second=lambda: if_at_hand(base))
        self.words.reads_voice = False  # frames come from the speech model
        self.voice, text = large.load_speech(device), large.load_text(device)
        self.simulator = large.load_simulator(self.voice, text, device)
        super().__init__(large.feature_set, text, large.load_faces(device))

    def _hear(self, clip: Reading) -> SoundStreams:
        """Read text, audio and simulated text from the sound."""
        if not clip.info.has_audio:
            reason = no_track(clip.info, "audio")
            return SoundStreams.nothing(reason, reason)
        if clip.spoken != "en":
            raise MsaError("A large feature set reads English speech. Leave --spoken out.")
        content, any_language = self._content(clip), " any language" * clip.any_language
        wave = weights.Once(lambda: self._wave(clip))
        with step("speech", clip.timings, clip.watch):
            key = self.large.words_key + any_language
            said = self.cache(content, key, lambda: self._words(wave(), clip)).facts
        if said["no_voice"] is not None:
            return SoundStreams.nothing(said["no_text"], said["no_voice"])
        words = tuple(Word(**w) for w in said["words"])
        with step("voice", clip.timings, clip.watch):
            pool = self.large.config.speech.pool
            audio = self._part("speech", content, "", lambda: self.voice.stream(wave(), pool))
        heard = store.restored_prosody(said["prosody"])
        if said["no_text"] is not None:
            absent = Stream.absent(said["no_text"])
            return SoundStreams(absent, audio, absent, prosody=heard)
        with step("text", clip.timings, clip.watch):
            text = self._part("text", content, key, lambda: self.text.encode_words(words))
            simulated = self._simulated(content, wave)
        return SoundStreams(text, audio, simulated, said["transcript"], words, "", tuple(said["notes"]), heard)

    def _see(self, clip: Reading) -> Faces:
        """Read the face stream and the thumbnails; a clip whose stream was cached has no thumbnails."""
        made: list[Faces] = []

        def make() -> Part:
            made.append(super(LargeExtractor, self)._see(clip))
            return Part(made[0].stream, {"notes": list(made[0].notes)})

        part = self.cache(self._content(clip), self.large.part_key("vision"), partial(self._finite, make))
        return made[0] if made else Faces(part.stream, notes=tuple(part.facts["notes"]))

    def _simulated(self, content: str | None, wave: Callable[[], np.ndarray]) -> Stream:
        """Simulate the text of a voice, or say why not."""
        simulator = self.simulator
        if simulator is None:
            return Stream.absent(NOT_SIMULATED)
        return self._part("simulated", content, "", lambda: simulator.stream(wave()))

    def _part(self, part: str, content: str | None, more: str, make: Callable[[], Stream]) -> Stream:
        """Take a stream from the cache or make it; `more`: what it depends on besides its model."""
        key = f"{self.large.part_key(part)} {more}"
        return self.cache(content, key, partial(self._finite, lambda: Part(make()))).stream

    def _finite(self, make: Callable[[], Part]) -> Part:
        """Refuse a stream that the precision cannot hold. Raises: FeatureError."""
        part = make()
        if part.stream.values is not None and not np.isfinite(part.stream.values).all():
            raise FeatureError(
                f"A model of {self.large.config.name} gives NaN or infinity in {self.large.dtype}. "
                "Give --dtype bf16 or fp32."
            )
        return part

    def _words(self, wave: np.ndarray, clip: Reading) -> Part:
        """Hear the words, and measure how they were said; all of it is facts."""
        speech = self.words.read(wave, lambda: clip.watch.look("speech"), any_language=clip.any_language)
        no_text, no_voice = missing(speech)
        if no_text is None and not any(c.isalnum() for w in speech.words for c in w.text):
            no_text, no_voice = NO_SPEECH, NO_SPEECH_VOICE  # only punctuation was heard
        notes = [*speech.notes, *([UNCERTAIN_NOTE] if speech.log_probability < UNCERTAIN else [])]
        facts: dict[str, Any] = {"no_text": no_text, "no_voice": no_voice, "notes": [], "transcript": "", "words": []}
        if no_text is None:
            facts |= {"notes": notes, "transcript": speech.transcript, "words": [asdict(w) for w in speech.words]}
        measured = None if no_voice is not None else asdict(prosody.measure(wave, speech.words))
        return Part(Stream.absent("words"), {**facts, "prosody": measured})

    def _wave(self, clip: Reading) -> np.ndarray:
        with step("media", clip.timings):
            return clip.degradation.sound(media.waveform(clip.path, clip.info, clip.limits))

    def _content(self, clip: Reading) -> str | None:
        """Name the content of a clip for the cache; None when it is degraded or nothing is kept."""
        return sha256(clip.path) if self.cache.folder is not None and clip.degradation == Degradation() else None


def extractor_of(
    manifest: Mapping[str, Any], features: str | Path | None, device: str, dtype: str | None
) -> LargeExtractor | None:
    """Load the extractors that a trained checkpoint reads.

    Args:
        manifest: of the checkpoint.
        features: settings of the feature set, where those in the manifest no longer lead to its models.
        device: "cpu" or "cuda".
        dtype: "fp32", "fp16" or "bf16"; None takes fp16 on a GPU and fp32 elsewhere.

    Returns:
        The extractors; None when the checkpoint reads another than a large feature set.

    Raises:
        FeatureError: the models are not there, or are not those that it was trained with.
    """
    trained_on = str(manifest.get("feature_set"))
    if LARGE.fullmatch(trained_on) is None:
        return None
    named = manifest.get("corpus", {}).get("features")
    if features is None and not isinstance(named, Mapping):
        raise FeatureError(
            f"The checkpoint reads {trained_on!r}, and does not say by which models. Give their file with --features."
        )
    config = settings.read(features) if features is not None else settings.parse(named or {})
    large = LargeSet.find(config, hub.choose_dtype(dtype, device))
    if large.feature_set.id != trained_on:
        raise FeatureError(
            f"The checkpoint reads {trained_on!r}; these models give {large.feature_set.id!r}. Give the settings and "
            "the models that it was trained with."
        )
    return LargeExtractor(large, device)
