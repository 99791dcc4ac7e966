"""Small pieces that the views share: titles, signed numbers, icons, bars. Plain strings, no drawing library.

Every drawing is HTML or SVG that takes its colours from `static/page.css`, so it follows light and dark,
prints, scales and stays readable to a screen reader. Colour means sentiment and nothing else (orange is
negative, blue is positive); modalities are told apart by icon, name and order.
"""

from __future__ import annotations

from collections.abc import Mapping
from html import escape

from msa_core import methods
from msa_core.i18n import known
from msa_core.schema import MODALITIES, SCORE_LIMIT

ICON_PATHS = {
    "text": "M4 6h16M4 11h16M4 16h10",
    "audio": "M4 10v4M8 7v10M12 4v16M16 8v8M20 10.5v3",
    "vision": "M3 8V5a2 2 0 0 1 2-2h3M16 3h3a2 2 0 0 1 2 2v3M21 16v3a2 2 0 0 1-2 2h-3M8 21H5a2 2 0 0 1-2-2v-3"
    "M9 9.5v.5M15 9.5v.5M8.5 14.5a5 5 0 0 0 7 0",
}
TITLES = {"text": "Text", "audio": "Audio", "vision": "Vision"}  # in English, as the next two: shown by `known`
STEPS = {  # the extractor's steps (watch.BEGINS) for people
    "media": "Opening the clip",
    "speech": "Listening for words",
    "text": "Reading the words",
    "voice": "Hearing the voice",
    "faces": "Following the face",
    "predict": "Answering",
}
WORDS_FOR_SCORES = {  # the seven points of the CMU-MOSI scale
    -3: "strongly negative",
    -2: "negative",
    -1: "weakly negative",
    0: "neutral",
    1: "weakly positive",
    2: "positive",
    3: "strongly positive",
}


def signed(value: float, digits: int = 2) -> str:
    """Write a score with its sign: a real minus, never '−0.00'.

    >>> signed(1.5), signed(-1.5), signed(-0.004)
    ('+1.50', '−1.50', '0.00')
    """
    text = f"{value:+.{digits}f}"
    return f"{0:.{digits}f}" if float(text) == 0 else text.replace("-", "−")


def icon(modality: str) -> str:
    """Draw a modality's icon; it is decorative, because its name always stands beside it."""
    return f'<svg class="mm-icon" viewBox="0 0 24 24" aria-hidden="true"><path d="{ICON_PATHS[modality]}"/></svg>'


def method_title(method: str) -> str:
    """Give a method's title in the active language, as plain text; other names are shown as they are."""
    return known(methods.method_name(method))


def modality_title(modality: str) -> str:
    """Give a modality's title in the active language, as plain text."""
    return known(TITLES[modality])


def method_name(method: str) -> str:
    """Give a method's title in the active language, escaped for HTML."""
    return escape(method_title(method))


def meaning(score: float) -> str:
    """Put a score into words of the seven-point scale, in the active language."""
    return known(WORDS_FOR_SCORES[max(-3, min(3, round(score)))])


def tone(value: float) -> str:
    """Name the CSS class of a value's sign."""
    if abs(value) < 0.005:
        return "zero"
    return "pos" if value > 0 else "neg"


def percent(value: float, low: float = -SCORE_LIMIT, high: float = SCORE_LIMIT) -> float:
    """Place `value` between `low` and `high`, in percent, held inside."""
    return round(100 * max(0.0, min(1.0, (value - low) / (high - low))), 2)


def span(start: float, end: float, css: str, low: float = -SCORE_LIMIT, high: float = SCORE_LIMIT) -> str:
    """Draw a bar from `start` to `end` on a track from `low` to `high`; it is never too thin to be seen."""
    a, b = sorted((percent(start, low, high), percent(end, low, high)))
    return f'<i class="mm-bar {css}" style="left:{a}%;width:max(2px,{b - a:.2f}%)"></i>'


def row(label: str, bar: str, value: str, css: str = "") -> str:
    """Draw one line of a bar chart: label, track with a zero line, value. All three are HTML."""
    return (
        f'<div class="mm-row {css}"><span class="mm-label">{label}</span>'
        f'<span class="mm-track">{bar}</span><span class="mm-value">{value}</span></div>'
    )


def card(title: str, hint: str, body: str, css: str = "") -> str:
    """Draw a titled panel; `hint` is one plain line under the title. All texts are HTML."""
    return f'<section class="mm-card {css}"><h3>{title}</h3><p class="mm-hint">{hint}</p>{body}</section>'


def present(modalities: Mapping[str, Mapping[str, object]]) -> list[str]:
    """List the modalities that are present, in order."""
    return [m for m in MODALITIES if modalities[m]["present"]]
