"""People beside models by channel: distances are those of the clips, a winner only beyond chance."""

from __future__ import annotations

from typing import Any

import pytest

from msa_core.evaluation import results
from msa_core.evaluation.real import channels
from msa_core.i18n import use

TITLES = {"person": "One person", "constant": "Constant", "complete": "Full", "masked": "Masked", "sdumc": "SDUMC"}
KINDS = {"sdumc": "method"}


def made(offsets: dict[str, float], n: int = 12, person: float = 0.9) -> dict[str, Any]:
    """Make a file of n clips with labels of 2 and -2, in which every model is off by its offset."""
    rows = [{"label": k, "title": TITLES[k], "kind": KINDS.get(k, k), "values": {}} for k in TITLES if k in offsets or
            k in ("person", "constant")]  # fmt: skip
    rows[0]["values"] = {f"mae {p}": person for p in channels.CHANNELS}
    items = []
    for i in range(n):
        labels = dict.fromkeys(channels.CHANNELS, 2.0 if i % 2 else -2.0)
        scores = {k: {p: v + off + 0.01 * (i % 3) for p, v in labels.items()} for k, off in offsets.items()}
        items.append({"id": f"clip {i}", "labels": labels, "scores": scores})
    part = {"kind": "cremad", "facts": {"constant": 0.0}, "rows": rows, "items": items}
    return {"sets": [{"kind": "meld", "rows": []}, part]}


def found(result: dict[str, Any]) -> channels.Channels:
    told = channels.find(result)
    assert told is not None
    return told


def test_a_clear_winner_is_named_and_stands_beside_one_person() -> None:
    told = found(made({"complete": 1.5, "masked": 0.5, "sdumc": 0.2}))
    voice = told.channels[0]
    assert (voice.n, voice.best, voice.tied) == (12, "sdumc", ())
    assert voice.distances == pytest.approx(
        {"person": 0.9, "constant": 2.0, "complete": 1.51, "masked": 0.51, "sdumc": 0.21}
    )
    assert voice.nearer == ("masked", "sdumc") and voice.farther == ("complete",)
    first, *lines = channels.sentences(told)
    assert (
        first == "Clearly nearest to people's mean vote: “SDUMC” (voice alone); “SDUMC” (face alone); “SDUMC” (both)."
    )
    assert lines[0] == (
        "Voice alone: “SDUMC” is nearest (0.21), beyond chance against every other row. One person is 0.90 from the "
        "others; models nearer than that beyond chance: Masked; SDUMC; farther: Full."
    )


def test_a_tie_is_said() -> None:
    result = made({"masked": 0.5, "sdumc": 0.5})
    for i, item in enumerate(result["sets"][1]["items"]):
        item["scores"]["sdumc"]["audio"] += (-0.4, 0.38)[i // 2 % 2]
    told = found(result)
    assert told.channels[0].tied and told.channels[0].distances["sdumc"] != told.channels[0].distances["masked"]
    assert "not told apart from it: Masked." in channels.sentences(told)[1]


def test_one_person_or_the_constant_can_be_nearest() -> None:
    told = found(made({"masked": 1.0, "sdumc": 1.1}, person=0.3))
    assert told.channels[0].best == "person" and told.channels[0].farther == ("masked", "sdumc")
    result = made({"masked": 1.0}, person=1.5)
    for item in result["sets"][1]["items"]:
        item["labels"]["vision"] = 0.0
    assert found(result).channels[1].best == "constant"
    assert "“Constant” (face alone)" in channels.sentences(found(result))[0]


def test_without_what_is_needed_there_is_no_table() -> None:
    whole = made({"masked": 1.0})
    part = whole["sets"][1]
    assert channels.find(None) is None and channels.find({"sets": whole["sets"][:1]}) is None
    for change in ({"items": None}, {"items": []}, {"rows": part["rows"][1:]}, {"rows": part["rows"][:2]}):
        assert channels.find({"sets": [part | change]}) is None
    del part["items"][0]["scores"]["masked"]["audio"]
    assert [c.pattern for c in found(whole).channels] == ["vision", "audio+vision"]  # not on fewer clips than the rest
    few = found(made({"masked": 0.2, "sdumc": 1.0}, n=1)).channels[0]
    assert set(few.tied) == {"person", "constant", "sdumc"} and few.nearer == ()  # one clip proves nothing


def test_the_shipped_file_has_the_same_distances_as_its_own_table() -> None:
    result = results.real()
    told = channels.find(result)
    assert result is not None and told is not None
    (part,) = (p for p in result["sets"] if p["kind"] == "cremad")
    assert [c.n for c in told.channels] == [12, 6, 6]
    for channel in told.channels:
        assert len(channel.distances) == 9  # one person, the constant, three complete models, masked and three methods
        for row in part["rows"]:
            if row["label"] in channel.distances:
                own = row["values"][f"mae {channel.pattern}"]
                assert channel.distances[row["label"]] == pytest.approx(own, abs=2e-5), row["label"]
    shown = channels.table(told)
    marked = {(shown.lines[i].name, j) for i, j in shown.best()}  # rows that look the same are all marked
    assert marked >= {(c.best, j) for j, c in enumerate(told.channels)}
    lowest = {j: min(line.cells[j].value for line in shown.lines) for _, j in marked}
    assert all(line.cells[j].value < lowest[j] + 0.01 for line in shown.lines for n, j in marked if n == line.name)
    with use("zh"):
        assert all(line.endswith("。") for line in channels.sentences(told))
