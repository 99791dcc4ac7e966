"""A report on one clip as a single HTML file on A4, with its style sheet inside, without script or outside request.

It is put together from the drawings of the page; `static/report.css` lays them out on paper. The text is in the
active language (`i18n.use`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date
from typing import Any

from markupsafe import Markup

from msa_core import checkpoint, missing
from msa_core.i18n import STATIC, active, known, say
from msa_core.methods import shipped
from msa_core.schema import Prediction, Utterance
from msa_core.views import answer, clip, heard, page_parts, people, summary
from msa_core.views.parts import method_title, modality_title, signed
from msa_core.views.ruler import KEYS, ruler
from msa_core.views.template import render

OWN = "report.css"
MAX_FRAMES = 4  # beside each other in half the width of the sheet
POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"  # a browser asks nobody for anything
_HINT = re.compile(r'(<p class="mm-hint">).*?(</p>)', re.S)
_COMMENT = re.compile(r"/\*.*?\*/", re.S)
_RULE = re.compile(r"([^{}]+)\{((?:[^{}]|\{[^{}]*\})*)\}")  # a rule, or a block of rules


def report_html(
    utterance: Utterance,
    predictions_by_method: Mapping[str, Prediction],
    chosen_method: str,
    *,
    with_pictures: bool = True,
    day: date | None = None,
) -> str:
    """Write the report on a clip.

    Args:
        utterance: the clip.
        predictions_by_method: of the same clip and switches; the report is about `chosen_method` of them.
        chosen_method: a key of `predictions_by_method`.
        with_pictures: False leaves faces out, as does a face that is switched off.
        day: date of the report; default: today.
    """
    prediction = predictions_by_method[chosen_method]
    with_pictures = with_pictures and prediction.modalities["vision"]["reason"] != missing.SWITCHED_OFF
    body = render(
        "report_body",
        clip=utterance.id,
        day=(day or date.today()).isoformat(),
        seconds=utterance.duration_s,
        sentence=summary.sentence(prediction),
        people=people.sentence(prediction),
        changes=[*_switched(prediction), *map(known, prediction.notes)],
        ruler=ruler(prediction),
        contributions=answer.contributions(prediction),
        words=_words(prediction),
        method=method_title(prediction.method),
        reason=known(str(prediction.modalities["text"]["reason"] or "no words were found")),
        frames=_frames(utterance) if with_pictures else [],
        heard=heard.line(prediction),
        timeline=Markup(_seconds(prediction)),
        level=next((p.interval["level"] for p in predictions_by_method.values() if p.interval), None),
        rows=_rows(predictions_by_method),
        chosen=chosen_method,
        disclaimer=summary.DISCLAIMER,
        with_pictures=with_pictures,
        checkpoints=", ".join(_checkpoints(predictions_by_method)),
        features=utterance.feature_set,
        example=utterance.id in page_parts.EXAMPLE_TITLES,
    )
    page = {"language": active(), "policy": POLICY, "clip": utterance.id, "style": Markup(style(body)), "body": body}
    return str(render("report", **page))


def _switched(prediction: Prediction) -> list[str]:
    """List what was switched off, dropped or edited, what the clip lacks, and what took the place of the text."""
    absent = {m: str(state["reason"]) for m, state in prediction.modalities.items() if not state["present"]}
    off = [modality_title(m) for m in absent if absent[m] == missing.SWITCHED_OFF]
    said = [say("Switched off: {what}.", what=say(", ").join(off)) if off else say("Nothing was switched off.")]
    for m, reason in absent.items():
        if reason != missing.SWITCHED_OFF:
            said.append(say("{modality} is missing: {reason}.", modality=modality_title(m), reason=known(reason)))
    if prediction.text_source == "simulated":
        said.append(say("The text was simulated from the voice."))
    facts: dict[str, Any] = prediction.to_json()
    for m, rate in facts.get("frame_missing_rate", {}).items():
        said.append(say("{share:.0%} of the frames dropped: {modality}.", share=rate, modality=modality_title(m)))
    if facts.get("edited"):
        said.append(say("The transcript was edited."))
    if struck := sum(bool(w.get("struck")) for w in facts["words"]):
        said.append(say("Words struck out: {n}.", n=struck))
    return said


def word_attention(prediction: Prediction) -> list[float | None]:
    """Look up the method's attention on each word, None for words that it does not read."""
    found = prediction.mechanism.get("attention")
    pieces = found.get("text", ()) if isinstance(found, Mapping) else ()
    weights = {(p.get("token"), p["start_s"]): float(p["weight"]) for p in pieces}
    return [weights.get((w.text, w.start_s)) for w in prediction.words]


