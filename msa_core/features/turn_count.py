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

FIRST_IDEOGRAPH = "\u2e80"
LEAST = 2  # turns of a phrase in the words, from which they are counted
N_MELS, CEPSTRA, PARTS = 80, 13, 8  # bands and coefficients of a frame; parts of a stretch, by which it is compared
STEP = 2  # frames from one possible border to the next
ALIKE, SURE = 0.5, 0.65  # correlation of a turn with the one before it, at least; of all turns, on average
TEMPO = 0.4  # correlation that a turn has to have more for each e-fold of the length of the one before it
FASTEST, SLOWEST = 34.0, 5.0  # letters a second of a turn
LONGEST = 60  # letters of a phrase; decoders count longer ones, and cuts of these would take seconds
HURRIED = 28.0  # letters a second of all turns, from which a count may have halved them
SPARE_S = 0.15  # longer than the slowest turn, for the shortest phrases
OUTSIDE_S = 0.1  # sound at either end that belongs to no turn, at most
BESIDE_S = 0.15  # by which words beside the turns may have late or early times
SHARED_S = 0.5  # sound at the end of the turns that the word after them may have, at most
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
    turns = turns_said(sound, texts, found[-1]) if found else None
    if turns is None:
        return None
    kept = [*range(found[-1].first), *with_turns(found[-1], len(turns))]
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
        turns = turns_said(sound, texts, run, spans)
        if turns is not None:
            kept += [*range(at, run.first), *with_turns(run, len(turns))]
            sure |= set(range(len(kept) - len(turns) * run.width, len(kept)))
            at = run.after
    kept += range(at, len(texts))
    if len(kept) == len(texts):
        return tokens, frozenset(sure)
    own = [[t for t, owner in zip(tokens, aligned.token_words.tolist(), strict=True) if owner == w] for w in kept]
    return [t for some in own for t in some], frozenset(sure)


def timed(aligned: Aligned, sound: np.ndarray) -> Aligned:
    """Give the words of counted turns times within their turn: those of the attention where it puts them there.

    Args:
        aligned: the words.
        sound: (N,) of their window.
    """
    words, times = list(aligned.words), aligned.token_times_s.copy()
    texts, spans = [w[0] for w in words], [w[1:] for w in words]
    for run in runs_of(texts):
        turns = turns_said(sound, texts, run, spans if run.after < len(texts) else None) or ()
        for k, (start, end) in enumerate(turns if len(turns) == run.turns else ()):
            first = run.first + k * run.width
            last, share = first + run.width - 1, np.cumsum([0, *map(letters, texts[first : first + run.width])])
            edges = (start + (end - start) * share / max(share[-1], 1)).tolist()
            if abs(spans[first][0] - start) <= BESIDE_S and spans[last][1] <= end + BESIDE_S:
                edges[1:-1] = [min(spans[w][1], end) for w in range(first, last)]
            for w, (a, b) in enumerate(zip(edges, edges[1:], strict=False), start=first):
                words[w] = (texts[w], a, b)
                times[aligned.token_words == w] = a, b
    return replace(aligned, words=tuple(words), token_times_s=times)


def runs_of(texts: Sequence[str]) -> list[Run]:
    """List the repetitions among words, but those of a phrase that repeats a word within itself.

    A Chinese character that is doubled is one word of two ("thanks", "mother"), and none either.
    """
    said = [plain(text) for text in texts]
    found = []
    for run in (Run(*r) for r in runs(said, LEAST)):
        turn = said[run.first : run.first + run.width]
        doubled = turn[0] >= FIRST_IDEOGRAPH and len(turn[0]) == run.width == 1
        if all(turn) and len(set(turn)) == run.width and not doubled:
            found.append(run)
    return found


def with_turns(run: Run, n: int) -> list[int]:
    """List the words, by number, that say the phrase of a run n times: its first turns, then its last one."""
    before_last = [min(k, max(run.turns - 2, 0)) for k in range(n - 1)]
    return [run.first + k * run.width + w for k in [*before_last, run.turns - 1] for w in range(run.width)]


