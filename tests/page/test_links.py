"""State of the page in an address: written and read back, and every value of an address is checked."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qsl, urlencode

import pytest
from paths import ROOT

from msa_core.degrade import Degradation
from msa_core.page import links
from msa_core.page.analyse_inputs import AnalyseInputs
from msa_core.page.files import EXAMPLES
from msa_core.page.links import Link
from msa_core.page.session import Edit, Settings, Visit
from msa_core.page.share import Seen, Sharing
from msa_core.schema import MODALITIES

METHODS = ("sdumc", "corrkd", "promma")
FULL = Link(
    "crema_happy.mp4", "corrkd", ("audio", "vision"), {"text": 30, "audio": 90}, "none", "So & very=good, 你好",
    (0, 12), Degradation(0.025, 5.0), "zh", True,
    {"second": "jfk.flac", "lesson_clip": "crema_sad.mp4", "corpus": "mosi", "protocol": "frames", "metric": "acc7",
     "rows": "all", "missing": "text"},
)  # fmt: skip


def test_what_is_written_is_read_back() -> None:
    assert links.read(links.write(FULL), METHODS) == (FULL, [])
    assert links.read(f"?{links.write(FULL)}&__theme=dark&utm_source=x", METHODS) == (FULL, [])
    assert links.write(Link()) == "" and links.read("", METHODS) == (Link(), [])


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("clip", "crema_smug.mp4"),
        ("clip", "../README.md"),
        ("clip", ""),
        ("method", "bert"),
        ("off", "smell"),
        ("drop", "text:35"),
        ("drop", "text"),
        ("absent_text", "some"),
        ("words", "x" * 2001),
        ("struck", "-1"),
        ("struck", "٣"),
        ("blur", "nan"),
        ("blur", "0.2"),
        ("noise", "much"),
        ("spoken", "xx"),
        ("any_language", "yes"),
        ("second", "me.mp4"),
        ("lesson_clip", "../me.mp4"),
        ("corpus", "iemocap"),
        ("protocol", "magic"),
        ("metric", "MAE"),
        ("rows", "<b>"),
        ("missing", "smell"),
        ("tab", "nowhere"),
        ("lesson", "magic"),
        ("lang", "fr"),
    ],
)
def test_a_value_that_is_not_known_is_ignored_and_said(name: str, value: str) -> None:
    link, said = links.read(urlencode({"clip": FULL.clip, name: value}), METHODS)
    assert link == (Link() if name == "clip" else Link(FULL.clip))
    assert len(said) == 1 and f"{name} is '{value[:20]}" in said[0] and "known: " in said[0] and len(said[0]) < 300


def test_known_values_beside_unknown_ones_count() -> None:
    link, (said,) = links.read("off=vision,smell,taste,vision&off=text", METHODS)
    assert link.off == ("vision",) and "off is 'smell,taste'" in said and "known: text, audio, vision." in said


def test_an_address_of_any_length_is_read() -> None:
    link, said = links.read("clip=crema_happy.mp4&" + "off=x&" * 100_000, METHODS)
    assert link.clip == "crema_happy.mp4" and len(said) == 1


def test_the_tabs_are_those_of_the_page() -> None:
    built = (ROOT / "msa_core" / "page" / "build.py").read_text()
    assert tuple(re.findall(r'gr\.Tab, .+ id="(\w+)"', built)) == links.TABS


def test_the_script_knows_every_parameter() -> None:
    names = re.search(r"const names = \[(.+?)\]", (ROOT / "msa_core" / "static" / "open_link.js").read_text(), re.S)
    written = {name for name, _ in parse_qsl(links.write(FULL))} | {"tab", "lesson", "lang"}
    assert names is not None and set(re.findall(r"'(\w+)'", names[1])) == written
    listed = re.findall(r"'(\w+)'", names[1])
    assert listed[listed.index("second") :] == list(FULL.chosen) == list(links.choices()), "the others are asked last"


def test_every_parameter_is_documented() -> None:
    table = re.search(r"\| parameter \| value \|\n(.+?)\n\n", (ROOT / "docs" / "security.md").read_text(), re.S)
    names = {name for name, _ in parse_qsl(links.write(FULL))} | {"tab", "lesson", "lang", "present", "embed"}
    assert table is not None
    assert {n for row in table[1].splitlines() for n in re.findall(r"`(\w+)`", row.split("|")[1])} == names


def inputs(path: Path) -> AnalyseInputs:
    """A visitor who switched the face off and struck a word of the clip at `path`, which has no text."""
    there = {"text": False, "audio": True, "vision": True}
    utterance: Any = SimpleNamespace(words=(), stream=lambda m: SimpleNamespace(present=there[m]))
    edited: Any = SimpleNamespace(words=(), stream=utterance.stream)
    visit = Visit(utterance, str(path), "", str(path), "", "a tab", 1.0, Degradation(0.05), "zh", True)
    settings = Settings(
        {"text": False, "audio": True, "vision": False}, dict.fromkeys(MODALITIES, 0.3), "none", "promma"
    )
    return AnalyseInputs(visit, Edit(utterance, edited, "typed", frozenset({0})), "en", "en", settings)


def test_a_link_holds_the_state_of_an_example() -> None:
    made = links.link_of(inputs(EXAMPLES / "crema_sad.mp4"))
    drop = dict.fromkeys(MODALITIES, 30)
    wanted = Link("crema_sad.mp4", "promma", ("vision",), drop, "none", "typed", (0,), Degradation(0.05), "zh", True)
    assert made == wanted


@pytest.mark.parametrize("name", ["crema_sad.mp4", "me.mp4"])
def test_nothing_of_a_visitors_own_clip_is_in_a_link(name: str) -> None:
    made = links.link_of(inputs(Path("/srv/uploads/abc") / name))
    assert made == replace(
        Link(), method="promma", off=("vision",), drop=dict.fromkeys(MODALITIES, 30), absent_text="none"
    )
    assert "mp4" not in links.write(made) and "typed" not in links.write(made)
    no_clip = replace(inputs(Path("x")), visit=None, edit=None)
    assert links.link_of(no_clip) == Link(method="promma", absent_text="none")


def test_choices_of_other_tabs_are_in_a_link_unless_they_are_those_of_a_page_just_opened() -> None:
    start = {name: value for name, (_, value) in links.choices().items()}
    own = inputs(EXAMPLES / "crema_sad.mp4")
    assert links.link_of(own, start) == links.link_of(own) and start["corpus"] == "composite"
    made = links.link_of(own, start | {"second": "jfk.flac", "metric": "acc7"})
    assert made.chosen == {"second": "jfk.flac", "metric": "acc7"} and made.clip == "crema_sad.mp4"
    assert "second=jfk.flac&metric=acc7" in links.write(made)
    link, said = links.read("corpus=composite&second=jfk.flac", METHODS)
    assert link == Link(chosen={"second": "jfk.flac"}) and said == [] and not link.sets_analysis


def test_a_second_clip_of_ones_own_is_said_to_be_left_out() -> None:
    start = {name: value for name, (_, value) in links.choices().items()}
    second: Any = object()
    query, left_out = Sharing().share(Seen(inputs(EXAMPLES / "crema_sad.mp4"), second, start | {"second": None}))
    assert left_out == ["second"] and "second" not in query and "clip=crema_sad.mp4" in query
    assert Sharing().share(Seen(inputs(Path("/srv/me.mp4")), second, start | {"second": "jfk.flac"}))[1] == ["own"]
