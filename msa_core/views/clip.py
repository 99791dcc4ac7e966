"""Drawings of a clip: words with attention, seconds, and frames with the face box."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

import cv2
import numpy as np

from msa_core.edit import TYPED, VOICE_STAYS
from msa_core.features.second_opinion import NOTES
from msa_core.i18n import known, say
from msa_core.schema import MODALITIES, SCORE_LIMIT, Prediction, Thumbnail, Utterance, Word
from msa_core.views import summary
from msa_core.views.parts import STEPS, TITLES, card, icon, method_name, percent, signed, tone

MAX_FRAMES = 12  # shown of one clip
FRAME_HEIGHT = 220  # pixels, twice the drawn size
FLATTEST = 8  # a picture more times as wide as high is drawn between bars: JPEG has a largest width
BOX_COLOUR = (255, 221, 87)  # RGB; drawn over a dark line so that it shows on any picture
LANE_BINS = 120


def transcript(prediction: Prediction) -> str:
    """Draw the words as buttons that strike one out, shaded by attention; struck through while text is off."""
    title, hint = say("What was said"), _words_hint(prediction)
    if not prediction.words:
        return card(title, hint, f'<p class="mm-said mm-empty">{say("No words.")}</p>', "mm-text")
    on = bool(prediction.modalities["text"]["present"])
    weights = _word_weights(prediction) if on else [0.0] * len(prediction.words)
    top = max(weights, default=0.0) or 1.0
    buttons = " ".join(_word(i, w, weights[i], top) for i, w in enumerate(prediction.words))
    off = "mm-struck" if not on and not all(w.struck for w in prediction.words) else ""
    label = say("Words: press one to strike it out")
    struck = " ".join(str(i) for i, w in enumerate(prediction.words) if w.struck)  # tells strike_words.js of its answer
    if prediction.translation:
        heard = say("Transcribed as above; the models read its English translation.")
        hint = f"{escape(prediction.transcript)}<br>{heard} {hint}"
    said = f'<p class="mm-said {off}" role="group" aria-label="{label}" data-struck="{struck}">{buttons}</p>'
    return card(title, hint, said, "mm-text")


def _word(number: int, word: Word, weight: float, top: float) -> str:
    """Draw a word of the transcript; pressed means struck out."""
    told = say("{start:.1f} s · {share:.0%} of the attention", start=word.start_s, share=weight)
    pressed = "true" if word.struck else "false"
    return (
        f'<button type="button" class="mm-word" data-word="{number}" aria-pressed="{pressed}" '
        f'data-from="{word.start_s:.2f}" data-to="{word.end_s:.2f}" style="--w:{weight / top:.3f}" '
        f'title="{told}">{escape(word.text)}</button>'
    )


def _words_hint(prediction: Prediction) -> str:
    """Explain the shades, or the lack of text, and what an edit does not change."""
    state, method = prediction.modalities["text"], method_name(prediction.method)
    if state["present"]:
        told = say(
            "Click a word to strike it out, and again to restore it. "
            "The darker, the more attention {method} pays to it.",
            method=method,
        )
    elif not prediction.words or all(w.struck for w in prediction.words):
        told = sentence(state["reason"] or "no words were found")
    elif prediction.text_source == "simulated":
        told = say(
            "Text is off: no model sees these words. {method} reads text simulated from the voice instead.",
            method=method,
        )
    else:
        told = say("Text is off: no model sees these words. Nothing takes their place.")
    of_words = [n for n in prediction.notes if n in (TYPED, VOICE_STAYS) or getattr(n, "template", None) in NOTES]
    return " ".join([told, *(escape(known(n)) for n in of_words)])


def sentence(reason: object) -> str:
    """Write a reason as the beginning of a line, escaped."""
    told = known(str(reason))
    return escape(told[:1].upper() + told[1:])


def _attention(prediction: Prediction, modality: str) -> Sequence[Mapping[str, object]]:
    attention = prediction.mechanism.get("attention")
    found = attention.get(modality) if isinstance(attention, Mapping) else None
    return found if isinstance(found, Sequence) else ()


def _word_weights(prediction: Prediction) -> list[float]:
    """Sum for each word the attention of the pieces that begin while it is said; struck words have none."""
    totals = [0.0] * len(prediction.words)
    read = [i for i, w in enumerate(prediction.words) if not w.struck]
    for piece in _attention(prediction, "text"):
        begins = _number(piece, "start_s")
        at = [i for i in read if prediction.words[i].start_s <= begins + 1e-6]
        totals[at[-1] if at else read[0]] += _number(piece, "weight")
    return totals


def _number(piece: Mapping[str, object], key: str) -> float:
    return float(piece[key])  # type: ignore[arg-type]


def timeline(prediction: Prediction) -> str:
    """Draw the seconds: score of a short window, attention to each modality, and what of it was present."""
    length_s = max(prediction.duration_s, 1e-3)
    bars = "".join(_second(t, length_s) for t in prediction.timeline)
    lanes = _lane(say("Score"), f'<span class="mm-lane mm-scores">{bars}</span>', _score_summary(prediction))
    lost = summary.dropped_frames(prediction)
    for m in MODALITIES:
        state, pieces = prediction.modalities[m], _attention(prediction, m)
        if state["present"]:
            body, told = area(pieces, length_s) + _presence(prediction, m, length_s), _peak(pieces)
            if m in lost:
                told += say("; {rate:.0%} of its frames are dropped", rate=lost[m])
        else:
            told = escape(known(str(state["reason"] or "missing")))
            body = f'<span class="mm-lane mm-gone">{told}</span>'
        lanes += _lane(f"{icon(m)}{known(TITLES[m])}", body, told)
    hint = say(
        "Score around each second and attention to each modality. Hatched: dropped or absent. Click to jump there."
    )
    shares = json.dumps([round(s, 4) for s in frame_weights(prediction)])
    body = (
        f'<div class="mm-lanes" data-length="{length_s:.3f}">{lanes}<i class="mm-playhead" aria-hidden="true"></i>'
        f'{time_axis(length_s)}</div><i hidden data-frame-weights="{shares}"></i>'
    )
    return card(say("Second by second"), hint, body, "mm-time")


def _second(piece: Mapping[str, Any], length_s: float) -> str:
    start, end, score = float(piece["start_s"]), float(piece["end_s"]), piece["score"]
    left, width = percent(start, 0, length_s), 100 * (end - start) / length_s
    if score is None:
        return f'<i class="mm-hidden" style="left:{left}%;width:{width:.2f}%"></i>'
    height = 50 * min(1.0, abs(score) / SCORE_LIMIT)
    side = "bottom:50%" if score >= 0 else "top:50%"
    return (
        f'<i class="mm-{tone(score)}" data-seek="{start:.2f}" data-from="{start:.2f}" data-to="{end:.2f}" '
        f'title="{start:.0f} s: {signed(score)}" '
        f'style="left:{left}%;width:calc({width:.2f}% - 2px);{side};height:max(2px,{height:.1f}%)"></i>'
    )


def _presence(prediction: Prediction, modality: str, length_s: float) -> str:
    """Hatch the seconds in which a model does not see all of a modality; runs of equal seconds are one."""
    runs: list[tuple[float, float, float | None]] = []
    for piece in prediction.timeline:
        share = piece.get("observed", {}).get(modality, 1.0)
        share = None if share is None else round(share, 2)
        if runs and runs[-1][2] == share:
            runs[-1] = (runs[-1][0], piece["end_s"], share)
        else:
            runs.append((piece["start_s"], piece["end_s"], share))
    drawn = ""
    for start, end, share in runs:
        if share == 1.0:
            continue
        place = f"left:{percent(start, 0, length_s)}%;width:{100 * (end - start) / length_s:.2f}%"
        span_s = {"start": start, "end": end}
        if share is None:
            told = say("{start:.0f} to {end:.0f} s: not in the clip", **span_s)
            drawn += f'<i class="mm-empty-second" style="{place}" title="{told}"></i>'
        else:
            told = say("{start:.0f} to {end:.0f} s: {share:.0%} of the frames are seen", share=share, **span_s)
            drawn += f'<i style="{place};--lost:{1 - share:.2f}" title="{told}"></i>'
    return f'<span class="mm-presence">{drawn}</span>'


def _score_summary(prediction: Prediction) -> str:
    said = [f"{t['start_s']:.0f} s {signed(t['score'])}" for t in prediction.timeline if t["score"] is not None]
    return "; ".join(said) or say("no scores")


def _lane(label: str, body: str, told: str) -> str:
    return (
        f'<div class="mm-lane-row"><span class="mm-label">{label}</span>'
        f'<span class="mm-lane-body" role="img" aria-label="{told}">{body}</span></div>'
    )


def area(pieces: Sequence[Mapping[str, object]], length_s: float) -> str:
    """Draw attention over time as one filled curve, with heights relative to its own peak."""
    if not pieces:
        return f'<span class="mm-lane mm-gone">{say("this method shows no attention here")}</span>'
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
        return say("no attention shown")
    top = max(pieces, key=lambda p: _number(p, "weight"))
    return say("attention peaks at {time:.1f} s", time=_number(top, "start_s"))


def time_axis(length_s: float) -> str:
    """Mark the seconds under the lanes of a clip."""
    step = next(s for s in (1, 2, 5, 10, 20, 60, 120) if length_s / s <= 10)
    marks = "".join(
        f'<span class="{"mm-last" if t > 0.95 * length_s else ""}" style="left:{percent(t, 0, length_s)}%">{t} s</span>'
        for t in range(0, int(length_s) + 1, step)
    )
    return f'<div class="mm-seconds" aria-hidden="true">{marks}</div>'


def duration(seconds: float) -> str:
    """Write a duration in milliseconds or seconds."""
    return f"{1000 * seconds:.0f} ms" if seconds < 1 else f"{seconds:.1f} s"


def clip(utterance: Utterance | None) -> str:
    """Draw the frames, which no switch changes. Sent once per clip."""
    return "" if utterance is None else f'<div class="mm mm-clip">{frames(utterance)}</div>'


def reading(utterance: Utterance | None) -> str:
    """Draw notes and times of a clip's reading. Sent once per clip."""
    return "" if utterance is None else f'<div class="mm">{timings(utterance)}</div>'


