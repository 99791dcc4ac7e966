"""Second opinion on doubtful English speech: a multilingual Whisper says which language it sounds like.

The English model writes English words for every language, and its <|nospeech|> rises with shouted and whispered
speech. One step of the multilingual decoder answers both: it is sure of a language where somebody speaks, and of none
over music and noise.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from msa_core.errors import message
from msa_core.features.openai_whisper import LANGUAGES, Whisper, get_tokenizer
from msa_core.features.whisper_decoding import NO_SPEECH, NOT_UNDERSTOOD
from msa_core.features.windows import DecodedWindow

ENGLISH, CHINESE = "en", "zh"
NOISE = "nn"  # Nynorsk: what the model says of noise
UNCERTAIN = -0.65  # mean log-probability below which words are doubtful though they are used
ASKED = -0.5  # below it a second opinion is asked; the words of other languages that were believed had -0.6 to -1.3
ASKED_NO_SPEECH = 0.9  # <|nospeech|> up to which sound that is refused may still be speech
HARDLY, SELDOM = 0.1, 0.3  # probability of English; English in noise at 0 dB had 0.19, and no other language NAMED
NAMED, SURE = 0.5, 0.8  # probability of another language that is named, and of English that is clear
SPEECH = 0.6  # probability of a language that only speech has; of 200 sounds those asked about had at most 0.47
SHORT_S, SURE_OF_SHORT = 1.2, 0.9  # single English words had English 0.07-0.99 and another language up to 0.76
EVEN = 0.5  # probability of English, below which a phrase that the decoder says for ever is another language
LIKELY = -1.0  # mean log-probability of words that are kept when the other model is sure of English
NOT_ENGLISH = message(f"{NOT_UNDERSTOOD} (only English is recognised)")
LEFT_OUT = message("Part of the speech was left out: {reason}.")
NOT_READ = message("From {start} to {end} s no words were understood (another language, singing or noise).")
USED_ALL_THE_SAME = message("The words were used although they sound like {language}.")
NOTES = (LEFT_OUT, NOT_READ, USED_ALL_THE_SAME)  # what is said of the words of a clip, before its values
NOT_CHOSEN = message(f"{NOT_UNDERSTOOD} (it sounds like Chinese, which can be chosen as the speech in the clip)")


@dataclass(frozen=True)
class Opinion:
    """What a multilingual Whisper says about one window.

    language: code of the most likely language but English and NOISE, with its probability; english: that of English.
    Both are among all languages but NOISE; sure: the highest of any of them with NOISE among them. loud_s: seconds of
    loud sound in the window.
    """

    language: str
    probability: float
    english: float
    sure: float
    loud_s: float

    @property
    def speech(self) -> bool:
        """Whether somebody speaks for sure."""
        return self.sure >= SPEECH

    @property
    def named(self) -> str | None:
        """The English name of the other language, where it is clear."""
        if not self.not_english or self.probability < NAMED:
            return None
        return LANGUAGES[self.language].title()

    @property
    def not_english(self) -> bool:
        """Whether it is clearly another language."""
        if self.loud_s < SHORT_S:
            return self.probability >= SURE_OF_SHORT
        return self.english < HARDLY or (self.english < SELDOM and self.probability >= NAMED)

    @property
    def clearly_english(self) -> bool:
        """Whether it is clearly English."""
        return self.english >= SURE


@torch.inference_mode()
def opinions(model: Whisper, encoded: Tensor, loud_s: Sequence[float]) -> list[Opinion]:
    """Ask for the first token of each of B windows; encoded (B, T, D), with its seconds of loud sound."""
    tokenizer = get_tokenizer(True, num_languages=model.num_languages, language=ENGLISH)
    codes = list(tokenizer.all_language_codes)
    start = torch.full((encoded.shape[0], 1), tokenizer.sot, device=encoded.device)
    logits = model.decoder(start, encoded)[:, 0, list(tokenizer.all_language_tokens)]
    rows = logits.softmax(dim=-1).tolist()
    return [opinion(dict(zip(codes, row, strict=True)), s) for row, s in zip(rows, loud_s, strict=True)]


def opinion(languages: Mapping[str, float], loud_s: float) -> Opinion:
    """Sum up the probabilities of all languages by code."""
    real = {code: p / max(1 - languages.get(NOISE, 0.0), 1e-9) for code, p in languages.items() if code != NOISE}
    english = real.pop(ENGLISH)
    other = max(real, key=real.__getitem__)
    sure = max(p for code, p in languages.items() if code != NOISE)
    return Opinion(other, real[other], english, sure, loud_s)


def wanted(heard: DecodedWindow) -> bool:
    """Tell whether a second opinion on what the English model heard is worth its time."""
    if heard.reason is None:
        return heard.log_probability < ASKED
    maybe = heard.decoded is not None and heard.decoded.no_speech <= ASKED_NO_SPEECH
    return heard.reason == NOT_UNDERSTOOD or maybe


def verdict(reason: str | None, log_probability: float, second: Opinion | None, counted: bool = False) -> str | None:
    """Return the reason for not using the words of a window, after the second opinion; None uses them.

    Args:
        reason: that of the English model, or None.
        log_probability: mean over its tokens.
        second: None when there is none.
        counted: the words are a phrase that the decoder said for ever, which is often a guess.
    """
    if second is None:
        return NOT_ENGLISH if reason == NOT_UNDERSTOOD else reason
    if reason == NO_SPEECH and not second.speech:
        return NO_SPEECH
    if second.not_english:
        return not_english(second)
    if reason is None and counted and second.english < EVEN:
        return NOT_ENGLISH
    if reason is None or (second.speech and second.english >= SPEECH and log_probability > LIKELY):
        return None
    return NOT_UNDERSTOOD if second.clearly_english else NOT_ENGLISH


def used_all_the_same(second: Opinion | None) -> str | None:
    """Word the note on words that are used though they are not understood, or None without an opinion."""
    if second is None or second.named is None:
        return None
    return message(USED_ALL_THE_SAME, language=second.named)


def left_out(reason: str | None) -> str | None:
    """Word the note on a part of the speech whose words were left out, or None when nothing was."""
    if reason is None or not reason.startswith(NOT_UNDERSTOOD):
        return None
    return message(LEFT_OUT, reason=reason)


def not_english(second: Opinion) -> str:
    """Word the reason for speech in another language, which is named when it is clear."""
    if second.named is None:
        return NOT_ENGLISH
    if second.language == CHINESE:
        return NOT_CHOSEN
    return message(
        "speech not understood (it sounds like {language}; only English is recognised)", language=second.named
    )
