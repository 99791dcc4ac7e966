"""A report on one clip as a single file: HTML with its style sheet inside, without script or outside request, on A4.

It is put together from the drawings of the page; `static/report.css` lays them out on paper. The text is in the
active language (`language.use`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import date
from html import escape
from typing import Any

from msa_core import checkpoint, missing
from msa_core.i18n import STATIC, active, known, say
from msa_core.methods import shipped
from msa_core.schema import Prediction, Utterance
from msa_core.views import answer, clip, page_parts, summary
from msa_core.views.parts import TITLES, card, method_name, signed

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
    """The whole report.

    Args: predictions_by_method: of the same clip and switches; the report is about `chosen_method` of them.
        with_pictures: False leaves faces out. day: default: today.
    """
    prediction = predictions_by_method[chosen_method]
    title = say("Report on {clip}", clip=utterance.id)
    facts = say(
        "Missing-Modality Lab · {day} · clip of {seconds:.1f} s · scores from −3 (strongly negative) to +3 (strongly "
        "positive)",
        day=(day or date.today()).isoformat(),
        seconds=utterance.duration_s,
    )
    done = "".join(f"<li>{escape(s)}</li>" for s in (*_switched(prediction), *map(known, prediction.notes)))
    body = (
        f'<main class="mm mm-report"><header><h1>{escape(title)}</h1><p class="mm-hint">{escape(facts)}</p></header>'
        f'{_scale()}<p class="mm-verdict">{escape(summary.sentence(prediction))}</p><ul class="mm-changes">{done}</ul>'
        f'<div class="mm-gauges">{"".join(answer.gauges_of(prediction))}</div>'
        f'<div class="mm-pair">{answer.contributions(prediction)}'
        f'<div class="mm-stack">{_words(prediction)}{_frames(utterance) if with_pictures else ""}</div></div>'
        f"{_seconds(prediction)}"
        f"{_side_by_side(predictions_by_method, chosen_method)}"
        f"{_foot(utterance, predictions_by_method, with_pictures)}</main>"
    )
    return (
        f'<!doctype html>\n<html lang="{active()}"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)} · Missing-Modality Lab</title><style>{style(body)}</style></head>"
        f"<body>{body}</body></html>\n"
    )


def _switched(prediction: Prediction) -> list[str]:
    """What the visitor switched off, dropped or edited, what the clip lacks, and what took the place of the text."""
    absent = {m: str(state["reason"]) for m, state in prediction.modalities.items() if not state["present"]}
    off = [known(TITLES[m]) for m in absent if absent[m] == missing.SWITCHED_OFF]
    said = [say("Switched off: {what}.", what=say(", ").join(off)) if off else say("Nothing was switched off.")]
    for m, reason in absent.items():
        if reason != missing.SWITCHED_OFF:
            said.append(say("{modality} is missing: {reason}.", modality=known(TITLES[m]), reason=known(reason)))
    if prediction.text_source == "simulated":
        said.append(say("The text was imagined from the voice."))
    facts: dict[str, Any] = prediction.to_json()
    for m, rate in facts.get("frame_missing_rate", {}).items():
        said.append(say("{share:.0%} of the frames dropped: {modality}.", share=rate, modality=known(TITLES[m])))
    if facts.get("edited"):
        said.append(say("The transcript was edited."))
    if struck := sum(bool(w.get("struck")) for w in facts["words"]):
        said.append(say("Words struck out: {n}.", n=struck))
    return said


def _scale() -> str:
    """The colours of the gauges' arcs, from -3 to 3."""
    stops = "".join(f'<stop offset="{i / 6:.3f}" class="mm-stop-{t}"/>' for i, t in enumerate(answer.TONES))
    return (
        '<svg width="0" height="0" class="mm-defs" aria-hidden="true"><defs>'
        f'<linearGradient id="mm-scale">{stops}</linearGradient></defs></svg>'
    )


def word_attention(prediction: Prediction) -> list[float | None]:
    """The method's attention on each word, None for words that it does not read."""
    found = prediction.mechanism.get("attention")
    pieces = found.get("text", ()) if isinstance(found, Mapping) else ()
    weights = {(p.get("token"), p["start_s"]): float(p["weight"]) for p in pieces}
    return [weights.get((w.text, w.start_s)) for w in prediction.words]


def _words(prediction: Prediction) -> str:
    """The words, the darker the more attention; struck through what no model reads."""
    title, weights = say("What was said"), word_attention(prediction)
    if not weights:
        reason = known(str(prediction.modalities["text"]["reason"] or "no words were found"))
        return card(title, escape(reason), "", "mm-text")
    top = max((w for w in weights if w is not None), default=0.0) or 1.0
    words = ""
    for word, weight in zip(prediction.words, weights, strict=True):
        css = "mm-word mm-struck" if weight is None else "mm-word"
        words += f'<span class="{css}" style="--w:{(weight or 0.0) / top:.3f}">{escape(word.text)}</span> '
    if any(w is not None for w in weights):
        hint = say("The darker a word, the more attention {method} pays it.", method=method_name(prediction.method))
    else:
        hint = say("No model reads these words.")
    return card(title, hint, f'<p class="mm-said">{words}</p>', "mm-text")


