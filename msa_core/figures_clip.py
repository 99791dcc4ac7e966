"""What the models saw and when: words with attention, seconds and frames with the face box."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from html import escape

import cv2
import numpy as np

from .figures_parts import STEPS, TITLES, card, icon, method_name, percent, signed, tone
from .schema import MODALITIES, SCORE_LIMIT, Prediction, Thumbnail, Utterance

MAX_FRAMES = 12  # shown of one clip
FRAME_HEIGHT = 220  # pixels, twice the drawn size
BOX_COLOUR = (255, 221, 87)  # RGB; drawn over a dark line so that it shows on any picture
LANE_BINS = 120


def transcript(prediction: Prediction) -> str:
    """The words heard, shaded by the method's attention; struck through while the text is off."""
    title = "What was said"
    if not prediction.words:
        return card(
            title, str(escape(_text_reason(prediction))), '<p class="mm-said mm-empty">No words.</p>', "mm-text"
        )
    on = bool(prediction.modalities["text"]["present"])
    weights = _word_weights(prediction) if on else [0.0] * len(prediction.words)
    top = max(weights, default=0.0) or 1.0
    spans = [
        f'<span class="mm-word" data-seek="{w.start_s:.2f}" style="--w:{weight / top:.3f}" '
        f'title="{w.start_s:.1f} s · {weight:.0%} of the attention">{escape(w.text)}</span>'
        for w, weight in zip(prediction.words, weights, strict=True)
    ]
    if on:
        hint = f"The darker a word, the more attention {method_name(prediction.method)} pays it. Click one to hear it."
    else:
        hint = f"Text is off: no model sees these words. {_instead(prediction)}"
    return card(title, hint, f'<p class="mm-said {"" if on else "mm-struck"}">{" ".join(spans)}</p>', "mm-text")


def _text_reason(prediction: Prediction) -> str:
    return str(prediction.modalities["text"]["reason"] or "No words were found.")


def _instead(prediction: Prediction) -> str:
    if prediction.text_source == "simulated":
        return f"{method_name(prediction.method)} imagines the text from the voice instead."
    return "Nothing takes their place."


def _attention(prediction: Prediction, modality: str) -> Sequence[Mapping[str, object]]:
    attention = prediction.mechanism.get("attention")
    found = attention.get(modality) if isinstance(attention, Mapping) else None
    return found if isinstance(found, Sequence) else ()


def _word_weights(prediction: Prediction) -> list[float]:
    """Attention of each word: the sum over the pieces that begin while it is said."""
    totals = [0.0] * len(prediction.words)
    for piece in _attention(prediction, "text"):
        begins = _number(piece, "start_s")
        at = [i for i, w in enumerate(prediction.words) if w.start_s <= begins + 1e-6]
        totals[at[-1] if at else 0] += _number(piece, "weight")
    return totals


def _number(piece: Mapping[str, object], key: str) -> float:
    return float(piece[key])  # type: ignore[arg-type]


def timeline(prediction: Prediction) -> str:
    """Second by second: the score of a short window, and where each modality is attended to."""
    length_s = max(prediction.duration_s, 1e-3)
    bars = "".join(_second(t, length_s) for t in prediction.timeline)
    lanes = _lane("Score", f'<span class="mm-lane mm-scores">{bars}</span>', _score_summary(prediction))
    for m in MODALITIES:
        state, pieces = prediction.modalities[m], _attention(prediction, m)
        if state["present"]:
            body, told = area(pieces, length_s), _peak(pieces)
        else:
            reason = escape(str(state["reason"] or "missing"))
            body, told = f'<span class="mm-lane mm-gone">{reason}</span>', reason
        lanes += _lane(f"{icon(m)}{TITLES[m]}", body, told)
    hint = "Score of a three-second window around each second; below, where the attention of each modality lies."
    return card("Second by second", hint, f'<div class="mm-lanes">{lanes}{_seconds(length_s)}</div>', "mm-time")


def _second(piece: Mapping[str, float | None], length_s: float) -> str:
    start, end, score = float(piece["start_s"] or 0.0), float(piece["end_s"] or 0.0), piece["score"]
    left, width = percent(start, 0, length_s), 100 * (end - start) / length_s
    if score is None:
        return f'<i class="mm-hidden" style="left:{left}%;width:{width:.2f}%"></i>'
    height = 50 * min(1.0, abs(score) / SCORE_LIMIT)
    side = "bottom:50%" if score >= 0 else "top:50%"
    return (
        f'<i class="mm-{tone(score)}" data-seek="{start:.2f}" title="{start:.0f} s: {signed(score)}" '
        f'style="left:{left}%;width:calc({width:.2f}% - 2px);{side};height:max(2px,{height:.1f}%)"></i>'
    )


def _score_summary(prediction: Prediction) -> str:
    said = [f"{t['start_s']:.0f} s {signed(t['score'])}" for t in prediction.timeline if t["score"] is not None]
    return "; ".join(said) or "no scores"


def _lane(label: str, body: str, told: str) -> str:
    return (
        f'<div class="mm-lane-row"><span class="mm-label">{label}</span>'
        f'<span class="mm-lane-body" role="img" aria-label="{told}">{body}</span></div>'
    )


