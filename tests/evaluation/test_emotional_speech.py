"""The table of emotional speech."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import variants
from stand_ins import Listener

from msa_core.errors import MsaError
from msa_core.evaluation import emotional_speech


def test_clips_of_every_emotion_are_drawn_once(tmp_path: Path) -> None:
    for (folder, _), patterns in emotional_speech.PATTERNS.items():
        for pattern in patterns.values():
            for i in range(4):
                path = tmp_path / folder / pattern.replace("*", str(i))
                path.parent.mkdir(parents=True, exist_ok=True)
                path.touch()
    found = list(emotional_speech.chosen(tmp_path, 0, 3))
    assert [(s, e) for s, e, _ in found][::5] == [
        ("RAVDESS, English", "neutral"),
        ("RAVDESS, English", "fearful"),
        ("nEMO, Polish", "anger"),
        ("URDU, Urdu", "sad"),
    ]
    assert all(len(set(files)) == 3 for _, _, files in found)
    assert found == list(emotional_speech.chosen(tmp_path, 0, 3)) != list(emotional_speech.chosen(tmp_path, 1, 3))


def test_a_corpus_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(MsaError, match=r"^There is no \*/03-01-01-\*.opus in .*ravdess. Give the folder with ravdess"):
        list(emotional_speech.chosen(tmp_path, 0, 3))


def test_voices_and_words_are_counted() -> None:
    said = Listener().read(variants.sound())
    none = replace(said, words=(), no_speech_reason="no speech found")
    german = replace(none, no_speech_reason="speech not understood (it sounds like German; only English is recognised)")
    assert emotional_speech.counts([said, said, none], [said, german, german]) == ["2", "3", "2", "1", "2"]
