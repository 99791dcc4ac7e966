"""Compare speech reading with openai-whisper's own `transcribe`, same weights, on generated and shipped sounds."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from tqdm import tqdm
from whisper import timing, transcribe
from whisper.model import Whisper
from whisper.normalizers import EnglishTextNormalizer

from msa_core.evaluation.speechless_cases import sounds
from msa_core.evaluation.spoken_cases import Case, require_engine, utterances
from msa_core.evaluation.true_times import plain
from msa_core.features import weights, whisper_decoding
from msa_core.features.speech import SpeechReader
from msa_core.features.translation import TranslatingReader, if_at_hand
from msa_core.schema import Word
from msa_core.tables import markdown_table

HEAD = (
    *("kind", "sounds", "words said", "lost: ours", "lost: reference", "invented: ours", "invented: reference"),
    *("lost of the reference", "with words: ours", "with words: reference"),
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
    of_reference: int = 0
    answered: list[int] = field(default_factory=lambda: [0, 0])
    errors_s: tuple[list[float], list[float]] = field(default_factory=lambda: ([], []))  # ours, reference
    apart_s: list[float] = field(default_factory=list)


def table(seed: int = 0) -> str:
    """Measure every case, read as `Extractor` reads. Returns: a Markdown table, one row a kind.

    Raises:
        MsaError: espeak-ng is not installed.
    """
    require_engine()
    base = weights.Once(lambda: TranslatingReader(weights.whisper("base")))
    reader = SpeechReader(weights.whisper("tiny.en"), second=lambda: if_at_hand(base))
    return compared(reader, [*utterances(seed), *sounds(seed)])


def compared(reader: SpeechReader, cases: Sequence[Case]) -> str:
    """Tabulate words lost and invented against the truth and the reference, and how well their times agree."""
    normal, tallies = EnglishTextNormalizer(), dict[str, Tally]()
    for case in tqdm(cases, desc="speech", unit="sound"):
        tally = tallies.setdefault(case.kind, Tally())
        heard = [list(reader.read(case.sound).words), reference(reader.model, case.sound)]
        ours, theirs = (normal(" ".join(w.text for w in words)).split() for words in heard)
        tally.n += 1
        tally.of_reference += len(theirs) - shared(theirs, ours)
        for k, words in enumerate((ours, theirs)):
            tally.answered[k] += bool(words)
            tally.errors_s[k].extend(time_errors(case, heard[k]))
            if case.truth is not None:
                truth = normal(case.truth).split()
                common = shared(truth, words)
                tally.lost[k] += len(truth) - common
                tally.invented[k] += len(words) - common
        tally.said += len(normal(case.truth or "").split())
        tally.apart_s += distances(*heard)
    return markdown_table(HEAD, [_row(kind, tally) for kind, tally in tallies.items()])


def reference(model: Whisper, sound: np.ndarray) -> list[Word]:
    """Transcribe as openai-whisper does, with its own thresholds and temperatures."""
    own, timing.dtw = timing.dtw, lambda x: np.stack(whisper_decoding.warp(x.double().cpu().numpy()))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = transcribe(model, sound, language="en", word_timestamps=True, fp16=False)
    finally:
        timing.dtw = own
    return [Word(w["word"].strip(), w["start"], w["end"]) for s in found["segments"] for w in s["words"]]


def shared(a: Sequence[str], b: Sequence[str]) -> int:
    """Count the words that two texts share in order: their longest common subsequence."""
    row = [0] * (len(b) + 1)
    for x in a:
        above = row[:]
        for j, y in enumerate(b, start=1):
            row[j] = above[j - 1] + 1 if x == y else max(row[j - 1], above[j])
    return row[-1]


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
    known = [str(t.said), *map(str, t.lost), *map(str, t.invented)]
    return [kind, str(t.n), *known, str(t.of_reference), *map(str, t.answered), *times]
