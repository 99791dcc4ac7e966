"""Prompts on the page: numbers are the prediction's, verdicts follow from them, and it is called a reconstruction."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import pytest
from parsed import Parsed
from predictions import prediction, whole

from msa_core.schema import MODALITIES, Prediction
from msa_core.views import mechanism, prediction_text, prompts, summary

POINTS = ("-3", "-2", "-1", "0", "+1", "+2", "+3")
FULL = {"text": 0.5, "audio": 0.3, "vision": 0.2}
SHARES = (0.01, 0.04, 0.1, 0.15, 0.2, 0.23, 0.27)
OWN = {"text": 0.9, "audio": -0.25, "vision": 0.4}  # cosine of a shared prompt with the private one of its point
VERDICT = {
    "confidence": 0.21,
    "score_generated": 1.5,
    "score_left_out": 0.7,
    "importance": 0.34,
    "worth": 0.31,
    "threshold": 0.45,
}


def verdict(decision: str = "left out", **changes: float) -> dict[str, object]:
    return {"decision": decision, **VERDICT, **changes}


def prompted(
    gone: Collection[str] = (), made: Collection[str] = (), facts: Mapping[str, object] | None = None, **changes: object
) -> Prediction:
    """A prediction of ProMMA with `gone` switched off and, of these, `made` generated."""
    there = [m for m in MODALITIES if m not in gone or m in made]
    weights = {m: (0.6 if m == there[0] else 0.4 / (len(there) - 1)) if m in there else 0.0 for m in MODALITIES}
    if len(there) == 1:
        weights[there[0]] = 1.0
    pieces = {"text": [(0.2, 0.5, 0.25), (1.0, 1.6, 0.25)], "audio": [(0.0, 1.0, 0.3)], "vision": [(0.4, 0.6, 0.2)]}
    timed = {m: [{"start_s": a, "end_s": b, "weight": w} for a, b, w in pieces[m]] for m in MODALITIES if m not in gone}
    mechanism: dict[str, object] = {
        "attention": timed,
        "attention_without_prompts": {m: [{**p, "weight": 1 / len(ps)} for p in ps] for m, ps in timed.items()},
        "prompt_weights": FULL if not gone else weights,
        "prompt_weights_full": FULL,
        "prompt_information": {m: 0.25 if m in there else 0.0 for m in MODALITIES},
        "prompt_lean": {m: 1.1 if m in there else None for m in MODALITIES},
        "prompt_push": {m: (0.66, -0.44, 0.22)[i] if m in there else 0.0 for i, m in enumerate(MODALITIES)},
        "prompt_posterior": {m: dict(zip(POINTS, SHARES, strict=True)) if m in there else None for m in MODALITIES},
        "evaluator": {m: verdict("generated" if m in made else "left out") if m in gone else None for m in MODALITIES},
        "imagined": [m for m in MODALITIES if m in made],
        "text_simulated": False,
        "prompt_similarity": {
            m: [[OWN[m] if i == j else 0.1 for j in range(len(POINTS))] for i in range(len(POINTS))] for m in MODALITIES
        },
    }
    states = {m: {"present": m not in gone, "reason": "switched off" if m in gone else None} for m in MODALITIES}
    base: dict[str, object] = {
        "method": "promma",
        "dropped": tuple(m for m in MODALITIES if m in gone),
        "modalities": states,
        "text_source": "none" if "text" in gone else "transcript",
    }
    return prediction(**(base | {"mechanism": {**mechanism, **(facts or {})}} | changes))


@pytest.fixture(autouse=True)
def no_evidence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The place of the evaluation file; there is none."""
    path = tmp_path / "composite-evidence.json"
    monkeypatch.setattr(summary, "EVIDENCE", path)
    return path


def evidence_file(path: Path, *rows: tuple[str, dict[str, Any], dict[str, Any]]) -> None:
    told = [{"label": label, "seeds": 3, "truth": truth, "model": model} for label, truth, model in rows]
    path.write_text(json.dumps({"corpus": "composite", "split": "test", "n": 900, "conflict": 123, "rows": told}))


