"""Count of the turns of a phrase that is said again and again, by the sound alone.

A decoder cannot count: it loses turns, invents some, or repeats the phrase for ever. Turns of one phrase sound alike,
so the sound is cut where each stretch is most like the one before it, whatever its tempo (dynamic programming).
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from msa_core.features.loops import LOOP_TIMES, letters
from msa_core.features.loudness import FRAME_S, LOUDEST_FRAMES, loud_frames, loudness_dbfs
from msa_core.features.openai_whisper import Tokenizer, log_mel_spectrogram
from msa_core.features.turns import plain, runs
from msa_core.features.whisper_decoding import Aligned, Decoded

LEAST = 2  # turns of a phrase in the words, from which they are counted
N_MELS, CEPSTRA, PARTS = 80, 13, 8  # bands and coefficients of a frame; parts of a stretch, by which it is compared
STEP = 2  # frames from one possible border to the next
ALIKE, SURE = (
    0.4,
    0.6,
)  # correlation of a stretch with the one before it: of a turn; of all turns of a count, on average
FASTEST, HURRIED, SLOWEST = 34.0, 23.0, 5.0  # letters a second: nobody is faster; a count may have halved turns; slower
SPARE_S = 0.15  # longer than the slowest turn, for the shortest phrases
OUTSIDE_S = 0.1  # sound at either end that belongs to no turn, at most
BESIDE_S = 0.15  # by which words beside the turns may have late or early times
CLEAR_DB, SOFTEST = 18.0, 2.0  # between the loudest and the softest sound (percentile); nearer noise looks like turns


@dataclass(frozen=True)
class Run:
    """Turns of one phrase in a row among words: the number of the first word, words of a turn, turns."""

    first: int
    width: int
    turns: int

    @property
    def after(self) -> int:
        """Return the number of the word after the last turn."""
        return self.first + self.width * self.turns


def unrolled(decoded: Decoded, tokenizer: Tokenizer, sound: np.ndarray) -> Decoded | None:
    """Say the phrase of a loop as often as the sound (N,) of its window does. None: the sound does not tell."""
    # 1. Words with what follows without a space, of three turns.
    texts, words = list[str](), list[list[int]]()
    tokens = [*decoded.tokens, *decoded.tokens[len(decoded.tokens) - decoded.turn :] * LOOP_TIMES]
    for text, group in zip(*tokenizer.split_to_word_tokens(tokens), strict=True):
        if texts and not text.startswith(" "):
            texts[-1], words[-1] = texts[-1] + text, [*words[-1], *group]
        else:
            texts, words = [*texts, text], [*words, group]
    # 2. As many turns as the sound has.
    found = [run for run in runs_of(texts) if run.after > len(texts) - run.width] if decoded.turn else []
    n = turns_said(sound, texts, found[-1]) if found else None
    if n is None:
        return None
    kept = [*range(found[-1].first), *with_turns(found[-1], n)]
    return replace(
        decoded, tokens=tuple(t for w in kept for t in words[w]), runaway=False, loop=False, values=(), turn=0
    )


def counted(aligned: Aligned, tokens: Sequence[int], sound: np.ndarray) -> tuple[Sequence[int], frozenset[int]]:
    """Say each phrase that is repeated among words as often as the sound (N,) of their window does.

    Returns:
        The tokens, the same ones where nothing changes; and which words, by number, the sound confirms.
    """
    texts, spans = [w[0] for w in aligned.words], [w[1:] for w in aligned.words]
    kept, sure, at = list[int](), set[int](), 0
    for run in runs_of(texts):
        n = turns_said(sound, texts, run, spans)
        if n is not None:
            kept += [*range(at, run.first), *with_turns(run, n)]
            sure |= set(range(len(kept) - n * run.width, len(kept)))
            at = run.after
    kept += range(at, len(texts))
    if len(kept) == len(texts):
        return tokens, frozenset(sure)
    own = [[t for t, owner in zip(tokens, aligned.token_words.tolist(), strict=True) if owner == w] for w in kept]
    return [t for some in own for t in some], frozenset(sure)


def runs_of(texts: Sequence[str]) -> list[Run]:
    """List the repetitions among words, but those of a phrase that repeats a word within itself."""
    said = [plain(text) for text in texts]
    found = [Run(*run) for run in runs(said, LEAST)]
    return [r for r in found if all(turn := said[r.first : r.first + r.width]) and len(set(turn)) == r.width]


def with_turns(run: Run, n: int) -> list[int]:
    """List the words, by number, that say the phrase of a run n times: its first turns, then its last one."""
    before_last = [min(k, max(run.turns - 2, 0)) for k in range(n - 1)]
    return [run.first + k * run.width + w for k in [*before_last, run.turns - 1] for w in range(run.width)]


def turns_said(
    sound: np.ndarray, texts: Sequence[str], run: Run, spans: Sequence[tuple[float, float]] | None = None
) -> int | None:
    """Count how often the phrase of a run is said. None: the sound does not tell.

    Args:
        sound: (N,) of the window at 16 kHz.
        texts: all words that were decoded.
        run: the repetition among them.
        spans: start and end of each word in s; None where decoding never ended, and other words may follow.
    """
    # 1. The loud frames that the turns may take; time between the words beside them.
    level = loudness_dbfs(sound, FRAME_S)
    if np.sort(level)[-LOUDEST_FRAMES:].mean() - np.percentile(level, SOFTEST) < CLEAR_DB:
        return None
    frames = _cepstra(sound)
    loud = loud_frames(level)[: len(frames)]
    before = letters("".join(texts[: run.first]))
    if spans is None:
        starts = (before / FASTEST - OUTSIDE_S, before / SLOWEST + SPARE_S) if before else (0.0, OUTSIDE_S)
        ends_s = float(len(loud)) * FRAME_S
    else:
        first = int((spans[run.first - 1][1] - BESIDE_S) / FRAME_S) if run.first else 0
        last = int((spans[run.after][0] + BESIDE_S) / FRAME_S) if run.after < len(texts) else len(loud)
        loud[: max(first, 0)] = loud[last:] = False
        starts = (0.0, OUTSIDE_S + 2 * BESIDE_S * (run.first > 0))
        ends_s = OUTSIDE_S + 2 * BESIDE_S * (run.after < len(texts))
    # 2. The best cuts.
    phrase = letters("".join(texts[run.first : run.first + run.width]))
    found = _cuts(frames[: len(loud)][loud], phrase, starts, ends_s)
    if found is None:
        return None
    # 3. Turns that are alike, and none of them half of one.
    n, likeness, seconds = found
    return n if likeness >= SURE and n * phrase <= HURRIED * seconds else None


def _cuts(
    frames: np.ndarray, phrase: int, starts: tuple[float, float], ends_s: float
) -> tuple[int, float, float] | None:
    """Cut loud frames (T, D) where each stretch is most like the one before it.

    Args:
        frames: of the sound, without its pauses.
        phrase: letters of one turn.
        starts: seconds before the first turn, at least and at most.
        ends_s: seconds after the last turn, at most.

    Returns:
        Number of stretches (>= 2), their mean correlation with the one before, and their length in s; None: no two.
    """
    # 1. Stretches of all possible lengths up to each border, as vectors of length 1.
    step_s = STEP * FRAME_S
    steps = len(frames) // STEP
    shortest = max(2, int(phrase / FASTEST / step_s))
    lengths = np.arange(shortest, min(steps, max(shortest + 2, int((phrase / SLOWEST + SPARE_S) / step_s))) + 1)
    if not len(lengths) or steps < 2 * shortest:
        return None
    scaled = (frames - frames.mean(axis=0)) / (frames.std(axis=0) + 1e-6)
    total = np.concatenate([np.zeros((1, frames.shape[1])), np.cumsum(scaled, axis=0)])
    shapes = np.zeros((steps + 1, len(lengths), PARTS * frames.shape[1]), np.float32)
    for k, length in enumerate(lengths):
        begin = np.arange(steps + 1 - length)
        shapes[length:, k] = _shapes(total, begin * STEP, int(length) * STEP)
    # 2. The best score of all stretches up to one that ends at each border, and the stretch before it.
    score = np.full((steps + 1, len(lengths)), -np.inf)
    before = np.full((steps + 1, len(lengths)), -1)
    alike = np.zeros((steps + 1, len(lengths)))
    for border in range(steps + 1):
        fits = lengths <= steps - border
        here, those = border + lengths[fits], np.flatnonzero(fits)
        if starts[0] <= border * step_s <= starts[1]:
            score[here, those] = 0.0
        if not len(those) or not np.isfinite(score[border]).any():
            continue
        likeness = shapes[border] @ shapes[here, those].T  # (before, after)
        gain = score[border][:, None] + likeness - ALIKE
        best = gain.argmax(axis=0)
        better = gain[best, np.arange(len(those))] > score[here, those]
        here, those, best, columns = here[better], those[better], best[better], np.flatnonzero(better)
        score[here, those], before[here, those] = gain[best, columns], best
        alike[here, those] = likeness[best, columns]
    # 3. The best last stretch, and those before it.
    score[: max(0, steps - int(ends_s / step_s))] = -np.inf
    border, k = (int(at) for at in np.unravel_index(score.argmax(), score.shape))
    stop, found = border, list[float]()
    while before[border, k] >= 0:
        found.append(float(alike[border, k]))
        border, k = border - int(lengths[k]), int(before[border, k])
    if not found:
        return None
    return len(found) + 1, float(np.mean(found)), float(stop - border + lengths[k]) * step_s


def _shapes(total: np.ndarray, begin: np.ndarray, length: int) -> np.ndarray:
    """Describe stretches of equal length by the means of their PARTS: (B, PARTS * D), each of length 1.

    Args:
        total: sums (T + 1, D) of all frames before each.
        begin: first frame of each stretch (B,).
        length: frames of a stretch.
    """
    edges = begin[:, None] + np.linspace(0.0, length, PARTS + 1)
    whole = np.minimum(edges.astype(int), len(total) - 2)
    sums = total[whole] + (edges - whole)[..., None] * (total[whole + 1] - total[whole])
    shapes = np.diff(sums, axis=1).reshape(len(begin), -1)
    return shapes / (np.linalg.norm(shapes, axis=1, keepdims=True) + 1e-9)


def _cepstra(sound: np.ndarray) -> np.ndarray:
    """Compute the cepstrum of each 20 ms of a sound from Whisper's log-mel: (T, CEPSTRA)."""
    mel = log_mel_spectrogram(sound, N_MELS).numpy().T
    return mel[: len(mel) // 2 * 2].reshape(-1, 2, N_MELS).mean(axis=1) @ _cosines()


@functools.cache
def _cosines() -> np.ndarray:
    """Make the discrete cosine transform (N_MELS, CEPSTRA) of a log-mel."""
    at = (np.arange(N_MELS) + 0.5) / N_MELS
    return np.cos(np.pi * at[:, None] * np.arange(CEPSTRA)).astype(np.float32)
