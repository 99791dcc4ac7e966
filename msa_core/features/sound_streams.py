"""Text, simulated text, and whether there is a voice, by what was heard in a sound; or why each is missing."""

from __future__ import annotations

from dataclasses import dataclass

from msa_core.features import simulated_text
from msa_core.features.spoken import Speech
from msa_core.features.text import TextEncoder
from msa_core.features.whisper_decoding import NOT_UNDERSTOOD
from msa_core.schema import Stream

NO_SPEECH = "no speech found"
NO_SPEECH_VOICE = "sound without speech"  # music and noise are not read as an emotional voice
NOTHING_TO_SIMULATE_FROM = "text is simulated from English speech only"


@dataclass(frozen=True)
class Said:
    """Text and simulated text of a sound; no_voice: why the sound is no voice, None when it is one."""

    text: Stream
    simulated: Stream
    no_voice: str | None = None

    @staticmethod
    def nothing(text: str, no_voice: str | None) -> Said:
        """Make the result of a sound without words, with the reasons for text and voice."""
        return Said(Stream.absent(text), Stream.absent(text), no_voice)


def missing(speech: Speech) -> tuple[str | None, str | None]:
    """Tell by what was heard why there is no text, and why the sound is no voice; None: there is one.

    A voice in a language that is not recognised is still a voice; sound without words is none.
    """
    if speech.silent_reason:
        return speech.silent_reason, speech.silent_reason
    if speech.no_speech_reason and speech.no_speech_reason.startswith(NOT_UNDERSTOOD):
        return speech.no_speech_reason, None
    return (NO_SPEECH, NO_SPEECH_VOICE) if speech.no_speech_reason else (None, None)


def said(speech: Speech, encoder: TextEncoder, projector: simulated_text.Projector) -> Said:
    """Turn what was heard into streams: words that are not understood leave a voice, sound without words none."""
    no_text, no_voice = missing(speech)
    if no_text is not None:
        return Said.nothing(no_text, no_voice)
    text = encoder.encode_words(speech.words)
    if not text.present:  # only punctuation was heard
        return Said.nothing(NO_SPEECH, NO_SPEECH_VOICE)
    if speech.translation:
        return Said(text, Stream.absent(NOTHING_TO_SIMULATE_FROM))
    return Said(text, simulated_text.stream(speech, projector))
