"""Speech reading by Whisper: transcript with word times, audio frames at 10 Hz, hidden states of the decoder.

The encoder runs on a short mel (its positional embedding is sliced), padded with at least a second of
silence up to the next 5 s: exact lengths make the decoder run away. Frames are those of the real sound only.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor
from whisper.audio import log_mel_spectrogram
from whisper.model import Whisper

from msa_core.errors import FeatureError, message
from msa_core.features.whisper_decoding import (
    FRAME_S,
    MAX_TOKENS,
    NO_SPEECH,
    NOT_UNDERSTOOD,
    Aligned,
    doubt,
    force,
    greedy,
    tokenizers,
    undisturbed,
)
from msa_core.schema import Word

SAMPLE_RATE_HZ = 16_000
FRAME_LAYERS = (2,)  # averaged; layer k is the output of encoder block k, counted from 1
POOL = 5  # encoder frames (50 Hz) in one audio frame (10 Hz)
FRAME_SAMPLES = int(FRAME_S * SAMPLE_RATE_HZ)
WINDOW_S, PAD_STEP_S, SILENCE_S = 30, 5, 1  # longest window; lengths are multiples of 5 s; silence after the sound
CUT_FROM_S = 20  # a window of long audio ends at its quietest point between 20 and 30 s
SILENT_DBFS = -60.0  # the loudest 0.1 s of a silent track is below this
SILENT = message("silent audio track (below {level:.0f} dBFS)", level=SILENT_DBFS)
NOT_ENGLISH = f"{NOT_UNDERSTOOD} (only English is recognised)"
QUIET_DB = 30.0  # sound so far below the loud parts of a window is a pause
BATCH = 16
PATIENCE_S = 0.2  # between two looks at whether the work is still wanted, while another thread reads


@dataclass(frozen=True)
class Speech:
    """Speech of one clip.

    frames (T, D) float32 at about 10 Hz with frame_times_s (T,); states (K, D) float32, one per token said,
    with state_times_s (K,) and state_words (K,), the index of the word each belongs to. K = 0 and
    no_speech_reason is set when nothing was said; silent_reason is set when the sound itself is missing.
    log_probability: mean over the tokens of the least certain window with words. Of speech that was translated,
    transcript is in the language spoken, translation and words in English, and there are no states.
    """

    transcript: str
    words: tuple[Word, ...]
    frames: np.ndarray
    frame_times_s: np.ndarray
    states: np.ndarray
    state_times_s: np.ndarray
    state_words: np.ndarray
    no_speech_reason: str | None = None
    silent_reason: str | None = None
    log_probability: float = 0.0
    translation: str = ""
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Window:
    """Stretch of one clip: at most 30 s of sound that starts at start_s."""

    clip: int
    start_s: float
    sound: np.ndarray

    @property
    def padded_s(self) -> int:
        """Seconds after padding: the sound, silence, up to the next multiple of 5 s, at most 30 s."""
        seconds = -(-(len(self.sound) + SILENCE_S * SAMPLE_RATE_HZ) // (PAD_STEP_S * SAMPLE_RATE_HZ)) * PAD_STEP_S
        return min(seconds, WINDOW_S)

    @property
    def n_frames(self) -> int:
        """Encoder frames of real sound, at least one."""
        return max(1, -(-len(self.sound) // FRAME_SAMPLES))


@dataclass(frozen=True)
class DecodedWindow:
    """Words of a window, or the reason for having none."""

    aligned: Aligned | None = None
    reason: str | None = None
    log_probability: float = 0.0
    english: tuple[Word, ...] = ()  # of a translation, in s from the window's start
    rough: bool = False  # the translation is doubtful


class SpeechReader:
    """Reader of clips by one Whisper model; `read` and `read_many` give the same for a clip."""

    never: Sequence[int] = ()  # tokens that are not said
    longest_s, cut_from_s = WINDOW_S, CUT_FROM_S  # of a window
    doubt = staticmethod(doubt)

    def __init__(self, model: Whisper, language: str | None = None) -> None:
        """Hold the model. Args: language: code such as "zh" for a multilingual model; None detects it."""
        self.model = model
        self.language = language
        self.dim = model.dims.n_audio_state
        self._lock = threading.Lock()  # decoding hangs hooks on the model: one thread at a time

    def read(self, waveform: np.ndarray, poll: Callable[[], None] = undisturbed) -> Speech:
        """Read one waveform.

        Args:
            waveform: (N,) float32, mono, 16 kHz.
            poll: called often; what it raises ends the work.

        Raises:
            FeatureError: the shape is wrong or a value not finite.
        """
        return self.read_many([waveform], poll=poll)[0]

    @torch.inference_mode()
    def read_many(
        self, waveforms: Sequence[np.ndarray], batch: int = BATCH, poll: Callable[[], None] = undisturbed
    ) -> list[Speech]:
        """Read many waveforms, windows of equal padded length together; see `read`."""
        found: dict[int, list[tuple[Window, np.ndarray, DecodedWindow]]] = {}
        with alone(self._lock, poll):
            for windows in self._batches(waveforms, batch):
                poll()
                frames, encoded = self.encode(mel(windows, self.model, windows[0].padded_s))
                for part in zip(windows, _pooled(frames, windows), self._listen(windows, encoded, poll), strict=True):
                    found.setdefault(part[0].clip, []).append(part)
        return [self._speech(sorted(found[i], key=lambda f: f[0].start_s)) for i in range(len(waveforms))]

    def frames(self, waveform: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Encode the frames (T, D) of `read` and their times (T,) in s, without the decoder."""
        windows = self._windows(0, waveform)
        return self.encode_many([waveform])[0], np.concatenate([_frame_times(w) for w in windows])

    @torch.inference_mode()
    def encode_many(self, waveforms: Sequence[np.ndarray], batch: int = BATCH) -> list[np.ndarray]:
        """Encode the frames (T, D) of `read` for many waveforms, without the decoder."""
        found: dict[int, list[tuple[float, np.ndarray]]] = {}
        for windows in self._batches(waveforms, batch):
            frames, _ = self.encode(mel(windows, self.model, windows[0].padded_s), max(FRAME_LAYERS))
            for window, pooled in zip(windows, _pooled(frames, windows), strict=True):
                found.setdefault(window.clip, []).append((window.start_s, pooled))
        return [np.concatenate([p for _, p in sorted(found[i], key=lambda f: f[0])]) for i in range(len(waveforms))]

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

    def _batches(self, waveforms: Sequence[np.ndarray], batch: int) -> list[list[Window]]:
        """Group the windows of all clips by padded length, at most `batch` in a group."""
        windows = [w for i, wave in enumerate(waveforms) for w in self._windows(i, wave)]
        windows.sort(key=lambda w: (w.padded_s, w.clip, w.start_s))
        batches: list[list[Window]] = []
        for window in windows:
            if not batches or len(batches[-1]) == batch or batches[-1][0].padded_s != window.padded_s:
                batches.append([])
            batches[-1].append(window)
        return batches

    def _listen(
        self, windows: Sequence[Window], encoded: Tensor, poll: Callable[[], None], retry: bool = True
    ) -> list[DecodedWindow]:
        """Decode the words of each of B windows with encoder output (B, T, D).

        A window that makes the decoder run away is heard once more with 5 s more of silence behind it.
        """
        # 1. Decode the windows that are not silent.
        answers = [DecodedWindow(reason=NO_SPEECH)] * len(windows)
        loud = [i for i, w in enumerate(windows) if not is_silent(w.sound)]
        if not loud:
            return answers
        tokenizer = tokenizers(self.model, encoded[loud], self.language)
        seconds = [len(windows[i].sound) / SAMPLE_RATE_HZ for i in loud]
        decoded = greedy(self.model, encoded[loud], tokenizer, [token_limit(s) for s in seconds], poll, self.never)
        # 2. Keep the words that are believed.
        said = []
        for k, (i, found) in enumerate(zip(loud, decoded, strict=True)):
            answers[i] = DecodedWindow(reason=self.doubt(found, tokenizer[k].decode(list(found.tokens)), seconds[k]))
            said += [k] if answers[i].reason is None else []
        # 3. Align them with the sound.
        if said:
            kept = [loud[k] for k in said]
            frames, chosen = [windows[i].n_frames for i in kept], [tokenizer[k] for k in said]
            aligned = force(self.model, encoded[kept], chosen, [decoded[k].tokens for k in said], frames)
            for i, k, words in zip(kept, said, aligned, strict=True):
                answers[i] = DecodedWindow(words, log_probability=decoded[k].log_probability)
        # 4. Hear runaways once more, with a longer silence.
        longer = min(windows[0].padded_s + PAD_STEP_S, WINDOW_S)
        again = [loud[k] for k in said if decoded[k].runaway]
        if again and retry and longer > windows[0].padded_s:
            once_more = [windows[i] for i in again]
            _, longer_encoded = self.encode(mel(once_more, self.model, longer))
            for i, heard in zip(again, self._listen(once_more, longer_encoded, poll, retry=False), strict=True):
                answers[i] = heard if heard.aligned is not None else answers[i]
        return answers

    def _speech(self, parts: Sequence[tuple[Window, np.ndarray, DecodedWindow]]) -> Speech:
        """Join the windows of one clip."""
        words: list[Word] = []
        said: list[str] = []
        states, times, owners = [np.zeros((0, self.dim), np.float32)], [np.zeros(0)], [np.zeros(0, np.int64)]
        for window, _, heard in parts:
            if (aligned := heard.aligned) is None:
                continue
            # Words lose the pauses beside them; their tokens stay inside them.
            spans = trimmed([(s, e) for _, s, e in aligned.words], window.sound)
            token_times = aligned.token_times_s.mean(axis=1)
            low, high = np.array(spans)[aligned.token_words].T
            times.append(np.clip(token_times, low, high) + window.start_s)
            owners.append(aligned.token_words + len(words))
            states.append(aligned.states)
            said.append("".join(text for text, _, _ in aligned.words).strip())
            words += [
                Word(text.strip(), round(s + window.start_s, 3), round(e + window.start_s, 3))
                for (text, _, _), (s, e) in zip(aligned.words, spans, strict=True)
            ]
        silent = all(is_silent(w.sound) for w, _, _ in parts)
        return Speech(
            transcript=" ".join(said),
            words=tuple(words),
            frames=np.concatenate([pooled for _, pooled, _ in parts]),
            frame_times_s=np.concatenate([_frame_times(w) for w, _, _ in parts]),
            states=np.concatenate(states),
            state_times_s=np.concatenate(times),
            state_words=np.concatenate(owners),
            no_speech_reason=None if words else self._reason([h.reason for _, _, h in parts]),
            silent_reason=SILENT if silent else None,
            log_probability=min((h.log_probability for _, _, h in parts if h.aligned is not None), default=0.0),
        )

    def _reason(self, reasons: Sequence[str | None]) -> str:
        if NOT_UNDERSTOOD not in reasons:
            return NO_SPEECH
        return NOT_UNDERSTOOD if self.model.is_multilingual else NOT_ENGLISH


