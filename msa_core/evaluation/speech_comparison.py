"""Compare speech reading with openai-whisper's own `transcribe`, same weights, on generated and shipped sounds."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from tqdm import tqdm
from whisper import timing, transcribe
from whisper.model import Whisper
from whisper.normalizers import EnglishTextNormalizer

from msa_core.evaluation.speechless_cases import sounds
from msa_core.evaluation.spoken_cases import Case, of_kinds, require_engine, utterances
from msa_core.evaluation.true_times import plain
from msa_core.features import weights, whisper_decoding
from msa_core.features.speech import SpeechReader
from msa_core.features.translation import TranslatingReader, if_at_hand
from msa_core.schema import Word
from msa_core.tables import markdown_table

HEAD = (
    *("kind", "sounds", "words said", "lost: ours", "lost: reference", "invented: ours", "invented: reference"),
    *("right in the reference, lost by ours", "right in ours, lost by the reference"),
    *("with words: ours", "with words: reference"),
    *("error of starts (s), median / 95 %: ours", "error of starts (s), median / 95 %: reference"),
    "distance of starts between the two (s), median / 95 %",
)


@dataclass
class Tally:
    """Counts of one kind of sound."""

    n: int = 0
    said: int = 0
    lost: list[int] = field(default_factory=lambda: [0, 0])  # ours, reference
    invented: list[int] = field(default_factory=lambda: [0, 0])
    only: list[int] = field(default_factory=lambda: [0, 0])  # right words that the reference alone has, ours alone
    known: bool = False  # whether anybody wrote down what is said in any of them
    answered: list[int] = field(default_factory=lambda: [0, 0])
    errors_s: tuple[list[float], list[float]] = field(default_factory=lambda: ([], []))  # ours, reference
    apart_s: list[float] = field(default_factory=list)

    def count(self, truth: Sequence[str], ours: Sequence[str], theirs: Sequence[str]) -> None:
        """Count the words of one sound: those that are said, and those of ours and of the reference."""
        common = [shared(truth, ours), shared(truth, theirs)]
        both = shared(truth, ours, theirs)
        self.known, self.said = True, self.said + len(truth)
        self.only = [self.only[0] + common[1] - both, self.only[1] + common[0] - both]
        for k, words in enumerate((ours, theirs)):
            self.lost[k] += len(truth) - common[k]
            self.invented[k] += len(words) - common[k]


def table(seed: int = 0, kinds: Sequence[str] = ()) -> str:
    """Measure cases of some kinds, or of all, read as `Extractor` reads. Returns: a Markdown table, one row a kind.

    Raises:
        MsaError: espeak-ng is not installed, or there is no such kind.
    """
    require_engine()
    cases = of_kinds([*utterances(seed), *sounds(seed)], kinds)
    base = weights.Once(lambda: TranslatingReader(weights.whisper("base")))
    reader = SpeechReader(weights.whisper("tiny.en"), second=lambda: if_at_hand(base))
    return compared(reader, cases)


def compared(reader: SpeechReader, cases: Sequence[Case]) -> str:
    """Tabulate words lost and invented against the truth and the reference, and how well their times agree."""
    normal, tallies = EnglishTextNormalizer(), dict[str, Tally]()
    for case in tqdm(cases, desc="speech", unit="sound"):
        tally = tallies.setdefault(case.kind, Tally())
        heard = [list(reader.read(case.sound).words), reference(reader.model, case.sound)]
        tally.n += 1
        for k, words in enumerate(heard):
            tally.answered[k] += bool(words)
            tally.errors_s[k].extend(time_errors(case, words))
        tally.apart_s += distances(*heard)
        if case.truth is not None:
            tally.count(single(normal(case.truth)), *(single(normal(" ".join(w.text for w in ws))) for ws in heard))
    return markdown_table(HEAD, [_row(kind, tally) for kind, tally in tallies.items()])


def reference(model: Whisper, sound: np.ndarray) -> list[Word]:
    """Transcribe as openai-whisper does, with its own thresholds and temperatures; what it draws is seeded."""
    own, timing.dtw = timing.dtw, lambda x: np.stack(whisper_decoding.warp(x.double().cpu().numpy()))
    try:
        with warnings.catch_warnings(), torch.random.fork_rng(devices=[]):
            warnings.simplefilter("ignore")
            torch.manual_seed(0)
            found = transcribe(model, sound, language="en", word_timestamps=True, fp16=False)
    finally:
        timing.dtw = own
    return [Word(w["word"].strip(), w["start"], w["end"]) for s in found["segments"] for w in s["words"]]


def single(text: str) -> list[str]:
    """Split a normalised text to words, numbers to their digits: the normaliser joins digits, and spells "1" alone."""
    words = ("1" if word == "one" else word for word in text.split())
    return [part for word in words for part in (word if word.isdigit() else [word])]


def shared(*texts: Sequence[str]) -> int:
    """Count the words that texts share in order: their longest common subsequence."""
    if any(not text for text in texts):
        return 0
    # The best of the first i words of the first text, the first j of the second ..., on a grid of all of them.
    best = np.zeros([len(text) + 1 for text in texts], dtype=int)
    for at in np.ndindex(*(len(text) for text in texts)):
        here = tuple(k + 1 for k in at)
        if len({text[k] for text, k in zip(texts, at, strict=True)}) == 1:
            best[here] = best[at] + 1
        else:
            best[here] = max(best[(*here[:i], here[i] - 1, *here[i + 1 :])] for i in range(len(here)))
    return int(best.flat[-1])


def time_errors(case: Case, words: Sequence[Word]) -> list[float]:
    """Give the distance in s of starts to the truth: of a word that stands alone (its end, too), or of the right words.

    Words and truth are matched in order: as many as possible, and among equal words those nearest in time.
    """
    if case.word_s is not None:
        return [abs(words[0].start_s - case.word_s[0]), abs(words[-1].end_s - case.word_s[1])] if words else []
    # The best match of the words so far with the first j true ones: how many, less their error, and each error.
    truth = case.starts_s or ()
    row: list[tuple[int, float, list[float]]] = [(0, 0.0, [])] * (len(truth) + 1)
    for word in words:
        above = row[:]
        for j, (text, start) in enumerate(truth, start=1):
            choices = [above[j], row[j - 1]]
            if plain(word.text) == text:
                n, total, errors = above[j - 1]
                error = abs(word.start_s - start)
                choices.append((n + 1, total - error, [*errors, error]))
            row[j] = max(choices)
    return row[-1][2]


def distances(ours: Sequence[Word], theirs: Sequence[Word]) -> list[float]:
    """Give the distance of starts in s of our words and the reference's where both have the same words."""
    if [plain(w.text) for w in ours] != [plain(w.text) for w in theirs]:
        return []
    return [abs(a.start_s - b.start_s) for a, b in zip(ours, theirs, strict=True)]


def _row(kind: str, t: Tally) -> list[str]:
    """Write the cells of a kind."""
    times = [" / ".join(f"{np.percentile(s, p):.2f}" for p in (50, 95)) if s else "-" for s in (*t.errors_s, t.apart_s)]
    counts = [t.said, *t.lost, *t.invented, *t.only]
    return [kind, str(t.n), *(str(n) if t.known else "-" for n in counts), *map(str, t.answered), *times]
