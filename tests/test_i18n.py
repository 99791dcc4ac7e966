"""Languages: every text that the code says has a translation with the same fields, and sentences are recognised."""

from __future__ import annotations

import ast
import json
from pathlib import Path

import pytest
from paths import ROOT

from msa_core import i18n
from msa_core.edit import ALL_STRUCK, TYPED, VOICE_STAYS
from msa_core.errors import MsaError
from msa_core.i18n import known, say, use
from msa_core.schema import MODALITIES
from msa_core.views import answer, parts, summary

SOURCES = [ROOT / "app.py", *sorted((ROOT / "msa_core").rglob("*.py"))]
OTHERS = [code for code in i18n.LANGUAGES if code != i18n.ENGLISH]


def texts(path: Path) -> set[str]:
    """The literal first arguments of `say` and `_say` in a file."""
    calls = [n for n in ast.walk(ast.parse(path.read_text())) if isinstance(n, ast.Call) and n.args]
    named = [c for c in calls if getattr(c.func, "id", getattr(c.func, "attr", None)) == "say"]
    return {c.args[0].value for c in named if isinstance(c.args[0], ast.Constant)}


@pytest.mark.parametrize("code", OTHERS)
def test_everything_said_is_translated(code: str) -> None:
    said = {text for path in SOURCES for text in texts(path)}
    missing = sorted(said - set(i18n.catalogue(code)))
    assert not missing, f"{len(missing)} texts without {code}: {missing[:10]}"


def test_the_names_shown_by_known_are_translated() -> None:
    names = [*parts.TITLES.values(), *parts.STEPS.values(), *parts.WORDS_FOR_SCORES.values()]
    names += [
        *summary.ORDINARY.values(),
        *MODALITIES,
        summary.DISCLAIMER,
        answer.WELCOME,
        ALL_STRUCK,
        TYPED,
        VOICE_STAYS,
    ]
    assert set(names) <= set(i18n.catalogue("zh"))


@pytest.mark.parametrize("code", OTHERS)
def test_translations_have_the_same_fields_and_are_no_english(code: str) -> None:
    for text, translation in i18n.catalogue(code).items():
        assert i18n.fields(text) == i18n.fields(translation), text
        assert translation.strip(), text


def written(path: Path) -> set[str]:
    """The strings and f-strings of a file, their fields as `FIELD`."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            found.add(i18n._FIELD.sub(FIELD, node.value))
        elif isinstance(node, ast.JoinedStr):
            found.add("".join(str(v.value) if isinstance(v, ast.Constant) else FIELD for v in node.values))
    return found


FIELD = "{}"
PUT_TOGETHER = {  # sentences whose parts stand apart in the code
    *("text, audio", "text, audio, vision", "text, vision", "audio, vision"),
    "text: {text}; audio: {audio}; vision: {vision}",
    "This lesson needs {part}, which this clip lacks ({reason}). Choose another clip.",
}


@pytest.mark.slow
@pytest.mark.parametrize("name", ["analyse", "compare", "export", "learn", "page"])
@pytest.mark.parametrize("code", OTHERS)
def test_no_translation_is_left_over(code: str, name: str) -> None:
    entries = json.loads((i18n.STATIC / code / f"{name}.json").read_text(encoding="utf-8"))
    there = {text for path in SOURCES for text in written(path)}
    unused = [t for t in entries if t not in PUT_TOGETHER and i18n._FIELD.sub(FIELD, t) not in there]
    assert not unused, f"said nowhere: {unused}"


@pytest.mark.parametrize("code", OTHERS)
def test_translations_can_stand_in_an_attribute(code: str) -> None:
    assert [t for t in i18n.catalogue(code).values() if set(t) & set('<"')] == []


@pytest.mark.parametrize("path", sorted(i18n.STATIC.glob("*/*.json")), ids=lambda p: p.name)
def test_catalogues_are_sorted_json(path: Path) -> None:
    entries = json.loads(path.read_text(encoding="utf-8"))
    assert path.read_text(encoding="utf-8") == json.dumps(entries, ensure_ascii=False, indent=1, sort_keys=True) + "\n"


def test_english_is_the_code_itself() -> None:
    assert say("{n} words heard", n=3) == "3 words heard" and i18n.active() == "en"
    assert known("no speech found") == "no speech found"


def test_a_finished_sentence_is_recognised(monkeypatch: pytest.MonkeyPatch) -> None:
    entries = {
        "Missing: {reason}": "缺失：{reason}",
        "no {what} track": "没有{what}轨道",
        "{x} s": "{x}秒",
        "took {n:.1f} s": "用时{n:.1f}秒",
    }
    monkeypatch.setattr(i18n, "catalogue", lambda code: entries if code == "zh" else {})
    i18n._templates.cache_clear()
    try:
        with use("zh"):
            assert known("Missing: no video track") == "缺失：没有video轨道"
            assert known("took 1.5 s") == "用时1.5秒" and known("took long s") == "took long s"
            assert known("something else") == "something else" and known("many words s") == "many words s"
            assert say("{x} s", x="{y}") == "{y}秒"
        assert known("no video track") == "no video track"
    finally:
        i18n._templates.cache_clear()


def test_unknown_language_is_refused() -> None:
    with pytest.raises(MsaError, match="Unknown language 'xx'"), use("xx"):
        pass
