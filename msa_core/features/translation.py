"""Reading of Chinese speech: the words as they were said, and their English translation for the text models.

One multilingual Whisper does both from one encoding: greedy decoding of the transcript, beam search for the
translation (task "translate"). The attention of a translation does not follow time within a sentence, so only
sentences are placed by it, and the words of each are spread evenly over its time. What the models read is the
translation: they were trained on English text. Speech that sounds like another language is not understood.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from msa_core.errors import FeatureError, Message, message
from msa_core.features import weights
from msa_core.features.loops import loop_length, said_twice
from msa_core.features.loudness import trimmed
from msa_core.features.openai_whisper import LANGUAGES, DecodingOptions, DecodingTask, LogitFilter, Whisper
from msa_core.features.speech import SAMPLE_RATE_HZ, DecodedWindow, SpeechReader, Window, token_limit
from msa_core.features.spoken import Speech
from msa_core.features.whisper_decoding import (
    NO_SPEECH,
    NOT_UNDERSTOOD,
    doubt_multilingual,
    force,
    language_probabilities,
    outside_gb2312,
    tokenizers,
)
from msa_core.schema import Word

LANGUAGE = "zh"
BEAM = 5  # translations kept at every step; greedy ones lose the thread (see the limits in README.md)
OTHER = 0.5  # probability from which another language is believed
ROUGH = -0.9  # mean log-probability of a translation below which it is worth a note of its own
PUNCTUATION = dict(zip(",.?!:;", "，。？！：；", strict=True))
SENTENCE_ENDS = (".", "?", "!")
NOTE = (
    "Chinese was recognised and translated to English by Whisper base: the models read the translation, "
    "and its words are spread evenly over each sentence."
)
ROUGH_NOTE = "The translation is uncertain: read it before you trust the score."


class TranslatingReader(SpeechReader):
    """Reader of clips in Chinese: transcript in Chinese, translation and words in English, no frames, no states."""

    reads_voice = False
    doubt = staticmethod(doubt_multilingual)
    measured_s = staticmethod(lambda sound: len(sound) / SAMPLE_RATE_HZ)
    longest_s, cut_from_s = 8, 3  # several sentences at once, and some of them are left out

    def __init__(self, model: Whisper) -> None:
        super().__init__(model, LANGUAGE)
        self.never = outside_gb2312(tokenizers(model, torch.zeros(1, 1, 1), LANGUAGE)[0])

    def _judged(
        self,
        windows: Sequence[Window],
        encoded: Tensor,
        heard: Sequence[DecodedWindow],
        poll: Callable[[], None],
        any_language: bool,
    ) -> list[DecodedWindow]:
        """Refuse what sounds like another language, unless any may be used, and translate the rest."""
        answers = list(heard)
        for i, (found, languages) in enumerate(zip(heard, language_probabilities(self.model, encoded), strict=True)):
            other = max(languages, key=languages.__getitem__)
            if found.reason == NO_SPEECH:
                continue
            foreign = other != LANGUAGE and languages[other] > OTHER
            refused = found.reason is not None and not found.unfinished
            if any_language and (foreign or refused) and found.decoded is not None:
                found = self._believed(windows[i], encoded[i : i + 1], found)
            elif foreign:
                answers[i] = DecodedWindow(reason=not_chinese(other))
                continue
            if found.aligned is not None:
                answers[i] = self._translated(found, windows[i], encoded[i : i + 1], poll)
                answers[i] = replace(answers[i], rough=answers[i].rough or other != LANGUAGE)
        return answers

    def _translated(
        self, heard: DecodedWindow, window: Window, encoded: Tensor, poll: Callable[[], None]
    ) -> DecodedWindow:
        """Add the English words of a window; it counts as not understood when the translation is empty."""
        limit = token_limit(len(window.sound) / SAMPLE_RATE_HZ)
        found = _Encoded(self.model, limit, poll).run(encoded)[0]
        loop = len(found.tokens) // 2 if said_twice(found.tokens) else loop_length(found.tokens)
        tokens = found.tokens[: len(found.tokens) - loop]
        tokenizer = tokenizers(self.model, encoded, LANGUAGE, "translate")
        if not any(c.isalnum() for c in found.text):
            return DecodedWindow(reason=NOT_UNDERSTOOD)
        aligned = force(self.model, encoded, tokenizer, [tokens], [window.n_frames])[0]
        spans = trimmed([(start, end) for _, start, end in aligned.words], window.sound)
        words = [Word(text.strip(), *span) for (text, _, _), span in zip(aligned.words, spans, strict=True)]
        repeats = loop > 0 or len(set(tokens)) < len(tokens) / 2
        return replace(heard, english=spread(words), rough=repeats or found.avg_logprob < ROUGH)

    def _speech(self, parts: Sequence[tuple[Window, DecodedWindow]], frames: np.ndarray) -> Speech:
        """Join the windows of one clip."""
        spoken = super()._speech(parts, frames)
        words = [
            replace(word, start_s=round(word.start_s + window.start_s, 3), end_s=round(word.end_s + window.start_s, 3))
            for window, heard in parts
            for word in heard.english
        ]
        return replace(
            spoken,
            transcript=chinese(spoken.transcript),
            words=tuple(words),
            translation=" ".join(w.text for w in words),
            states=spoken.states[:0],
            state_times_s=spoken.state_times_s[:0],
            state_words=spoken.state_words[:0],
            notes=(NOTE, *([ROUGH_NOTE] if any(h.rough for _, h in parts) else [])) if words else (),
        )


def if_at_hand(base: weights.Once[TranslatingReader]) -> TranslatingReader | None:
    """Load Whisper base for a second opinion on doubtful speech; None where its weights are missing or altered."""
    if not weights.at_hand("base"):
        return None
    try:
        return base()
    except FeatureError as e:
        logging.warning("no second opinion on doubtful speech: %s", e)
        return None


def not_chinese(code: str) -> Message:
    """Word the reason for speech in the language of a code of Whisper, such as "pt"."""
    return message("speech not understood (it sounds like {language}, not Chinese)", language=LANGUAGES[code].title())


def chinese(text: str) -> str:
    """Remove spaces beside Chinese characters and make the punctuation after them Chinese."""
    joined = re.sub(r"(?<=[^\x00-\x7f]) | (?=[^\x00-\x7f])", "", text)
    return re.sub(r"(?<=[^\x00-\x7f])[,.?!:;]", lambda m: PUNCTUATION[m[0]], joined)


def spread(words: Sequence[Word]) -> tuple[Word, ...]:
    """Spread the words of each sentence over its time, in equal steps a letter."""
    answers: list[Word] = []
    sentence: list[Word] = []
    for i, word in enumerate(words):
        sentence.append(word)
        if not word.text.endswith(SENTENCE_ENDS) and i + 1 < len(words):
            continue
        start_s, end_s = sentence[0].start_s, max(w.end_s for w in sentence)
        letters = np.cumsum([0, *(len(w.text) for w in sentence)])
        edges = [round(float(t), 3) for t in start_s + letters / letters[-1] * (end_s - start_s)]
        answers += [Word(w.text, edges[k], edges[k + 1]) for k, w in enumerate(sentence)]
        sentence = []
    return tuple(answers)


class _Encoded(DecodingTask):
    """Official beam search for translations, on encoder output of any length."""

    def __init__(self, model: Whisper, limit: int, poll: Callable[[], None]) -> None:
        """Set the task up. Args: limit: tokens at most. poll: called at every step; what it raises ends the work."""
        options = DecodingOptions(
            "translate", LANGUAGE, beam_size=BEAM, sample_len=limit, without_timestamps=True, fp16=False
        )
        super().__init__(model, options)
        self.logit_filters.append(_Poll(poll))

    def _get_audio_features(self, mel: Tensor) -> Tensor:
        return mel  # encoded already


class _Poll(LogitFilter):
    """Filter that asks at every step whether the work is still wanted; it changes nothing."""

    def __init__(self, poll: Callable[[], None]) -> None:
        self.poll = poll

    def apply(self, logits: Tensor, tokens: Tensor) -> None:
        """Ask whether to go on."""
        self.poll()