def area(pieces: Sequence[Mapping[str, object]], length_s: float) -> str:
    """Attention over time as one filled curve; its height is relative to its own peak."""
    if not pieces:
        return '<span class="mm-lane mm-gone">this method shows no attention here</span>'
    bins = min(LANE_BINS, max(24, len(pieces)))
    heights = np.zeros(bins)
    for piece in pieces:
        first = min(bins - 1, int(_number(piece, "start_s") / length_s * bins))
        last = max(first + 1, min(bins, round(_number(piece, "end_s") / length_s * bins)))
        heights[first:last] = np.maximum(heights[first:last], _number(piece, "weight"))
    heights = 100 * (1 - heights / (heights.max() or 1.0))
    steps = " ".join(f"V{h:.1f}H{100 * (i + 1) / bins:.2f}" for i, h in enumerate(heights))
    return (
        '<svg class="mm-lane" viewBox="0 0 100 100" preserveAspectRatio="none" aria-hidden="true">'
        f'<path d="M0 100{steps}V100Z"/></svg>'
    )


def _peak(pieces: Sequence[Mapping[str, object]]) -> str:
    if not pieces:
        return "no attention shown"
    top = max(pieces, key=lambda p: _number(p, "weight"))
    return f"attention peaks at {_number(top, 'start_s'):.1f} s"


def _seconds(length_s: float) -> str:
    step = next(s for s in (1, 2, 5, 10, 20, 60, 120) if length_s / s <= 10)
    marks = "".join(
        f'<span class="{"mm-last" if t > 0.95 * length_s else ""}" style="left:{percent(t, 0, length_s)}%">{t} s</span>'
        for t in range(0, int(length_s) + 1, step)
    )
    return f'<div class="mm-seconds" aria-hidden="true">{marks}</div>'


def duration(seconds: float) -> str:
    """Seconds for people."""
    return f"{1000 * seconds:.0f} ms" if seconds < 1 else f"{seconds:.1f} s"


def clip(utterance: Utterance | None) -> str:
    """What holds for the clip whatever is switched: frames, notes, where the time went. Sent once a clip."""
    return "" if utterance is None else f'<div class="mm mm-clip">{frames(utterance)}{timings(utterance)}</div>'


def timings(utterance: Utterance) -> str:
    """Where the time went, and what was noticed on the way."""
    notes = "".join(f"<li>{escape(n)}</li>" for n in utterance.notes)
    took = {STEPS.get(k, k): s for k, s in utterance.timings_s.items() if s > 0}
    steps = "".join(f"<div><dt>{escape(k)}</dt><dd>{duration(s)}</dd></div>" for k, s in took.items())
    hint = f"{escape(utterance.id)} · {utterance.duration_s:.1f} s · features {escape(utterance.feature_set)}"
    return card("How it was read", hint, f'<ul class="mm-notes">{notes}</ul><dl class="mm-timings">{steps}</dl>')


def frames(utterance: Utterance) -> str:
    """A strip of sampled frames with the face box drawn in."""
    shots, title = utterance.thumbnails, "What was seen"
    if not shots:
        reason = utterance.vision.reason or "this clip has no pictures"
        return card(title, escape(reason[:1].upper() + reason[1:]), "")
    chosen = [shots[i] for i in sorted({round(i) for i in np.linspace(0, len(shots) - 1, min(MAX_FRAMES, len(shots)))})]
    found = sum(t.box is not None for t in chosen)
    hint = (
        f"{len(chosen)} of the frames that were read; the box is the face that is followed ({found} of {len(chosen)})."
    )
    return card(title, hint, _strip([_frame(t) for t in chosen]))


def _strip(items: list[str]) -> str:
    return f'<div class="mm-strip" tabindex="0" role="group" aria-label="Frames">{"".join(items)}</div>'


def _frame(shot: Thumbnail) -> str:
    face = "no face" if shot.box is None else "face found"
    valence = "" if shot.valence is None or shot.box is None else f" · {signed(shot.valence, 1)}"
    return (
        f'<figure data-seek="{shot.time_s:.2f}"><img src="{picture(boxed(shot))}" '
        f'alt="Frame at {shot.time_s:.1f} s, {face}">'
        f"<figcaption>{shot.time_s:.1f} s{valence or f' · {face}'}</figcaption></figure>"
    )


def boxed(shot: Thumbnail) -> np.ndarray:
    """The frame at display height with its face box drawn in: (FRAME_HEIGHT, W, 3) uint8 RGB."""
    height, width = shot.image.shape[:2]
    scale = FRAME_HEIGHT / height
    image = cv2.resize(shot.image, (max(1, round(width * scale)), FRAME_HEIGHT), interpolation=cv2.INTER_AREA)
    if shot.box is not None:
        x, y, w, h = (round(v * scale) for v in shot.box)
        cv2.rectangle(image, (x, y), (x + w, y + h), (20, 20, 24), 4, cv2.LINE_AA)
        cv2.rectangle(image, (x, y), (x + w, y + h), BOX_COLOUR, 2, cv2.LINE_AA)
    return np.asarray(image)


def picture(image: np.ndarray) -> str:
    """An RGB image (H, W, 3) uint8 as a JPEG data address."""
    ok, data = cv2.imencode(".jpg", cv2.cvtColor(image, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, 80])
    assert ok, "JPEG encoding failed"
    return f"data:image/jpeg;base64,{base64.b64encode(data.tobytes()).decode()}"
