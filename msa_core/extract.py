"""Extraction: one clip becomes an `Utterance`, every modality read once or absent with a reason.

`Extractor` has the compact feature set. Nothing is written to disk: that is `msa_core.cli.many`'s, for folders.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from msa_core import media
from msa_core.clip_reader import ClipReader, Reading, SoundStreams, no_track
from msa_core.config import choose_device
from msa_core.features import (
    TUNED,
    FeatureSet,
    expression,
    prosody,
    simulated_text,
    sound_streams,
    text_layers,
    voice,
    weights,
)
from msa_core.features.face import FaceReader
from msa_core.features.second_opinion import UNCERTAIN
from msa_core.features.speech import SpeechReader
from msa_core.features.spoken import Speech
from msa_core.features.text import TextEncoder
from msa_core.features.translation import TranslatingReader, if_at_hand
from msa_core.features.watch import Watch, step
from msa_core.schema import Prosody, Stream

ENGLISH = "tiny.en"  # the Whisper that the voice networks and the projector of simulated text were trained on
UNCERTAIN_NOTE = "The words are uncertain: they may be misheard, or another language is spoken."


class Extractor(ClipReader):
    """Loaded feature extractors of the compact feature set.

    They keep nothing of a clip. Whisper base is loaded by the first clip in Chinese or with doubtful speech.

    >>> from msa_core.config import shipped
    >>> read = Extractor.load("cpu").utterance(shipped("examples") / "jfk.flac")
    >>> read.text.values.shape[1], read.audio.present, read.vision.reason
    (384, True, 'no video track')
    """

    text: TextEncoder
    faces: FaceReader

    def __init__(
        self,
        speech: SpeechReader,
        text: TextEncoder,
        voice_network: voice.VoiceNetwork,
        projector: simulated_text.Projector,
        faces: FaceReader,
        translating: Callable[[], SpeechReader] | None = None,
        words: SpeechReader | None = None,
    ) -> None:
        """Hold the loaded extractors.

        Args:
            speech: reader of English speech.
            text: encoder of words.
            voice_network: networks that read emotion and score from the voice.
            projector: maps decoder states to simulated text.
            faces: reader of faces.
            translating: gives the reader of Chinese, loaded by the first call; None takes Whisper base.
            words: reader of English words by another Whisper, which the frames and simulated text do not come from.
        """
        super().__init__(TUNED, text, faces)
        self.words = words
        self.speech, self.voice_network, self.projector = speech, voice_network, projector
        self._translator = weights.Once(translating or (lambda: TranslatingReader(weights.whisper("base"))))

    @staticmethod
    def load(device: str | None = None, whisper: str = ENGLISH) -> Extractor:
        """Load and verify all extractors.

        Args:
            device: "cpu" or "cuda"; None takes the GPU when there is one.
            whisper: size of the Whisper that hears English words, such as "base".

        Raises:
            FeatureError, CheckpointError: weights are missing or altered; the message names the repair.
        """
        media.warm()  # they start while the weights are read
        device = choose_device(device)
        base = weights.Once(lambda: TranslatingReader(weights.whisper("base", device=device)))

        def hears(size: str) -> SpeechReader:
            model = weights.whisper(size, device=device)
            return SpeechReader(model, "en", second=lambda: if_at_hand(base))

        other = None if whisper == ENGLISH else hears(whisper)
        if other is not None:
            other.reads_voice = False
        return Extractor(
            hears(ENGLISH),
            TextEncoder(weights.minilm_directory(), device, text_layers.CHECKPOINT),
            voice.load(device=device),
            simulated_text.load(),
            FaceReader(expression.load()),
            base,
            other,
        )

    def _hear(self, clip: Reading) -> SoundStreams:
        """Read text, audio and simulated text from the sound."""
        timings, watch = clip.timings, clip.watch
        if not clip.info.has_audio:
            reason = no_track(clip.info, "audio")
            return SoundStreams.nothing(reason, reason)
        with step("media", timings):
            wave = clip.degradation.sound(media.waveform(clip.path, clip.info, clip.limits))
        with step("speech", timings, watch):
            speech = self._listen(wave, clip, watch)
        with step("text", timings, watch):
            said = sound_streams.said(speech, self.text, self.projector)
        if said.no_voice is not None:
            return SoundStreams.nothing(str(said.text.reason), said.no_voice)
        audio, heard = self._voice(speech, wave, clip)
        if not said.text.present:
            return SoundStreams(said.text, audio, said.simulated, prosody=heard)
        notes = (*speech.notes, *([UNCERTAIN_NOTE] if speech.log_probability < UNCERTAIN else []))
        return SoundStreams(
            said.text, audio, said.simulated, speech.transcript, speech.words, speech.translation, notes, heard
        )

    def _listen(self, wave: np.ndarray, clip: Reading, watch: Watch) -> Speech:
        """Recognise what was said; the frames always come from the Whisper that the voice networks were trained on."""

        def poll() -> None:
            watch.look("speech")

        reader = self.speech if clip.spoken == "en" else self._translator()
        speech = reader.read(wave, poll, any_language=clip.any_language)
        if clip.spoken != "en":
            frames, times_s = self.speech.frames(wave)
            return replace(speech, frames=frames, frame_times_s=times_s)
        if self.words is None:
            return speech
        said, own = self.words.read(wave, poll, any_language=clip.any_language), speech
        said = replace(said, frames=own.frames, frame_times_s=own.frame_times_s, states=own.states)
        return replace(said, state_times_s=own.state_times_s, state_words=own.state_words)

    def _voice(self, speech: Speech, wave: np.ndarray, clip: Reading) -> tuple[Stream, Prosody]:
        with step("voice", clip.timings, clip.watch):
            stream = voice.audio_stream(self.voice_network, speech.frames, speech.frame_times_s)
            return stream, prosody.measure(wave, speech.words, bool(speech.translation))


def heard_by(whisper: str) -> FeatureSet:
    """Return the compact feature set of clips whose English words are heard by a size of Whisper."""
    more = () if whisper == ENGLISH else (f"words by whisper-{whisper}",)
    return replace(TUNED, extractors=(*TUNED.extractors, *more))
