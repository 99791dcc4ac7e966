"""Languages: every text that the code says has a translation with the same fields; messages are translated."""

from __future__ import annotations

import ast
import copy
import json
import pickle
import re
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from paths import ROOT
from template_texts import TEMPLATES, said, strings

from msa_core import i18n
from msa_core.edit import ALL_STRUCK, TYPED, VOICE_STAYS
from msa_core.errors import MediaError, MsaError, message
from msa_core.i18n import known, say, use
from msa_core.people import EMOTIONS
from msa_core.schema import MODALITIES
from msa_core.views import answer, parts, summary

SOURCES = [ROOT / "app.py", *sorted((ROOT / "msa_core").rglob("*.py"))]
ERRORS = ("MsaError", "MediaError", "FeatureError", "CheckpointError")
OTHERS = [code for code in i18n.LANGUAGES if code != i18n.ENGLISH]


@cache
def texts(path: Path) -> set[str]:
    """Templates of a file: the literal first arguments of `say`, `message` and of errors that are given values."""
    found = set()
    for call in (n for n in ast.walk(ast.parse(path.read_text())) if isinstance(n, ast.Call) and n.args):
        name = getattr(call.func, "id", getattr(call.func, "attr", ""))
        first = [call.args[0].body, call.args[0].orelse] if isinstance(call.args[0], ast.IfExp) else [call.args[0]]
        if name in ("say", "message") or (name in ERRORS and call.keywords):
            found |= {c.value for c in first if isinstance(c, ast.Constant)}
    return found


@pytest.mark.parametrize("code", OTHERS)
def test_everything_said_is_translated(code: str) -> None:
    told = {text for path in SOURCES for text in texts(path)} | {text for path in TEMPLATES for text in said(path)}
    missing = sorted(told - set(i18n.catalogue(code)))
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
        *EMOTIONS.values(),
    ]
    assert set(names) <= set(i18n.catalogue("zh"))


@pytest.mark.parametrize("code", OTHERS)
def test_translations_have_the_same_fields_and_are_no_english(code: str) -> None:
    for text, translation in i18n.catalogue(code).items():
        assert i18n.fields(text) == i18n.fields(translation), text
        assert translation.strip(), text


@cache
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
PUT_TOGETHER = {"text, audio", "text, audio, vision", "text, vision", "audio, vision"}  # lists of names


@pytest.mark.slow
@pytest.mark.parametrize("name", ["analyse", "compare", "export", "learn", "page"])
@pytest.mark.parametrize("code", OTHERS)
def test_no_translation_is_left_over(code: str, name: str) -> None:
    entries = json.loads((i18n.STATIC / code / f"{name}.json").read_text(encoding="utf-8"))
    there = {text for path in SOURCES for text in written(path)}
    there |= {i18n._FIELD.sub(FIELD, text) for path in TEMPLATES for text in strings(path)}
    unused = [t for t in entries if t not in PUT_TOGETHER and i18n._FIELD.sub(FIELD, t) not in there]
    assert not unused, f"said nowhere: {unused}"


@pytest.mark.slow
@pytest.mark.parametrize("code", OTHERS)
def test_every_template_is_made_by_the_code(code: str) -> None:
    """A sentence put together by an f-string instead would not be translated."""
    made = {text for path in SOURCES for text in texts(path)} | {text for path in TEMPLATES for text in said(path)}
    templates = {t for t in i18n.catalogue(code) if i18n.fields(t)}
    lengths = {t for t in templates if re.match(r"\{name\} (lasts|is longer)", t)}  # tests/test_media_messages.py
    assert len(lengths) == 4 and templates - lengths <= made


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


def test_a_message_is_translated_by_its_template(monkeypatch: pytest.MonkeyPatch) -> None:
    entries = {
        "Missing: {reason}": "缺失：{reason}",
        "no {what} track": "没有{what}轨道",
        "video": "视频",
        "{x} s": "{x}秒",
        "took {n:.1f} s": "用时{n:.1f}秒",
        "took 2.0 s": "用时两秒",
    }
    monkeypatch.setattr(i18n, "catalogue", lambda code: entries if code == "zh" else {})
    missing = message("Missing: {reason}", reason=message("no {what} track", what="video"))
    assert missing == "Missing: no video track" and known(missing) == missing
    with use("zh"):
        assert known(missing) == "缺失：没有视频轨道"
        assert (
            known(message("took {n:.1f} s", n=1.5)) == "用时1.5秒"
            and known(message("took {n:.1f} s", n=2)) == "用时两秒"
        )
        assert known(message("another {thing}", thing="video")) == "another video"
        assert known("Missing: no video track") == "Missing: no video track" and known("video") == "视频"
        assert say("{x} s", x="{y}") == "{y}秒"


def test_a_message_is_plain_text_wherever_it_goes() -> None:
    said = message("{n} words of {clip}", n=3, clip="a {strange} name")
    assert said == "3 words of a {strange} name" and {said: 1}[str(said)] == 1
    assert json.dumps({"notes": [said]}) == '{"notes": ["3 words of a {strange} name"]}'
    for copied in (pickle.loads(pickle.dumps(said)), copy.deepcopy(said), said + "", np.array([said])[0].item()):
        assert type(copied) is str and copied == said


def test_an_error_keeps_its_message() -> None:
    error = MediaError("There is no file {name}. Check its path and name.", name="a.mp4")
    assert str(error) == error.message == "There is no file a.mp4. Check its path and name."
    with use("zh"):
        assert known(error.message) == known(str(error)) == "没有文件 a.mp4。请检查路径和文件名。"
    assert MsaError("100 {percent}").message == "100 {percent}" and MsaError().message == ""
    assert type(pickle.loads(pickle.dumps(error)).message) is str


def test_unknown_language_is_refused() -> None:
    with pytest.raises(MsaError, match="Unknown language 'xx'"), use("xx"):
        pass
