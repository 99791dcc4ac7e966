"""Processor time of speech reading beside that of another checkout of the project, sound by sound, in pairs."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from tqdm import tqdm

from msa_core.config import PACKAGE
from msa_core.errors import MsaError
from msa_core.evaluation.speechless_cases import sounds
from msa_core.evaluation.spoken_cases import Case, of_kinds, require_engine, utterances
from msa_core.tables import markdown_table

HEAD = (
    *("kind", "sounds", "seconds of all before", "now / before: of all", "of one sound, median", "at most"),
    *("slower by more than 5 %", "words changed", "slower with the same words"),
)
SLOWER = 1.05  # times as long as before, from which a sound counts as slower
# Reads the sounds whose files are named on its input with the checkout in its first argument, on one core. Its answers
# are lines of JSON: the processor time in s, and the words.
CHILD = """
import json, sys, time
sys.path.insert(0, sys.argv[1])
import numpy as np, torch
torch.set_num_threads(1)
from msa_core.extract import Extractor
reader = Extractor.load("cpu").speech
for line in sys.stdin:
    sound, begun = np.load(line.strip()), time.process_time()
    found = reader.read(sound)
    print(json.dumps([time.process_time() - begun, found.transcript]), flush=True)
"""

Reader = Callable[[Path], tuple[float, str]]  # file of a sound -> processor time in s, words


@dataclass
class Tally:
    """Sounds of one kind: the least time of each before and now in s, and whether its words are others."""

    before_s: list[float] = field(default_factory=list)
    now_s: list[float] = field(default_factory=list)
    changed: list[bool] = field(default_factory=list)


def table(before: Path, pairs: int, seed: int = 0, kinds: Sequence[str] = ()) -> str:
    """Time every sound of `speech_comparison`. Returns: a Markdown table, one row a kind.

    Args:
        before: folder of the other checkout.
        pairs: readings of every sound by each of the two, in turns; the shortest of each counts.
        seed: of the sounds.
        kinds: of the sounds; none: all.

    Raises:
        MsaError: espeak-ng is not installed, there is no such kind, `before` is no checkout, or one cannot read.
    """
    require_engine()
    if not (before / "msa_core" / "extract.py").is_file():
        raise MsaError(f"{str(before)!r} is no checkout of this project: it has no msa_core/extract.py.")
    cases = of_kinds([*utterances(seed), *sounds(seed)], kinds)
    with ExitStack() as stack:
        readers = [stack.enter_context(started(folder)) for folder in (before, PACKAGE.parent)]
        return compared(readers[0], readers[1], cases, pairs)


def compared(before: Reader, now: Reader, cases: Sequence[Case], pairs: int) -> str:
    """Tabulate the times of two readers on the same sounds, read in turns after one sound that does not count."""
    tallies: dict[str, Tally] = {}
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "sound.npy"
        for k, case in enumerate(tqdm([*cases[:1], *cases], desc="cost", unit="sound")):
            np.save(file, case.sound)
            found: dict[Reader, list[tuple[float, str]]] = {before: [], now: []}
            for n in range(pairs):
                for reader in (before, now)[:: 1 if n % 2 == 0 else -1]:
                    found[reader].append(reader(file))
            if k:
                tally = tallies.setdefault(case.kind, Tally())
                tally.before_s.append(min(found[before])[0])
                tally.now_s.append(min(found[now])[0])
                tally.changed.append(found[before][0][1] != found[now][0][1])
    return markdown_table(HEAD, [_row(kind, tally) for kind, tally in tallies.items()])


@contextmanager
def started(checkout: Path) -> Iterator[Reader]:
    """Start a process that reads sounds with a checkout.

    Raises:
        MsaError: it ended; its own message is on the terminal.
    """
    command = [sys.executable, "-I", "-c", CHILD, str(checkout.resolve())]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as child:

        def read(file: Path) -> tuple[float, str]:
            assert child.stdin is not None and child.stdout is not None
            print(file, file=child.stdin, flush=True)
            line = child.stdout.readline()
            if not line:
                raise MsaError(f"The checkout {str(checkout)!r} could not read a sound.")
            seconds, words = json.loads(line)
            return float(seconds), str(words)

        try:
            yield read
        finally:
            child.kill()


def _row(kind: str, t: Tally) -> list[str]:
    """Write the cells of a kind."""
    ratio = np.array(t.now_s) / np.array(t.before_s)
    changed, slower = np.array(t.changed), ratio > SLOWER
    times = [
        f"{sum(t.before_s):.1f}",
        f"{sum(t.now_s) / sum(t.before_s):.2f}",
        f"{np.median(ratio):.2f}",
        f"{ratio.max():.2f}",
    ]
    return [kind, str(len(ratio)), *times, str(slower.sum()), str(changed.sum()), str((slower & ~changed).sum())]