def timings(utterance: Utterance) -> str:
    """List the notes on a clip and the time of every step."""
    notes = "".join(f"<li>{escape(known(n))}</li>" for n in utterance.notes)
    took = {known(STEPS.get(k, k)): s for k, s in utterance.timings_s.items() if s > 0}
    steps = "".join(f"<div><dt>{escape(k)}</dt><dd>{duration(s)}</dd></div>" for k, s in took.items())
    hint = say(
        "{clip} · {seconds:.1f} s · features {features}",
        clip=escape(utterance.id),
        seconds=utterance.duration_s,
        features=escape(utterance.feature_set),
    )
    body = f'<ul class="mm-notes">{notes}</ul><dl class="mm-timings">{steps}</dl>'
    return card(say("How the clip was read"), hint, body)


def frames(utterance: Utterance) -> str:
    """Draw a strip of sampled frames with the face box; a script adds a method's attention to each."""
    shots, title = utterance.thumbnails, say("What was seen")
    if not shots:
        return card(title, sentence(utterance.vision.reason or "this clip has no pictures"), "")
    chosen = [shots[i] for i in sampled(len(shots))]
    found = sum(t.box is not None for t in chosen)
    hint = say(
        "The box marks the face that is followed (in {found} of {n} frames). Below each: its share of the attention.",
        n=len(chosen),
        found=found,
    )
    return card(title, hint, _strip([_frame(t) for t in chosen]))