@contextmanager
def alone(lock: threading.Lock, poll: Callable[[], None]) -> Iterator[None]:
    """Hold a lock, asking `poll` whether to go on waiting while another thread has it."""
    while not lock.acquire(timeout=PATIENCE_S):
        poll()
    try:
        yield
    finally:
        lock.release()


def checked(waveform: np.ndarray) -> np.ndarray:
    """Return the waveform as contiguous float32 (N,). Raises: FeatureError for another shape, NaN or infinity."""
    wave = np.asarray(waveform)
    if wave.ndim != 1 or wave.size == 0:
        raise FeatureError(
            "The waveform has shape {shape}. Give mono samples (N,), N >= 1, at 16 kHz.", shape=wave.shape
        )
    if not np.isfinite(wave).all():
        bad = int((~np.isfinite(wave)).sum())
        raise FeatureError("The waveform has {n} samples that are NaN or infinite. Export the audio again.", n=bad)
    return np.ascontiguousarray(wave, dtype=np.float32)


def loudness_dbfs(sound: np.ndarray, step_s: float = 0.1) -> np.ndarray:
    """Measure the RMS of each stretch of `step_s` (the last may be shorter), in dB of full scale, >= -200."""
    size = int(step_s * SAMPLE_RATE_HZ)
    sizes = np.minimum(size, len(sound) - np.arange(0, len(sound), size))
    power = np.add.reduceat(sound.astype(np.float64) ** 2, np.arange(0, len(sound), size)) / sizes
    return 10.0 * np.log10(np.maximum(power, 1e-20))


