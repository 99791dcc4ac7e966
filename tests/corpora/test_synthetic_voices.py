"""Synthetic voices: neutral lines only, one voice a line, the same ones each time."""

from pathlib import Path

import numpy as np
import pytest
from paths import DATA

from msa_core.corpora import synthetic_voices, tuning_texts
from msa_core.corpora.synthetic_voices import synthetic_clips
from msa_core.errors import MsaError
from msa_core.feature_training.voice_clips import SPLIT_SPEAKERS


def write_lines(data: Path) -> None:
    path = data / tuning_texts.MELD["train"]
    path.parent.mkdir(parents=True)
    said = [("I have to go now", "neutral"), ("What a lovely day", "positive"), ("Hey", "neutral")]
    said += [("We are on the second floor", "neutral")]
    rows = [f"{text},{feeling},{k},0" for k, (text, feeling) in enumerate(said)]
    path.write_text("\n".join(["Utterance,Sentiment,Dialogue_ID,Utterance_ID", *rows]) + "\n")


def test_neutral_lines_of_some_words_are_spoken_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_lines(tmp_path)
    asked: list[str] = []

    def speak(line: str, folder: Path):
        asked.append(line)
        return np.arange(1600, dtype="<i2")

    monkeypatch.setattr(synthetic_voices, "speak", speak)
    found = synthetic_clips(tmp_path, tmp_path / "cache", 2)
    assert sorted(asked) == ["I have to go now", "We are on the second floor"]
    assert synthetic_clips(tmp_path, tmp_path / "cache", 2) == found and len(asked) == 2, "kept as files"
    assert {(c.corpus, c.emotion, c.score) for c in found} == {("synthetic", "neutral", 0.0)}
    assert all(c.path.stat().st_size == 44 + 3200 and c.split in SPLIT_SPEAKERS for c in found)
    with pytest.raises(MsaError, match="MELD has 2 neutral lines of 3 to 20 words; 3 were asked for"):
        synthetic_clips(tmp_path, tmp_path / "cache", 3)


@pytest.mark.slow
@pytest.mark.skipif(not (DATA / "meld").is_dir(), reason="research corpora are not on this machine")
def test_every_part_has_synthetic_voices(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(synthetic_voices, "_write", lambda path, samples: None)
    monkeypatch.setattr(synthetic_voices, "speak", lambda line, folder: memoryview(b""))
    assert {c.split for c in synthetic_clips(DATA, tmp_path)} == set(SPLIT_SPEAKERS)