def values(html: str) -> list[str]:
    return Parsed(html).text("mm-value")


def test_it_is_called_a_reconstruction_wherever_it_is_named() -> None:
    html = mechanism.inside(prompted())
    assert "Inside ProMMA (reconstruction)" in html and "reconstruction from the abstract" in html
    drawn = whole(prompted(["audio"]))
    assert "ProMMA (reconstruction)</b>" in drawn and "ProMMA (reconstruction) moves" in drawn
    assert re.findall(r"ProMMA(?! \(reconstruction\)| \(ICME)", drawn) == []
    assert "ProMMA (reconstruction), what is left" in prediction_text.summary(prompted(["audio"]))


def test_weights_are_the_predictions() -> None:
    p = prompted(["text"])
    html = prompts.inside(p)
    assert values(html)[:3] == ["50 · 0", "30 · 60", "20 · 40"]
    assert "text: 50% with everything, 0% with what is left" in html
    parsed = Parsed(html)
    spoken = [a["aria-label"] for a in parsed.role("img")]
    theirs, ours = ([a["style"] for a in parsed.of(css) if "style" in a] for css in ("mm-by-teacher", "mm-by-student"))
    bars = list(zip(theirs, ours, strict=True))
    for m, now in (("text", 0), ("audio", 60), ("vision", 40)):
        full = round(100 * FULL[m])
        assert f"{m}: {full}% with everything, {now}% with what is left" in spoken
        assert (f"width:{full}.0%", f"width:{now}.0%") in bars, m
    alone = prompts.inside(prompted(["text"], facts={"prompt_weights_full": None}))
    assert values(alone)[:3] == ["0 · 0", "60 · 60", "40 · 40"]  # no full reading to compare with


def test_what_the_prompts_say_is_the_posterior_and_the_push() -> None:
    html = prompts.inside(prompted(["vision"]))
    assert values(html)[3:] == ["+0.66", "−0.44", "left out"]
    told = "; ".join(f"{point} {share:.0%}" for point, share in zip(POINTS, SHARES, strict=True))
    assert html.count(f'aria-label="{told}"') == 2 and "+3 27%" in told
    heights = re.findall(r"<i style=\"height:([\d.]+)%", html)
    assert [float(h) for h in heights] == pytest.approx([100 * s for s in SHARES] * 2)
    axis = Parsed(html).text("mm-point-axis")
    assert ["".join(texts.split()) for texts in axis] == ["".join(POINTS).replace("-", "−")] * len(axis) and axis


def test_similarity_is_a_square_of_cosines_for_every_modality() -> None:
    html = prompts.inside(prompted())
    cells = re.findall(r'<rect class="(mm-\w+)"[^>]*opacity:([\d.]+)"><title>([^<]+)', html)
    assert len(cells) == 3 * len(POINTS) ** 2
    by_name = {title: (css, opacity) for css, opacity, title in cells}
    assert by_name["shared -3, text -3: +0.90"] == ("mm-alike", "0.90")
    assert by_name["shared 0, audio 0: -0.25"] == ("mm-unlike", "0.25")
    assert by_name["shared +3, vision -3: +0.10"] == ("mm-alike", "0.10")
    assert f"of the same point on average {sum(OWN.values()) / 3:.2f}" in html
    box = re.search(r'mm-matrix" viewBox="0 0 (\d+) (\d+)"', html)
    assert box is not None
    ends = [
        (float(x) + float(w), float(y) + float(h))
        for x, y, w, h in re.findall(r'<rect[^>]*x="(\d+)" y="(\d+)" width="(\d+)" height="(\d+)"', html)
    ]
    assert max(x for x, _ in ends) <= float(box[1]) and max(y for _, y in ends) <= float(box[2])