def is_silent(sound: np.ndarray) -> bool:
    """Tell whether even the loudest 0.1 s is below SILENT_DBFS."""
    return bool(loudness_dbfs(sound).max() < SILENT_DBFS)


def cut_windows(clip: int, wave: np.ndarray, longest_s: int = WINDOW_S, cut_from_s: int = CUT_FROM_S) -> list[Window]:
    """Cut audio to windows of at most `longest_s`, at its quietest 0.1 s after `cut_from_s` of each."""
    windows, start = [], 0
    while len(wave) - start > longest_s * SAMPLE_RATE_HZ:
        low, high = start + cut_from_s * SAMPLE_RATE_HZ, start + longest_s * SAMPLE_RATE_HZ
        quietest = int(np.argmin(loudness_dbfs(wave[low:high])))
        cut = low + int((quietest + 0.5) * 0.1 * SAMPLE_RATE_HZ)
        cut -= (cut - start) % (POOL * FRAME_SAMPLES)  # windows start on an audio frame
        windows.append(Window(clip, start / SAMPLE_RATE_HZ, wave[start:cut]))
        start = cut
    return [*windows, Window(clip, start / SAMPLE_RATE_HZ, wave[start:])]


def mel(windows: Sequence[Window], model: Whisper, padded_s: int) -> Tensor:
    """Compute the log-mel (B, n_mels, 100 x padded_s) of windows padded with silence, each normalised alone."""
    n = padded_s * SAMPLE_RATE_HZ
    mels = [log_mel_spectrogram(w.sound, model.dims.n_mels, n - len(w.sound), model.device) for w in windows]
    return torch.stack(mels)


