"""What all drawings share: names of methods, signed numbers, words for scores."""

from __future__ import annotations

import pytest
from predictions import taught

from msa_core.i18n import use
from msa_core.schema import MODALITIES
from msa_core.views import parts, summary


def test_titles_follow_the_language() -> None:
    assert parts.method_title("promma") == "ProMMA (reconstruction)" and parts.method_title("<x>") == "<x>"
    assert [parts.modality_title(m) for m in MODALITIES] == ["Text", "Audio", "Vision"]
    with use("zh"):
        assert parts.method_title("promma") == "ProMMA（据摘要复现）" and parts.modality_title("audio") == "语音"


def test_methods_are_written_as_people_write_them() -> None:
    assert [parts.method_name(m) for m in ("sdumc", "corrkd", "<x>")] == ["SDUMC", "CorrKD", "&lt;x&gt;"]
    assert "; CorrKD moves 0.3" in summary.sentence(taught())


@pytest.mark.parametrize(("value", "text"), [(0.0, "0.00"), (-0.001, "0.00"), (-1.256, "−1.26"), (2.0, "+2.00")])
def test_signed(value: float, text: str) -> None:
    assert parts.signed(value) == text


@pytest.mark.parametrize(
    ("score", "words"),
    [(-3, "strongly negative"), (-0.6, "weakly negative"), (0.4, "neutral"), (9, "strongly positive")],
)
def test_meaning(score: float, words: str) -> None:
    assert parts.meaning(score) == words