def _seconds(prediction: Prediction) -> str:
    """The page's time line; on paper nothing can be clicked, so its line of explanation is another."""
    hint = say("The score of a three-second window around each second; below, where attention lies.")
    return _HINT.sub(lambda found: found[1] + hint + found[2], clip.timeline(prediction), count=1)


def _frames(utterance: Utterance) -> str:
    """A short strip of frames over the whole clip with the face box; "" for a clip without pictures."""
    shots = utterance.thumbnails
    if not shots:
        return ""
    strip = ""
    for i in clip.sampled(len(shots), MAX_FRAMES):
        told = say("{time:.1f} s of the clip", time=shots[i].time_s)
        strip += f'<figure><img src="{clip.picture(clip.boxed(shots[i]))}" alt="{told}">'
        strip += f"<figcaption>{shots[i].time_s:.1f} s</figcaption></figure>"
    hint = say("The box is the face that is followed.")
    return card(say("What was seen"), hint, f'<div class="mm-strip">{strip}</div>')


def _side_by_side(predictions: Mapping[str, Prediction], chosen: str) -> str:
    """The three scores and the interval of every method in one table."""
    heads = [say("Method"), say("Complete model, everything"), say("Complete model, what is left")]
    level = next(({"level": p.interval["level"]} for p in predictions.values() if p.interval), {})
    heads += [
        say("Missing-modality model, what is left"),
        say("{level:.0%} interval of that score", **level) if level else "",
    ]
    rows = {m: [*(_score(p.scores[key]) for key in answer.GAUGES), _interval(p)] for m, p in predictions.items()}
    return _table(say("The methods side by side"), heads, rows, chosen)


def _score(score: float | None) -> str:
    return "–" if score is None else signed(score)


def _interval(prediction: Prediction) -> str:
    i = prediction.interval
    if i is None:
        return "–"
    return f"[{signed(i['low'])}, {signed(i['high'])}]"


def _table(title: str, heads: Sequence[str], rows: Mapping[str, Sequence[str]], chosen: str) -> str:
    head = "".join(f'<th scope="col">{escape(h)}</th>' for h in heads)
    body = ""
    for method, cells in rows.items():
        css = ' class="mm-chosen"' if method == chosen else ""
        body += (
            f'<tr{css}><th scope="row">{method_name(method)}</th>{"".join(f"<td>{escape(c)}</td>" for c in cells)}</tr>'
        )
    name = escape(title)
    return (
        f'<section class="mm-card mm-methods" tabindex="0" aria-label="{name}"><table><caption>{name}</caption>'
        f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></section>"
    )


def _foot(utterance: Utterance, predictions: Mapping[str, Prediction], with_pictures: bool) -> str:
    limits = [
        say("English speech is read, Chinese through a translation, and one face; accents, noise, side views and masks "
            "reduce what is read."),
        say("The models were trained on composed clips and acted voices: on everyday video a score is less certain "
            "than its interval says."),
        say("Contributions and attention describe the model, not the person."),
    ]  # fmt: skip
    if not with_pictures:
        limits.append(say("The pictures of the clip were left out of this report."))
    models = say("Checkpoints: {names}. Feature set: {features}.", names=", ".join(_checkpoints(predictions)),
                 features=utterance.feature_set)  # fmt: skip
    licence = say("Code: MIT licence. Checkpoints: for research and teaching, because of the data behind them.")
    if utterance.id in page_parts.EXAMPLE_TITLES:
        licence += " " + say("Example clips: CREMA-D (ODbL), GRID (CC BY 4.0), LatentSync (Apache 2.0), US government.")
    told = say("Limits: {what}", what=" ".join(limits))
    return (
        f'<footer><p class="mm-disclaimer"><b>{escape(known(summary.DISCLAIMER))}</b></p><p>{escape(told)}</p>'
        f"<p>{escape(models)} {escape(licence)}</p></footer>"
    )


def _checkpoints(predictions: Mapping[str, Prediction]) -> list[str]:
    """Name and beginning of the sha256 of every model behind the report, complete models first."""
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
    """The rules of the page's style sheets that `body` uses, then `report.css`; dark only on a screen that asks."""
    first = STATIC / "page.css"
    sheets = [first, *sorted(p for p in STATIC.glob("*.css") if p.name not in (first.name, OWN))]
    page, own = (_COMMENT.sub("", "\n".join(p.read_text() for p in group)) for group in (sheets, [STATIC / OWN]))
    classes = set(re.findall(r"mm-[\w-]+", body))
    return f"{_used(page, classes)}\n{own.strip()}"


def _used(css: str, classes: set[str]) -> str:
    """The rules for `classes`, without those for gradio; widths of a window are no matter of paper."""
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