def sampled(n: int, most: int = MAX_FRAMES) -> list[int]:
    """Choose indices of at most `most` of `n` frames, evenly spread."""
    return sorted({round(i) for i in np.linspace(0, n - 1, min(most, n))})


def frame_weights(prediction: Prediction) -> list[float]:
    """Sum the attention nearest to each frame of the strip; empty without attention to frames."""
    pieces, times = _attention(prediction, "vision"), prediction.frames_s
    if not pieces or not times:
        return []
    shown = np.array([times[i] for i in sampled(len(times))])
    starts = np.array([_number(p, "start_s") for p in pieces])
    nearest = np.abs(starts[:, None] - shown).argmin(1)
    weights = [_number(p, "weight") for p in pieces]
    return [float(w) for w in np.bincount(nearest, weights=weights, minlength=len(shown))]


def _strip(items: list[str]) -> str:
    label = say("Frames")
    return f'<div class="mm-strip" tabindex="0" role="group" aria-label="{label}">{"".join(items)}</div>'


def _frame(shot: Thumbnail) -> str:
    if shot.box is None:
        face, told = say("no face"), say("Frame at {time:.1f} s, no face", time=shot.time_s)
    else:
        face, told = say("face found"), say("Frame at {time:.1f} s, face found", time=shot.time_s)
    seen = face if shot.valence is None or shot.box is None else signed(shot.valence, 1)
    return (
        f'<figure data-seek="{shot.time_s:.2f}"><button type="button"><img src="{picture(boxed(shot))}" alt="{told}">'
        f"</button><figcaption>{shot.time_s:.1f} s · {seen}</figcaption>"
        '<span class="mm-share"><i></i><small></small></span></figure>'
    )


def boxed(shot: Thumbnail) -> np.ndarray:
    """Draw the face box into a frame at display height: (FRAME_HEIGHT, W, 3) uint8 RGB."""
    height, width = shot.image.shape[:2]
    bars = max(0, -(-width // FLATTEST) - height)  # black rows
    scale = FRAME_HEIGHT / (height + bars)
    filled = cv2.copyMakeBorder(shot.image, bars // 2, bars - bars // 2, 0, 0, cv2.BORDER_CONSTANT)
    image = cv2.resize(filled, (max(1, round(width * scale)), FRAME_HEIGHT), interpolation=cv2.INTER_AREA)
    if shot.box is not None:
        left, top, *size = shot.box
        x, y, w, h = (round(v * scale) for v in (left, top + bars // 2, *size))
        cv2.rectangle(image, (x, y), (x + w, y + h), (20, 20, 24), 4, cv2.LINE_AA)
        cv2.rectangle(image, (x, y), (x + w, y + h), BOX_COLOUR, 2, cv2.LINE_AA)
    return np.asarray(image)


def picture(image: np.ndarray) -> str:
    """Encode an RGB image (H, W, 3) uint8 as a JPEG data address."""
    ok, data = cv2.imencode(".jpg", cv2.cvtColor(image, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, 66])
    assert ok, "JPEG encoding failed"
    return f"data:image/jpeg;base64,{base64.b64encode(data.tobytes()).decode()}"
