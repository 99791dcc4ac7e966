"""Fixtures of the tests on real people: small research data, clips under its names, stand-ins for large networks."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from csv_files import write_csv
from paths import EXAMPLES
from sounds import write_tone

from msa_core.evaluation.real import clips, texts, voices
from msa_core.predict import Analyser


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A small corpus of every kind, of tones and invented lines."""
    folder = tmp_path / "data"
    words = "one fine bad day we went there and saw it".split()
    lines = [
        {"Utterance": " ".join(words[: i % 9 + 1]), "Sentiment": s, "Dialogue_ID": i // 3}
        for i, s in enumerate(["positive", "neutral", "negative"] * 6)
    ]
    write_csv(folder / texts.MELD["dev"], lines)
    write_csv(folder / texts.MELD["train"], lines)
    rated = [{"id": f"e{i}", "split": "dev" if i % 2 else "train", "V": 2 + i / 8, "text": " ".join(words[: i % 7 + 1])}
             for i in range(16)]  # fmt: skip
    write_csv(folder / texts.EMOBANK, rated)
    for actor in ("01", "02", "03", "07"):
        for emotion in ("01", "03", "05"):
            for sentence in ("01", "02"):
                name = f"03-01-{emotion}-01-{sentence}-01-{actor}.wav"
                hz = 90 + 60 * int(emotion) + 5 * int(actor)
                write_tone(folder / "ravdess" / f"Actor_{actor}" / name, hz, 0.4, 0.1 * int(emotion))
    named = []
    for speaker in ("AA0", "BB0"):
        for emotion in ("anger", "happiness", "neutral"):
            for n in range(2):
                named.append({"file_id": f"{speaker}_{emotion}_{n}.wav", "emotion": emotion,
                              "normalized_text": f"s{n}", "speaker_id": speaker})  # fmt: skip
                write_tone(folder / "nemo" / f"{speaker}_{emotion}_{n}.opus", 100 + 40 * len(emotion), 0.3)
    write_csv(folder / voices.NEMO, named, delimiter="\t")
    none = {"A": 0, "D": 0, "F": 0, "H": 0, "N": 2, "S": 0}
    votes = [{"fileName": "1001_DFA_HAP_XX", "channel": c, **none, "H": h} for c, h in (("voice", 1), ("face", 5))]
    write_csv(folder / clips.VOTES, votes)
    return folder


@pytest.fixture
def media(tmp_path: Path) -> Path:
    """Real clips under the names that the command looks for."""
    folder = tmp_path / "media"
    for name in ("cremad/1001_DFA_HAP_XX.mp4", "talking/grid_bbaf2n.mp4"):
        (folder / name).parent.mkdir(parents=True)
        shutil.copy(EXAMPLES / "crema_happy.mp4", folder / name)
    return folder


@pytest.fixture
def quickly(quick, analyser, monkeypatch) -> None:
    """The shipped methods behind stand-ins for the large networks."""
    made = Analyser(quick, analyser.complete, analyser._by_method)
    monkeypatch.setattr(Analyser, "load", lambda device=None, method=None: made)