@pytest.mark.parametrize("cosine", [1.0000001, -1.2, 0.0])
def test_cosines_beyond_their_range_are_held_inside(cosine: float) -> None:
    same = {m: [[cosine] * len(POINTS)] * len(POINTS) for m in MODALITIES}
    html = prompts.inside(prompted(facts={"prompt_similarity": same}))
    assert all(0.05 <= float(v) <= 1 for v in re.findall(r"opacity:([\d.]+)", html))


def test_structure_is_the_same_for_every_switch() -> None:
    switches: list[tuple[list[str], list[str]]] = [([], []), (["text"], []), (["text"], ["text"])]
    switches += [(["audio", "vision"], []), (["audio", "vision"], ["vision"]), (["text", "vision"], ["text", "vision"])]
    rows = {prompts.inside(prompted(gone, made)).count("mm-row") for gone, made in switches}
    heads = {prompts.inside(prompted(gone, made)).count("<h4>") for gone, made in switches}
    squares = {prompts.inside(prompted(gone, made)).count("<rect") for gone, made in switches}
    assert rows == {6} and heads == {3} and squares == {3 * len(POINTS) ** 2}


def test_a_left_out_modality_is_said_in_words() -> None:
    said = summary.verdicts(prompted(["audio"]))
    assert said == {
        "audio": "audio: not generated – the estimate would move the score by 0.8 with low confidence (0.21); "
        "importance 0.34, worth 0.31 against a threshold of 0.45."
    }
    html = mechanism.gap(prompted(["audio"]))
    assert (
        "Worth generating?" in html
        and said["audio"] in html
        and said["audio"] in prediction_text.summary(prompted(["audio"]))
    )
    parsed = Parsed(html)
    assert parsed.text("mm-label") == ["generated", "left out ✓"]
    assert [a["title"] for tag, a in parsed.tags if tag == "b"] == ["chosen"]
    assert values(html) == ["+1.50", "+0.70"]
    assert re.findall(r'mm-bar (mm-\w+)"', html) == ["mm-plain", "mm-weight"]


def test_a_generated_modality_is_said_in_words() -> None:
    p = prompted(["vision"], ["vision"], {"evaluator": {"text": None, "vision": verdict("generated", confidence=0.9)}})
    said = summary.verdicts(p)["vision"]
    assert said.startswith("vision: generated – the estimate moves the score by 0.8 with high confidence (0.90)")
    assert '<b title="chosen">generated ✓</b>' in prompts.verdicts(p)
    assert prompts.inside(p).count("<em>generated</em>") == 1


def test_text_generated_from_the_voice_says_so() -> None:
    heard = {"text_simulated": True}
    assert summary.verdicts(prompted(["text"], ["text"], heard))["text"].startswith("text: generated from the voice – ")
    assert summary.verdicts(prompted(["text"], ["text"]))["text"].startswith("text: generated – ")
    assert summary.verdicts(prompted(["text"], [], heard))["text"].startswith("text: not generated – ")
    two = summary.verdicts(prompted(["text", "vision"], ["text", "vision"], heard))
    assert list(two) == ["text", "vision"] and "from the voice" not in two["vision"]


@pytest.mark.parametrize(
    ("confidence", "word"),
    [(0.0, "low"), (0.33, "low"), (0.34, "medium"), (0.66, "medium"), (0.67, "high"), (1.0, "high")],
)
def test_confidence_in_words(confidence: float, word: str) -> None:
    one = {"evaluator": {"audio": verdict(confidence=confidence)}}
    assert f"with {word} confidence ({confidence:.2f})" in summary.verdicts(prompted(["audio"], facts=one))["audio"]


def test_a_variant_that_never_asks_has_no_threshold() -> None:
    bare = {k: v for k, v in verdict("generated").items() if k not in ("importance", "worth", "threshold")}
    p = prompted(["audio"], ["audio"], {"evaluator": {"text": None, "audio": bare, "vision": None}})
    said = summary.verdicts(p)["audio"]
    assert (
        said.endswith("; this variant does not consult the evaluator.") and "threshold" not in said and said in whole(p)
    )


