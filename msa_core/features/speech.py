"""Speech reading by Whisper: transcript with word times, audio frames at 10 Hz, hidden states of the decoder.

The encoder runs on a short mel (its positional embedding is sliced), padded with at least a second of
silence up to the next 5 s: exact lengths make the decoder run away. Frames are those of the real sound only, and
come from windows of their own (`windows.voice_windows`).
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from msa_core.features import transcribed
from msa_core.features.alone import alone
from msa_core.features.loops import repeats, said_twice, too_little
from msa_core.features.loudness import SAMPLE_RATE_HZ, is_silent, loud_seconds, near_loud
from msa_core.features.openai_whisper import Tokenizer, Whisper
from msa_core.features.phrases import unsure, without_others
from msa_core.features.pieces import CONFIRMED, LIKELY, brief_pieces, confirmed, joined, pieces, refused_loop
from msa_core.features.second_opinion import Opinion, opinions, used_all_the_same, verdict, wanted
from msa_core.features.spoken import Speech, spoken
from msa_core.features.surplus import without_surplus
from msa_core.features.turn_count import counted, timed, unrolled
from msa_core.features.turns import word_times
from msa_core.features.unread import unread, with_parts
from msa_core.features.whisper_decoding import (
    NO_SPEECH,
    NOT_UNDERSTOOD,
    Aligned,
    doubt,
    force,
    greedy,
    log_probability,
    tokenizers,
    undisturbed,
)
from msa_core.features.windows import (
    CUT_FROM_S,
    PAD_STEP_S,
    WINDOW_S,
    DecodedWindow,
    Window,
    batches,
    checked,
    cut_windows,
    mel,
    overlapped,
    pooled,
    token_limit,
    voice_times,
    voice_windows,
)

FRAME_LAYERS = (2,)  # averaged; layer k is the output of encoder block k, counted from 1
BATCH = 16
SHORT_S, REPLY_S = 3.0, 1.0  # loud sound of a loop, and of other words, that is heard again when it is refused
TEMPERATURES = (0.2, 0.6)  # of tokens drawn for a window whose most likely ones never end
DOUBTFUL = -1.0  # mean log-probability, at most, of words that were drawn or end at the token limit


class SpeechReader:
    """Reader of clips by one Whisper model; `read` and `read_many` give the same for a clip."""

    never: Sequence[int] = ()  # tokens that are not said
    reads_voice = True  # gives frames besides words
    longest_s, cut_from_s = WINDOW_S, CUT_FROM_S  # of a window
    doubt = staticmethod(doubt)
    measured_s = staticmethod(loud_seconds)  # of a sound, in which `doubt` expects words

    def __init__(
        self,
        model: Whisper,
        language: str | None = None,
        second: Callable[[], SpeechReader | None] = lambda: None,
    ) -> None:
        """Hold the model.

        Args:
            language: code such as "zh" for a multilingual model; None detects it.
            second: gives a reader with a multilingual model, asked about doubtful speech (`second_opinion`), or None.
        """
        self.model, self.second = model, second
        self.language = language
        self.dim = model.dims.n_audio_state
        self._lock = threading.Lock()  # decoding hangs hooks on the model: one thread at a time

    def read(self, waveform: np.ndarray, poll: Callable[[], None] = undisturbed, any_language: bool = False) -> Speech:
        """Read one waveform.

        Args:
            waveform: (N,) float32, mono, 16 kHz.
            poll: called often; what it raises ends the work.
            any_language: use the words even if they sound like another language, or are not understood.

        Raises:
            FeatureError: the shape is wrong or a value not finite.
        """
        return self.read_many([waveform], poll=poll, any_language=any_language)[0]

    @torch.inference_mode()
    def read_many(
        self,
        waveforms: Sequence[np.ndarray],
        batch: int = BATCH,
        poll: Callable[[], None] = undisturbed,
        any_language: bool = False,
    ) -> list[Speech]:
        """Read many waveforms, windows of equal padded length together; see `read`."""
        found: dict[int, list[tuple[Window, DecodedWindow]]] = {}
        with alone(self._lock, poll):
            windows = [w for i, wave in enumerate(waveforms) for w in self._windows(i, wave)]
            for some in batches(windows, batch):
                heard = self._heard(some, poll, any_language)
                for window, words in zip(some, heard, strict=True):
                    whole = self._whole(window, words, poll, any_language)
                    found.setdefault(window.clip, []).append((window, whole))
            nothing = [np.zeros((0, self.dim), np.float32)] * len(waveforms)
            frames = self.encode_many(waveforms, batch, poll) if self.reads_voice else nothing
        return [self._speech(sorted(found[i], key=lambda f: f[0].start_s), own) for i, own in enumerate(frames)]

    @torch.inference_mode()
    def opinions(self, windows: Sequence[Window], poll: Callable[[], None] = undisturbed) -> list[Opinion]:
        """Say which language each of many windows sounds like; the model is multilingual."""
        with alone(self._lock, poll):
            encoded = [self.encode(mel([w], self.model, w.padded_s))[1] for w in windows]
            loud_s = [loud_seconds(w.sound) for w in windows]
            return [opinions(self.model, e, [s])[0] for e, s in zip(encoded, loud_s, strict=True)]

    def frames(self, waveform: np.ndarray, poll: Callable[[], None] = undisturbed) -> tuple[np.ndarray, np.ndarray]:
        """Encode the frames (T, D) of `read` and their times (T,) in s, without the decoder."""
        return self.encode_many([waveform], poll=poll)[0], voice_times(len(waveform))

    @torch.inference_mode()
    def encode_many(
        self, waveforms: Sequence[np.ndarray], batch: int = BATCH, poll: Callable[[], None] = undisturbed
    ) -> list[np.ndarray]:
        """Encode the frames (T, D) of `read` for many waveforms, without the decoder, in windows of 4 s."""
        windows = [voice_windows(i, checked(wave)) for i, wave in enumerate(waveforms)]
        found: dict[tuple[int, float], np.ndarray] = {}
        for some in batches([w for own in windows for w in own], batch):
            poll()
            frames, _ = self.encode(mel(some, self.model, some[0].padded_s), max(FRAME_LAYERS))
            found |= {(w.clip, w.start_s): f for w, f in zip(some, pooled(frames, some), strict=True)}
        return [overlapped([found[w.clip, w.start_s] for w in own], own) for own in windows]

    def encode(self, log_mel: Tensor, n_layers: int | None = None) -> tuple[Tensor, Tensor]:
        """Run the encoder on a log-mel of any length up to 30 s.

        Args:
            log_mel: (B, n_mels, 2 T).
            n_layers: stop after so many blocks; the output is then unfinished.

        Returns:
            The mean of FRAME_LAYERS (B, T, D) and the encoder's output (B, T, D).
        """
        encoder = self.model.encoder
        x = F.gelu(encoder.conv2(F.gelu(encoder.conv1(log_mel)))).transpose(1, 2)
        x = x + encoder.positional_embedding[: x.shape[1]]
        kept = []
        for layer, block in enumerate(list(encoder.blocks)[:n_layers], start=1):
            x = block(x)
            if layer in FRAME_LAYERS:
                kept.append(x)
        return torch.stack(kept).mean(dim=0), encoder.ln_post(x)

    def _windows(self, clip: int, waveform: np.ndarray) -> list[Window]:
        return cut_windows(clip, checked(waveform), self.longest_s, self.cut_from_s)

    def _heard(self, windows: Sequence[Window], poll: Callable[[], None], any_language: bool) -> list[DecodedWindow]:
        """Hear windows of one padded length, and decide on their words."""
        poll()
        _, encoded = self.encode(mel(windows, self.model, windows[0].padded_s))
        return self._judged(windows, encoded, self._listen(windows, encoded, poll), poll, any_language)

    def _whole(
        self, window: Window, heard: DecodedWindow, poll: Callable[[], None], any_language: bool
    ) -> DecodedWindow:
        """Leave out the phrases of a window in another language, or hear the sound that no word takes once more."""
        if heard.aligned is None:
            return heard
        spans = word_times(heard.aligned.words, window.sound)
        some = [] if any_language else unsure(window, heard, spans)
        second = self.second() if some else None
        if second is not None:
            english = without_others(heard, [p for p, _ in some], second.opinions([w for _, w in some], poll))
            if english is not heard:
                return english
        parts = []
        for k, part in unread(window, heard, spans):
            alone = self._heard([part], poll, any_language)[0]
            parts.append((k, part, self._whole(part, alone, poll, any_language) if alone.counted else alone))
        return with_parts(window, heard, parts)

    def _listen(
        self,
        windows: Sequence[Window],
        encoded: Tensor,
        poll: Callable[[], None],
        retry: bool = True,
        temperature: float = 0.0,
    ) -> list[DecodedWindow]:
        """Decode the words of each of B windows with encoder output (B, T, D).

        A window that makes the decoder run away is heard again with more silence behind it.
        """
        # 1. Decode the windows that are not silent.
        answers = [DecodedWindow(reason=NO_SPEECH)] * len(windows)
        loud = [i for i, w in enumerate(windows) if not is_silent(w.sound)]
        if not loud:
            return answers
        tokenizer = tokenizers(self.model, encoded[loud], self.language)
        limits = [token_limit(len(windows[i].sound) / SAMPLE_RATE_HZ) for i in loud]
        seconds = [loud_seconds(windows[i].sound) for i in loud]
        decoded = greedy(self.model, encoded[loud], tokenizer, limits, poll, self.never, seconds, temperature)
        # 2. Keep the words that are believed.
        said, again = [], []
        for k, (i, found) in enumerate(zip(loud, decoded, strict=True)):
            likely = found.loop and found.log_probability > LIKELY
            known = unrolled(found, tokenizer[k], windows[i].sound) if likely else None
            decoded[k] = found = known or found
            text = tokenizer[k].decode(list(found.tokens))
            reason = self.doubt(found, text, self.measured_s(windows[i].sound))
            letters = any(c.isalnum() for c in text)
            answers[i] = DecodedWindow(None, reason, found.log_probability, decoded=found if letters else None)
            if answers[i].reason is not None:
                short = seconds[k] < (SHORT_S if found.loop else REPLY_S)
                again += [i] if answers[i].reason == NOT_UNDERSTOOD and short else []
                continue
            said.append(k)
            if known is not None:
                answers[i] = replace(answers[i], counted=True)
                continue
            lost = too_little(text, seconds[k]) if found.loop else repeats(text)
            cut = found.runaway and not found.loop and not said_twice(found.tokens)
            certainty = min(found.log_probability, DOUBTFUL if cut or temperature > 0 else 0.0)
            answers[i] = replace(answers[i], log_probability=certainty, unfinished=found.runaway and lost)
            again += [i] if found.runaway and (lost or not found.loop) else []
        # 3. Align them with the sound.
        if said:
            kept = [loud[k] for k in said]
            texts, chosen = [decoded[k].tokens for k in said], [tokenizer[k] for k in said]
            turns = [answers[i].counted for i in kept]
            for i, words in zip(
                kept, self._aligned([windows[i] for i in kept], encoded[kept], chosen, texts, turns), strict=True
            ):
                answers[i] = replace(answers[i], aligned=words)
        # 4. Hear runaways again, with a longer silence.
        if again and retry:
            refused = [answers[i].reason is not None for i in again]
            for i, heard in zip(again, self._once_more([windows[i] for i in again], refused, poll), strict=True):
                answers[i] = heard if heard is not None else answers[i]
        # 5. A loop without an end, however it is heard, is refused unless its pieces say it too.
        if retry:
            answers = [self._in_pieces(w, a, poll) or a for w, a in zip(windows, answers, strict=True)]
            answers = [replace(a, aligned=None, reason=NOT_UNDERSTOOD) if a.unfinished else a for a in answers]
        return answers

    def _in_pieces(self, window: Window, looped: DecodedWindow, poll: Callable[[], None]) -> DecodedWindow | None:
        """Hear a window with a loop piece by piece; None when the pieces do not say the phrase again."""
        for cut in (pieces, brief_pieces) if refused_loop(looped) else ():
            if looped.decoded is None or len(parts := cut(window)) < CONFIRMED:
                continue
            _, encoded = self.encode(mel(parts, self.model, max(p.padded_s for p in parts)))
            heard = self._listen(parts, encoded, poll, False)
            phrase = tokenizers(self.model, encoded[:1], self.language)[0].decode(list(looped.decoded.tokens))
            if confirmed(phrase, parts, heard, cut is brief_pieces):
                return joined(window, parts, heard, cut is brief_pieces)
        return None

    def _transcribed(
        self, window: Window, encoded: Tensor, found: DecodedWindow, opinion: Opinion | None, poll: Callable[[], None]
    ) -> DecodedWindow:
        """Hear a doubtful window as openai-whisper does, encoder output (1, T, D), and keep the likelier words."""
        english = opinion is not None and opinion.clearly_english
        other = transcribed.better(self.model, window.sound, encoded, found, poll, english)
        if other is None:
            return found
        if found.reason is not None:
            return DecodedWindow(None, NOT_UNDERSTOOD, other.log_probability, decoded=other)
        tokenizer = tokenizers(self.model, encoded, self.language)
        aligned = self._aligned([window], encoded, tokenizer, [other.tokens])[0]
        return replace(found, aligned=aligned, decoded=other, log_probability=other.log_probability)

    def _judged(
        self,
        windows: Sequence[Window],
        encoded: Tensor,
        heard: Sequence[DecodedWindow],
        poll: Callable[[], None],
        any_language: bool,
    ) -> list[DecodedWindow]:
        """Decide on the words of B windows, encoder output (B, T, D); ask the second reader about doubtful ones."""
        answers, asked = list(heard), [i for i, h in enumerate(heard) if wanted(h)]
        second = self.second() if asked else None
        said: Sequence[Opinion | None] = [None] * len(asked)
        if second is not None:
            said = second.opinions([windows[i] for i in asked], poll)
        for i, opinion in zip(asked, said, strict=True):
            found = heard[i]
            if opinion is None or not opinion.not_english:
                found = answers[i] = self._transcribed(windows[i], encoded[i : i + 1], found, opinion, poll)
            reason = verdict(found.reason, found.log_probability, opinion, found.counted)
            if reason is None and found.reason is None:
                continue
            usable = found.decoded is not None and not found.unfinished and reason != NO_SPEECH
            if not usable or (reason is not None and not any_language):
                answers[i] = DecodedWindow(reason=reason or NOT_UNDERSTOOD)
            else:
                note = used_all_the_same(opinion) if any_language else None
                answers[i] = self._believed(windows[i], encoded[i : i + 1], found, note)
        return answers

    def _believed(
        self, window: Window, encoded: Tensor, found: DecodedWindow, note: str | None = None
    ) -> DecodedWindow:
        """Use the words of a window that were refused, with encoder output (1, T, D); they stay doubtful."""
        aligned = found.aligned
        if aligned is None and found.decoded is not None:
            tokenizer = tokenizers(self.model, encoded, self.language)
            aligned = self._aligned([window], encoded, tokenizer, [found.decoded.tokens])[0]
        certainty = min(found.log_probability, DOUBTFUL)
        return replace(found, aligned=aligned, reason=None, log_probability=certainty, note=note)

    def _once_more(
        self, windows: Sequence[Window], refused: Sequence[bool], poll: Callable[[], None]
    ) -> list[DecodedWindow | None]:
        """Hear windows of one padded length with 5 s more of silence, then with 30 s in all and with drawn tokens.

        Those that were refused are heard only in the first way. None: no words this time.
        """
        answers: list[DecodedWindow | None] = [None] * len(windows)
        ways = [(min(windows[0].padded_s + PAD_STEP_S, WINDOW_S), 0.0), *((WINDOW_S, t) for t in TEMPERATURES)]
        for longer, temperature in ways[windows[0].padded_s == WINDOW_S :]:
            left = [
                i for i, a in enumerate(answers) if (a is None or a.unfinished) and (not refused[i] or not temperature)
            ]
            if not left:
                break
            some = [windows[i] for i in left]
            _, encoded = self.encode(mel(some, self.model, longer))
            for i, heard in zip(left, self._listen(some, encoded, poll, False, temperature), strict=True):
                answers[i] = heard if heard.aligned is not None else answers[i]
        return answers

    def _aligned(
        self,
        windows: Sequence[Window],
        encoded: Tensor,
        tokenizer: Sequence[Tokenizer],
        said: Sequence[Sequence[int]],
        known: Sequence[bool] | None = None,
    ) -> list[Aligned]:
        """Align tokens with the loud parts of their windows, and once more without the words that are too many.

        Args:
            windows: B of them.
            encoded: encoder output (B, T, D).
            tokenizer: B of them.
            said: tokens of each.
            known: whether the turns of their phrases were counted; None: not yet.
        """
        heard = [near_loud(w.sound) for w in windows]
        texts = [list(tokens) for tokens in said]

        def align(some: Sequence[int]) -> list[Aligned]:
            frames, near = [windows[i].n_frames for i in some], [heard[i] for i in some]
            chosen, wanted = [tokenizer[i] for i in some], [texts[i] for i in some]
            return force(self.model, encoded[list(some)], chosen, wanted, frames, near)

        def changed(better: Sequence[Sequence[int]]) -> None:
            some = [i for i, tokens in enumerate(better) if list(tokens) != texts[i]]
            texts[:] = [list(tokens) for tokens in better]
            for i, words in zip(some, align(some) if some else [], strict=True):
                aligned[i] = words

        # 1. Phrases that are repeated are said as often as the sound says them.
        aligned = align(range(len(windows)))
        sure = [frozenset(range(len(a.words))) if known and known[i] else frozenset() for i, a in enumerate(aligned)]
        turns = [(texts[i], s) if s else counted(aligned[i], texts[i], windows[i].sound) for i, s in enumerate(sure)]
        changed([tokens for tokens, _ in turns])
        # 2. Words that have no sound were not said.
        left = []
        for i, window in enumerate(windows):
            score = partial(log_probability, self.model, encoded[i : i + 1], tokenizer[i])
            left.append(without_surplus(aligned[i], texts[i], window.sound, score, turns[i][1]))
        changed(left)
        return [timed(a, w.sound) if s else a for a, w, (_, s) in zip(aligned, windows, turns, strict=True)]

    def _speech(self, parts: Sequence[tuple[Window, DecodedWindow]], frames: np.ndarray) -> Speech:
        """Join the windows of one clip, and add its frames (T, D)."""
        return spoken(parts, frames, self.dim)
