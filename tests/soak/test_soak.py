"""The soak: it takes the page for its own, tells a mixed-up answer, and finds nothing wrong with the real page."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from msa_core.__main__ import main
from msa_core.errors import MsaError
from msa_core.soak import command, visitors
from msa_core.soak.server import Held
from msa_core.soak.tab import Refused, needs_loopback
from msa_core.soak.visitors import Log, Visitor

HELD = Held(1000.0, 100.0, 10, 20, 0, 0.0)


class Page:
    """A page that draws names: `others` are what it draws for someone else's clip."""

    mixes_up = ""

    def __init__(self, url: str, address: str) -> None:
        self.values: dict[str, Any] = dict.fromkeys((*visitors.DRAWN, "mm-status"), "")

    def __enter__(self) -> Page:
        return self

    def __exit__(self, *_: object) -> None:
        return

    def value(self, name: str) -> Any:
        return self.values[name]

    def set(self, values: dict[str, Any]) -> None:
        self.values |= values

    def upload(self, name: str, data: bytes) -> dict[str, Any]:
        if self.mixes_up == "full":
            raise Refused("413 This server holds as many clips as it can.")
        return {"orig_name": name, "bytes": data}

    def run(self, event: str) -> None:
        own = self.values["mm-clip"]["orig_name"]
        off = [m for m in visitors.MODALITIES if not self.values.get(f"mm-{m}", True)]
        self.values |= {name: f"{own} {off} {self.mixes_up}" for name in visitors.DRAWN}
        self.values["mm-status"] = own


@pytest.fixture
def two(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Visitor]:
    """Two visitors who know their answers from a page that draws names."""
    for name in ("a.mp4", "b.mp4"):
        (tmp_path / name).write_bytes(b"video")
    monkeypatch.setattr(visitors, "Tab", Page)
    monkeypatch.setattr(visitors, "THINK_S", (0.0, 0.0))
    monkeypatch.setattr(Page, "mixes_up", "")
    found = visitors.visitors("http://localhost", 2, tmp_path)
    for visitor in found:
        visitor.learn()
    visitors.can_be_told_apart(found)
    return found


def stay(visitor: Visitor, looks: int = 7) -> Log:
    log, left = Log(), iter(range(looks))
    visitor.stay(log, lambda: next(left, None) is None)
    return log


def test_own_answers_are_found_right(two: list[Visitor]) -> None:
    log = stay(two[0])
    assert log.checked == 7 and log.mixed_up == [] and log.errors == []
    assert {k: len(v) for k, v in log.seconds.items()} == {"open the page": 1, "upload": 1, "analyse": 1, "switch": 6}
    assert two[0].clip.data != two[1].clip.data and two[0].clip.name != two[1].clip.name


def test_a_mixed_up_answer_is_told(two: list[Visitor]) -> None:
    two[0].known = two[1].known
    log = stay(two[0])
    assert len(log.mixed_up) == 7 and "visitor 1 a.mp4 without nothing: mm-answer" in log.mixed_up[0]
    found = command.Soak(2, 1, (0.0, 0.0), log, HELD, HELD, HELD, 0, 0)
    assert found.faults[0] == log.mixed_up[0]


def test_an_error_is_told_and_the_visitor_comes_again(two: list[Visitor], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Page, "mixes_up", "full")
    log = stay(two[1], 3)
    assert log.errors == ["Refused: 413 This server holds as many clips as it can."] * 3 and log.checked == 0
    assert command.Soak(1, 1, (0, 0), log, None, None, None, 0, 0).faults == ["3 x " + log.errors[0]]


def test_clips_that_look_alike_are_refused(two: list[Visitor]) -> None:
    two[1].known = two[0].known
    with pytest.raises(MsaError, match="b.mp4 and a.mp4 look alike"):
        visitors.can_be_told_apart(two)


@pytest.mark.parametrize(
    ("after", "fault"),
    [
        (Held(1051.0, 100, 10, 20, 0, 0), "memory: 1000 MB before, 1051 MB after."),
        (Held(1000.0, 100, 13, 20, 0, 0), "threads: 10 before, 13 after."),
        (Held(1000.0, 100, 10, 21, 0, 0), "descriptors: 20 before, 21 after."),
        (Held(1000.0, 100, 10, 20, 1, 0), "files: 0 before, 1 after."),
    ],
)
def test_what_is_not_given_back_is_told(after: Held, fault: str) -> None:
    assert command.Soak(1, 1, (0, 0), Log(), HELD, HELD, after, 0, 0).faults == [fault]
    assert command.Soak(1, 1, (0, 0), Log(), HELD, HELD, HELD, 2, 1).faults == [
        "The page logged 2 tracebacks.",
        "1 files were left when the page had ended.",
    ]


def test_the_table_has_the_shares_of_the_times() -> None:
    log = Log({"switch": [i / 100 for i in range(1, 101)]}, checked=100)
    text = command.table(command.Soak(3, 0.5, (0.1, 2.0), log, HELD, HELD.most(Held(2, 3, 4, 500, 6, 7)), HELD, 0, 0))
    assert "3 visitors at once for 0.5 minutes" in text and "100 answers checked, 0 mixed up; 0 errors" in text
    assert "| switch | 100 | 0.51 | 0.96 | 1.00 |" in text and "| descriptors | 20 | 500 | 20 |" in text


@pytest.mark.parametrize(
    "url", ["https://lab.example", "http://127.0.0.1.evil.example", "http://10.0.0.1:7860", "x", ""]
)
def test_only_this_computer_is_asked(url: str, capsys: Any) -> None:
    with pytest.raises(MsaError, match="a page of this computer only"):
        needs_loopback(url)
    assert main(["soak", "--url", url, "--visitors", "1"]) == 2
    assert capsys.readouterr().err.count("\n") == 1


@pytest.mark.parametrize("url", ["http://127.0.0.1:7860/", "http://localhost:1", "http://[::1]:7860"])
def test_this_computer_is_asked(url: str) -> None:
    assert needs_loopback(url) == url.rstrip("/")


def test_too_many_visitors_are_one_line(capsys: Any) -> None:
    assert main(["soak", "--visitors", "251"]) == 2 and "give 1 to 250" in capsys.readouterr().err


@pytest.mark.slow
def test_a_soak_of_the_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    """The real page with its models, two visitors for some seconds: nothing is wrong and nothing is left."""
    monkeypatch.setattr(command, "REST_S", 3.0)
    page = tmp_path / "page.md"
    page.write_text("<!-- soak:begin -->\n<!-- soak:end -->\n")
    code = main(["soak", "--visitors", "2", "--minutes", "0.1", "--readme", str(page)])
    said = capsys.readouterr().out
    assert "0 mixed up; 0 errors, 0 tracebacks; 0 files left" in said
    assert code == 0 or "memory" in said, said  # within seconds memory may still grow
    assert "| analyse | " in page.read_text() and "| uploaded files | 0 | " in page.read_text()