def test_nothing_missing_is_nothing_to_generate() -> None:
    html = mechanism.gap(prompted())
    assert summary.verdicts(prompted()) == {} and "mm-row" not in html
    assert "No whole modality is missing, so there is nothing to generate" in html
    assert "generated</em>" not in whole(prompted())


def test_a_method_without_prompts_has_none_of_it() -> None:
    p = prediction()
    assert prompts.inside(p) == prompts.verdicts(p) == prompts.attention(p) == ""
    assert summary.verdicts(p) == {} and summary.prompts(p) is None
    bare = prompted(facts={"attention_without_prompts": None})
    assert prompts.attention(bare) == "" and "Attention with" not in whole(p)


def test_which_modality_the_prompts_count_on() -> None:
    assert summary.prompts(prompted()) == "The prompts rely most on the words (50%)."
    told = "The prompts rely most on the voice (60%); with everything on, it is the words (50%)."
    assert summary.prompts(prompted(["text"])) == told
    assert told in whole(prompted(["text"])) and told in prediction_text.summary(prompted(["text"]))
    alone = prompted(["text", "vision"], facts={"prompt_weights_full": None})
    assert summary.prompts(alone) == "The prompts rely most on the voice (100%)."


def test_attention_stands_beside_itself_without_prompts() -> None:
    html = prompts.attention(prompted(["vision"]))
    assert re.findall(r"<small>([^<]+)", html) == [
        "without prompts",
        "with prompts, 50% on prompts",
        "without prompts",
        "with prompts, 70% on prompts",
    ]
    assert html.count("mm-lane-row") == 4 and 'aria-label="vision' not in html and "<path" in html
    assert prompts.attention(prompted(duration_s=0.0)).count("mm-lane-row") == 6


def test_without_the_evaluation_file_nothing_is_claimed() -> None:
    assert summary.evidence() is None and "mm-evidence" not in prompts.inside(prompted())
    assert "Are these weights meaningful" not in whole(prompted())


def test_gates_are_called_no_contributions_with_what_was_measured(no_evidence: Path) -> None:
    truth = {"modality gates": {"natural": 0.0211}, "Shapley values": {"natural": 0.5066}}
    evidence_file(no_evidence, ("sdumc", truth, {}))
    said = summary.gates_evidence()
    assert said is not None and re.findall(r"\d\.\d+", said) == ["0.02", "0.51"]
    assert said in whole(prediction()) and said not in whole(prompted())


def test_evidence_is_read_from_the_evaluation_file(no_evidence: Path) -> None:
    control = {"control: score / 3": {"conflict_top_1": 0.29}}
    gates: tuple[str, dict[str, Any], dict[str, Any]] = (
        "sdumc",
        {"modality gates": {"conflict_top_1": 0.99}, **control},
        {},
    )
    push = {"prompt push": {"conflict_top_1": 0.613, "decorrelated": 0.4551}, **control}
    model = {"prompt weights": {"deletion": {"moves": [0.912, 0.5, 0.148]}, "permutation": {"moves": [9.0, 9.0, 9.0]}}}
    evidence_file(no_evidence, gates)
    assert summary.evidence() is None and summary.gates_evidence() is None  # no run with prompts in it, no correlation
    evidence_file(no_evidence, gates, ("promma", push, model))
    said = summary.evidence()
    assert said is not None
    for part in (
        "123 test clips of the composite corpus",
        "in 61% of clips (always naming the text: 29%)",
        "truth is 0.46",
    ):
        assert part in said
    assert re.findall(r"\d\.\d+", said) == ["0.46", "0.91", "0.15"]  # correlation, largest weight, smallest weight
    assert f'mm-evidence">{said}</p>' in prompts.inside(prompted())
    assert "mm-evidence" not in whole(prediction())