def _words(prediction: Prediction) -> list[tuple[str, float | None]]:
    """List the words with their attention relative to the largest, None for a word that no model reads."""
    weights = word_attention(prediction)
    top = max((w for w in weights if w is not None), default=0.0) or 1.0
    return [(w.text, None if x is None else x / top) for w, x in zip(prediction.words, weights, strict=True)]


def _seconds(prediction: Prediction) -> str:
    """Draw the page's timeline with an explanation for paper, where nothing can be clicked."""
    hint = say("The score of a three-second window around each second; below, where attention lies.")
    return _HINT.sub(lambda found: found[1] + hint + found[2], clip.timeline(prediction), count=1)


def _frames(utterance: Utterance) -> list[tuple[float, str]]:
    """List a few frames spread over the clip: time in seconds, and the picture with its face box as an address."""
    if not utterance.thumbnails:
        return []
    shots = [utterance.thumbnails[i] for i in clip.sampled(len(utterance.thumbnails), MAX_FRAMES)]
    return [(shot.time_s, clip.picture(clip.boxed(shot))) for shot in shots]


def _rows(predictions: Mapping[str, Prediction]) -> list[tuple[str, str, list[str]]]:
    """List every method with its title, and its three scores and interval as they are written."""
    return [
        (m, method_title(m), [*(_score(p.scores[key]) for key in KEYS), _interval(p)]) for m, p in predictions.items()
    ]


def _score(score: float | None) -> str:
    return "–" if score is None else signed(score)


def _interval(prediction: Prediction) -> str:
    i = prediction.interval
    return "–" if i is None else f"[{signed(i['low'])}, {signed(i['high'])}]"


def _checkpoints(predictions: Mapping[str, Prediction]) -> list[str]:
    """List name and beginning of the sha256 of every model behind the report, complete models first."""
    names = []
    for method in predictions:
        name = shipped.checkpoint_of(method)
        teacher = checkpoint.read_manifest(name).get("teacher")
        names += [(0, teacher["checkpoint"] if teacher else shipped.COMPLETE_MODEL), (1, name)]
    return [_version(name) for _, name in sorted(set(names))]


def _version(name: str) -> str:
    digest = checkpoint.read_manifest(name)["sha256"][checkpoint.MODEL]
    return f"{checkpoint.directory(name).name} ({digest[:8]})"


def style(body: str) -> str:
    """Collect the rules of the page's style sheets that `body` uses, then `report.css`; dark only on a dark screen."""
    first = STATIC / "page.css"
    sheets = [first, *sorted(p for p in STATIC.glob("*.css") if p.name not in (first.name, OWN))]
    page, own = (_COMMENT.sub("", "\n".join(p.read_text() for p in group)) for group in (sheets, [STATIC / OWN]))
    classes = set(re.findall(r"mm-[\w-]+", body))
    return f"{_used(page, classes)}\n{own.strip()}"


def _used(css: str, classes: set[str]) -> str:
    """Keep the rules for `classes`, without those for gradio; a window's width does not matter on paper."""
    kept = []
    for head, rules in _RULE.findall(css):
        head = " ".join(head.split())
        if head == ".dark":
            kept.append(f"@media screen and (prefers-color-scheme: dark) {{ :root {{{rules}}} }}")
        elif head.startswith("@media"):
            inside = _used(rules, classes)
            kept += [f"{head.replace('@media (max', '@media screen and (max')} {{\n{inside}\n}}"] if inside else []
        elif not head.startswith("@"):
            wanted = [s.strip() for s in head.split(",") if "gradio" not in s and _classes(s) <= classes]
            kept += [f"{', '.join(wanted)} {{{rules}}}"] if wanted else []
    return "\n".join(kept)


def _classes(selector: str) -> set[str]:
    return set(re.findall(r"[.#](mm-[\w-]+)", selector))
