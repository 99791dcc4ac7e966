"""Rows added to an evaluation that stands: new ones only, of the same corpus, and only where both agree."""

from __future__ import annotations

import json
from copy import deepcopy
from pathlib import Path

import pytest
from evaluations import sample

from msa_core.errors import MsaError
from msa_core.evaluation import added


def test_new_rows_come_in_their_place_and_old_ones_stay() -> None:
    stands, fresh = sample(), sample()
    new = {**deepcopy(fresh["rows"][1]), "label": "ridge regression", "kind": "classical"}
    constant, masked = fresh["rows"][0], next(r for r in fresh["rows"] if r["kind"] == "masked")
    masked["gap_closed"] = None  # measured now without its references
    fresh |= {"rows": [constant, masked, new], "naive": None, "specialists": None}
    both = added.added(stands, fresh)
    assert [r["label"] for r in both["rows"][:3]] == ["constant", "ridge regression", "late fusion, absent = mean"]
    assert len(both["rows"]) == len(stands["rows"]) + 1
    assert next(r for r in both["rows"] if r["kind"] == "masked")["gap_closed"] is not None
    assert both["naive"] == stands["naive"] and both["specialists"] == stands["specialists"]
    assert added.added(both, fresh) == both  # once more changes nothing


def test_what_does_not_belong_together_is_refused() -> None:
    stands = sample()
    with pytest.raises(MsaError, match="that stands has n 1234, this one 99. Leave --add out"):
        added.added(stands, sample() | {"n": 99})
    moved = sample()
    moved["rows"][0]["table"]["audio"]["mae"] += 0.01  # another constant: other labels
    with pytest.raises(
        MsaError, match="'constant' of the evaluation of made-up that stands differs by 0.62 % of its MAE"
    ):
        added.added(stands, moved)
    near, far = sample(), sample()
    for result, share in ((near, 1.005), (far, 1.02)):  # the same training on another processor, and another one
        row = next(r for r in result["rows"] if r["kind"] == "masked")
        row["table"]["audio"]["mae"] *= share
    assert added.added(stands, near)["rows"] == stands["rows"]
    with pytest.raises(MsaError, match="'masked late fusion' of .* differs by"):
        added.added(stands, far)


@pytest.mark.parametrize("text", [None, "{", "[]", '{"rows": [{}]}', json.dumps({"rows": 3})])
def test_a_file_that_is_no_evaluation_is_one_line(tmp_path: Path, text: str | None) -> None:
    path = tmp_path / "made-up.json"
    if text is not None:
        path.write_text(text)
    with pytest.raises(MsaError, match="is no evaluation that rows can be added to"):
        added.standing(path)
