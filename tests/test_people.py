"""Votes of people on shipped clips: means by hand, found by content only, never for a damaged or another clip."""

from __future__ import annotations

import csv
import shutil
from pathlib import Path

import pytest
from paths import DATA, EXAMPLES

from msa_core import people
from msa_core.degrade import Degradation
from msa_core.errors import MsaError
from msa_core.missing import PATTERNS


def test_mean_and_spread_by_hand() -> None:
    votes = people.votes({"A": 1, "D": 0, "F": 1, "H": 1, "N": 1, "S": 0})  # -2, -2, 2, 0
    assert votes.n == 4 and votes.mean == -0.5
    assert votes.spread == pytest.approx((11 / 3) ** 0.5)  # squares 2.25 + 2.25 + 6.25 + 0.25 over 3
    assert people.votes({"H": 1}).spread == 0.0
    told = votes.to_json()
    assert told["votes"]["anger"] == 1 and set(told["votes"]) == set(people.EMOTIONS.values())


def test_patterns_have_the_channel_whose_voters_had_the_same() -> None:
    found = {p: people.channel_of(p) for p in PATTERNS}
    assert found == {
        "text": None, "audio": "voice", "vision": "face", "text+audio": "voice", "text+vision": None,
        "audio+vision": "both", "text+audio+vision": "both",
    }  # fmt: skip


def test_a_clip_is_known_by_its_content_not_by_its_name(tmp_path: Path) -> None:
    copy = shutil.copy(EXAMPLES / "crema_happy.mp4", tmp_path / "mine.mp4")
    found = people.of(Path(copy))
    assert {c: round(v.mean, 3) for c, v in found.items()} == {"voice": -1.0, "face": 1.556, "both": 1.636}
    other = tmp_path / "crema_happy.mp4"
    other.write_bytes(Path(copy).read_bytes()[:-1] + b"x")  # the same name and size
    assert people.of(other) == {} == people.of(EXAMPLES / "jfk.flac")


def test_every_clip_of_crema_d_that_is_shipped_has_its_votes() -> None:
    for clip in sorted(EXAMPLES.glob("crema_*.mp4")):
        assert set(people.of(clip)) == set(people.CHANNELS), clip.name


@pytest.mark.skipif(not (DATA / "cremad_votes").is_dir(), reason="the votes of CREMA-D are not on this machine")
def test_the_shipped_rows_are_those_that_were_published() -> None:
    acted = {"angry": "ANG", "disgusted": "DIS", "fearful": "FEA", "happy": "HAP", "neutral": "NEU", "sad": "SAD"}
    with (DATA / "cremad_votes" / "votes.csv").open(newline="") as file:
        published = {(r["fileName"], r["channel"]): r for r in csv.DictReader(file)}
    with people.FILE.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 18
    for row in rows:
        emotion = acted[row["file"].removeprefix("crema_").removesuffix(".mp4")]
        assert all(published[f"1001_DFA_{emotion}_XX", row["channel"]][k] == row[k] for k in people.POINTS)


def test_a_broken_table_is_named(tmp_path: Path) -> None:
    head = ",".join(people.COLUMNS)
    for number, (text, why) in enumerate(
        (("sha256,bytes\n1,2\n", "no column 'file'"), (f"{head}\na,1,f,voice,1,1,x,1,1,1\n", "line 2 holds no counts"),
         (f"{head}\na,1,f,text,1,1,1,1,1,1\n", "line 2 is no vote"), (f"{head}\na,1,f,face,0,0,0,0,0,0\n", "line 2"))
    ):  # fmt: skip
        path = tmp_path / f"{number}.csv"
        path.write_text(text)
        with pytest.raises(MsaError, match=why):
            people.table(path)
    assert people.table(tmp_path / "none.csv") == {}


def test_predictions_tell_what_people_said_who_had_the_same(analyser, happy) -> None:  # type: ignore[no-untyped-def]
    def told(dropped=(), rates=None, utterance=happy, source="transcript"):  # type: ignore[no-untyped-def]
        found = analyser.predict(utterance, "sdumc", dropped, source, rates).people
        return {k: channel for k, (channel, _) in found.items()}

    assert told() == {"full": "both", "left": "both"}
    assert told(["vision"]) == {"full": "both", "left": "voice"} == told(["vision"], source="simulated")
    assert told(["audio", "text"]) == {"full": "both", "left": "face"}
    assert told(["audio"]) == {"full": "both"}  # nobody had the words and the face without the voice
    assert told(["vision"], {"audio": 0.3}) == {"full": "both"}  # nobody heard a voice with frames dropped
    assert told(["vision"], {"vision": 0.3}) == {"full": "both", "left": "voice"}
    edited = analyser.edit(happy, "I hate this")
    assert told([], utterance=edited) == {"full": "both"}
    assert told(["text", "audio"], utterance=edited) == {"full": "both", "left": "face"}
    json = analyser.predict(happy, "sdumc", ["vision"]).to_json()["people"]
    assert json["left"]["channel"] == "voice" and json["left"]["mean"] == -1.0 and json["left"]["n"] == 8


@pytest.fixture(scope="module")
def happy(analyser):  # type: ignore[no-untyped-def]
    return analyser.extract(EXAMPLES / "crema_happy.mp4")


@pytest.mark.slow
def test_nobody_saw_the_blurred_clip(analyser) -> None:  # type: ignore[no-untyped-def]
    assert analyser.extract(EXAMPLES / "crema_happy.mp4", degradation=Degradation(blur=0.05)).people == {}