def turns_said(
    sound: np.ndarray, texts: Sequence[str], run: Run, spans: Sequence[tuple[float, float]] | None = None
) -> list[tuple[float, float]] | None:
    """List the turns of the phrase of a run, start and end of each in s. None: the sound does not tell them.

    Args:
        sound: (N,) of the window at 16 kHz.
        texts: all words that were decoded.
        run: the repetition among them.
        spans: start and end of each word in s; None where decoding never ended, and other words may follow.
    """
    # 1. The loud frames that the turns may take; time between the words beside them.
    phrase = letters("".join(texts[run.first : run.first + run.width]))
    level = loudness_dbfs(sound, FRAME_S)
    if phrase > LONGEST or np.sort(level)[-LOUDEST_FRAMES:].mean() - np.percentile(level, SOFTEST) < CLEAR_DB:
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
        ends_s = SHARED_S if run.after < len(texts) else OUTSIDE_S
    # 2. The best cuts, with turns that are alike, and none of them half of one.
    kept = np.flatnonzero(loud)
    cuts, likeness = _cuts(frames[kept], phrase, starts, ends_s)
    n, seconds = len(cuts) - 1, (cuts[-1] - cuts[0]) * FRAME_S
    if n < LEAST or likeness < SURE or n * phrase > HURRIED * seconds:
        return None
    # 3. A cut beside a pause is the pause.
    gaps = np.diff(kept, prepend=kept[0] - 1)
    for k, cut in enumerate(cuts[:-1]):
        near = range(max(cut - STEP, 0), min(cut + STEP + 1, len(kept)))
        cuts[k] = max(near, key=lambda at: (gaps[at], -abs(at - cut)))
    return [(int(kept[a]) * FRAME_S, (int(kept[b - 1]) + 1) * FRAME_S) for a, b in zip(cuts, cuts[1:], strict=False)]


def _cuts(frames: np.ndarray, phrase: int, starts: tuple[float, float], ends_s: float) -> tuple[list[int], float]:
    """Cut loud frames (T, D) where each stretch is most like the one before it.

    Args:
        frames: of the sound, without its pauses.
        phrase: letters of one turn.
        starts: seconds before the first turn, at least and at most.
        ends_s: seconds after the last turn, at most.

    Returns:
        The first frame of each stretch and the one after the last, and the mean correlation of a stretch with the one
        before it; two zeros where no two are alike.
    """
    # 1. Stretches of all possible lengths up to each border, as vectors of length 1.
    step_s = STEP * FRAME_S
    steps = len(frames) // STEP
    shortest = max(2, int(phrase / FASTEST / step_s))
    longest = max(shortest + 2, int((phrase / SLOWEST + SPARE_S) / step_s))
    lengths = np.arange(shortest, min(steps - shortest, longest) + 1)
    if not len(lengths):
        return [0, 0], 0.0
    scaled = (frames - frames.mean(axis=0)) / (frames.std(axis=0) + 1e-6)
    total = np.concatenate([np.zeros((1, frames.shape[1])), np.cumsum(scaled, axis=0)])
    shapes = np.zeros((steps + 1, len(lengths), PARTS * frames.shape[1]), np.float32)
    for k, length in enumerate(lengths):
        begin = np.arange(steps + 1 - length)
        shapes[length:, k] = _shapes(total, begin * STEP, int(length) * STEP)
    tempo = TEMPO * np.abs(np.log(lengths[:, None] / lengths[None]))  # (before, after)
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
        gain = score[border][:, None] + np.where(likeness > ALIKE, likeness - ALIKE, -np.inf) - tempo[:, those]
        best = gain.argmax(axis=0)
        better = gain[best, np.arange(len(those))] > score[here, those]
        here, those, best, columns = here[better], those[better], best[better], np.flatnonzero(better)
        score[here, those], before[here, those] = gain[best, columns], best
        alike[here, those] = likeness[best, columns]
    # 3. The best last stretch, and those before it.
    score[: max(0, steps - int(ends_s / step_s))] = -np.inf
    border, k = (int(at) for at in np.unravel_index(score.argmax(), score.shape))
    cuts, found = [border], list[float]()
    while before[border, k] >= 0:
        found.append(float(alike[border, k]))
        border, k = border - int(lengths[k]), int(before[border, k])
        cuts.append(border)
    if not found:
        return [0, 0], 0.0
    return [cut * STEP for cut in (border - int(lengths[k]), *reversed(cuts))], float(np.mean(found))


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
