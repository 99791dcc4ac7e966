"""The processor time of speech reading, beside that of another checkout."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from msa_core.__main__ import main
from msa_core.errors import MsaError
from msa_core.evaluation import reading_cost
from msa_core.evaluation.spoken_cases import Case

CASES = [Case(kind, str(k), np.full(8, k, np.float32), None) for k, kind in enumerate(("reply", "reply", "music"))]


def reader(seconds: dict[int, Iterator[float]], words: dict[int, str], asked: list[int]) -> reading_cost.Reader:
    def read(file: Path) -> tuple[float, str]:
        number = int(np.load(file)[0])
        asked.append(number)
        return next(seconds[number]), words[number]

    return read


def test_the_shortest_reading_of_each_counts() -> None:
    asked: list[int] = []
    words = {0: "yes", 1: "no", 2: ""}
    before = reader({0: iter([9, 9, 1.0, 3.0]), 1: iter([2.0, 2.5]), 2: iter([1.0, 1.0])}, words, asked)
    now = reader({0: iter([9, 9, 1.04, 8.0]), 1: iter([9.0, 3.0]), 2: iter([1.5, 1.2])}, words | {1: "no no"}, asked)
    head, _, *rows = reading_cost.compared(before, now, CASES, 2).splitlines()
    names, *cells = [[c.strip() for c in row.strip("|").split("|")] for row in (head, *rows)]
    assert names[2:6] == ["seconds of all before", "now / before: of all", "of one sound, median", "at most"]
    assert len(names) == 9 and cells == [
        ["reply", "2", "3.0", "1.35", "1.27", "1.50", "1", "1", "0"],
        ["music", "1", "1.0", "1.20", "1.20", "1.20", "1", "0", "1"],
    ]
    assert asked == [0] * 8 + [1] * 4 + [2] * 4, "the first sound warms both, and does not count"


def test_every_second_pair_runs_backwards() -> None:
    order: list[str] = []

    def named(name: str) -> reading_cost.Reader:
        return lambda _: (order.append(name), (1.0, ""))[1]

    reading_cost.compared(named("before"), named("now"), CASES[:1], 2)
    assert order == ["before", "now", "now", "before"] * 2


def test_a_folder_without_the_project_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading_cost, "require_engine", lambda: None)
    with pytest.raises(MsaError, match="no checkout of this project"):
        reading_cost.table(tmp_path, 1)


def test_a_reader_reads_with_the_checkout_that_it_was_given(tmp_path: Path) -> None:
    """A small checkout in place of an older one: its process answers for every file, and its end is said."""
    package = tmp_path / "msa_core"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "extract.py").write_text(
        "from types import SimpleNamespace as S\n"
        "class Extractor:\n"
        "    load = staticmethod(lambda device: S(speech=S(read=lambda sound: S(transcript=str(len(sound))))))\n"
    )
    file = tmp_path / "sound.npy"
    with reading_cost.started(tmp_path) as read:
        for n in (3, 5):
            np.save(file, np.zeros(n, np.float32))
            seconds, words = read(file)
            assert words == str(n) and 0 <= seconds < 5
        with pytest.raises(MsaError, match="could not read a sound"):
            read(tmp_path / "missing.npy")


@pytest.mark.parametrize("more", [["--before", "."], ["--kind", "reply"]])
def test_recorded_speech_takes_no_option_of_the_generated(more: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["speech-check", "--data", "data", *more]) == 2
    assert "--data has sounds of its own" in capsys.readouterr().err