def _pooled(frames: Tensor, windows: Sequence[Window]) -> list[np.ndarray]:
    """Average each POOL real encoder frames (the last group may be smaller): (T, D) float32 per window."""
    answers = []
    for row, window in zip(frames.float().cpu().numpy(), windows, strict=True):
        starts = np.arange(0, window.n_frames, POOL)
        sizes = np.minimum(POOL, window.n_frames - starts)
        answers.append((np.add.reduceat(row[: window.n_frames], starts, axis=0) / sizes[:, None]).astype(np.float32))
    return answers


def _frame_times(window: Window) -> np.ndarray:
    """Return the middle of each pooled frame, in s of the clip."""
    starts = np.arange(0, window.n_frames, POOL)
    stops = np.minimum(starts + POOL, window.n_frames)
    return window.start_s + (starts + stops) / 2 * FRAME_S


def token_limit(duration_s: float) -> int:
    """Return more tokens than anyone says in that time."""
    return min(MAX_TOKENS, 12 + int(8 * duration_s))


def trimmed(spans: Sequence[tuple[float, float]], sound: np.ndarray) -> list[tuple[float, float]]:
    """Trim the pauses from word spans (s); the alignment gives pauses to a neighbour."""
    level = loudness_dbfs(sound, FRAME_S)
    heard = level > np.percentile(level, 95) - QUIET_DB
    answers = []
    for start, end in spans:
        first, last = int(round(start / FRAME_S)), int(round(end / FRAME_S))
        inside = np.flatnonzero(heard[first:last])
        if inside.size:
            start, end = (first + int(inside[0])) * FRAME_S, (first + int(inside[-1]) + 1) * FRAME_S
        answers.append((round(start, 3), round(max(end, start + FRAME_S), 3)))
    return answers
