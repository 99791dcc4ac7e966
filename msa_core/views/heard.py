"""What was heard: the prosody of a voice as numbers, and its pitch over the seconds of the clip."""

from __future__ import annotations

import math
from typing import NamedTuple

from markupsafe import Markup

from msa_core.features.prosody import PAUSE_S
from msa_core.i18n import known, say
from msa_core.missing import SWITCHED_OFF
from msa_core.schema import Prediction, Prosody
from msa_core.views.clip import sentence, time_axis
from msa_core.views.parts import percent, signed
from msa_core.views.template import render

LEAST_OCTAVES = 1.0  # of the drawn range: the pitch of a flat voice looks flat


class Fact(NamedTuple):
    """One measure: its name, its value as it is written, and what it is a measure of, or why there is none."""

    name: str
    value: str
    detail: str


class Curve(NamedTuple):
    """The drawn pitch: range in Hz, path and height of the median in percent of the drawing, time of the top in s."""

    low: float
    high: float
    path: str
    median: float
    peak_s: float


class Pause(NamedTuple):
    """A pause: place and width in percent of the clip, and its seconds."""

    left: float
    width: float
    seconds: float


def heard(prediction: Prediction) -> Markup:
    """Draw the card: the measures and the pitch curve, or why the voice was not looked at."""
    prosody, length_s = prediction.prosody, max(prediction.duration_s, 1e-3)
    return render(
        "heard",
        hint=_hint(prediction),
        facts=facts(prosody) if prosody else [],
        curve=_curve(prosody, length_s) if prosody else None,
        pauses=[_pause(a, b, length_s) for a, b in prosody.pauses_s or ()] if prosody else [],
        length=length_s,
        axis=Markup(time_axis(length_s)),
    )


def line(prediction: Prediction) -> str:
    """Write the measures in one line, as plain text; empty without any."""
    if prediction.prosody is None:
        return ""
    what = say(", ").join(f"{f.name} {f.value}" for f in facts(prediction.prosody))
    return say("What was heard: {what}. Measured, not used by any model.", what=what)


def facts(prosody: Prosody) -> list[Fact]:
    """List the measures, as plain text."""
    no_voice = known(prosody.reasons.get("voice", ""))
    no_words = known(prosody.reasons.get("words", ""))
    pitch, loudness = Fact(say("Pitch"), "–", no_voice), Fact(say("Loudness"), "–", no_voice)
    pace, pauses = Fact(say("Pace"), "–", no_words), Fact(say("Pauses"), "–", no_words)
    if prosody.pitch_hz is not None and prosody.pitch_spread_semitones is not None:
        within = say("most of it within {n:.1f} semitones", n=prosody.pitch_spread_semitones)
        pitch = pitch._replace(value=f"{prosody.pitch_hz:.0f} Hz", detail=within)
    if prosody.loudness_dbfs is not None and prosody.loudness_spread_db is not None:
        within = say("relative to full scale; most of it within {n:.0f} dB", n=prosody.loudness_spread_db)
        loudness = loudness._replace(value=f"{signed(prosody.loudness_dbfs, 0)} dB", detail=within)
    share = Fact(say("Voiced"), f"{prosody.voiced_share:.0%}", say("of the sound has a pitch"))
    if prosody.words_per_s is not None and prosody.pauses_s is not None:
        rate = say("{n:.1f} words/s", n=prosody.words_per_s)
        pace = pace._replace(value=rate, detail=say("from the first word to the last"))
        total = sum(b - a for a, b in prosody.pauses_s)
        told = say("{seconds:.1f} s in all", seconds=total) if total else say("none lasts {least} s", least=PAUSE_S)
        pauses = pauses._replace(value=str(len(prosody.pauses_s)), detail=told)
    return [pitch, loudness, share, pace, pauses]


def _hint(prediction: Prediction) -> str | Markup:
    state = prediction.modalities["audio"]
    if prediction.prosody is not None:
        return say("How it was said, measured from the sound. No model reads these numbers.")
    if state["present"]:
        return say("Not measured: this clip was read before its voice was measured. Read it again.")
    if state["reason"] == SWITCHED_OFF:
        return say("Audio is off: no model hears the voice.")
    return Markup(sentence(state["reason"] or "missing"))


def _curve(prosody: Prosody, length_s: float) -> Curve | None:
    """Lay the pitch out on a logarithmic scale, as the ear hears it; pieces that touch are one line."""
    if not prosody.curve or prosody.pitch_hz is None:
        return None
    octaves = [math.log2(hz) for _, _, hz in prosody.curve]
    middle, half = (max(octaves) + min(octaves)) / 2, max(LEAST_OCTAVES, 1.1 * (max(octaves) - min(octaves))) / 2

    def height(octave: float) -> float:
        return 100 - percent(octave, middle - half, middle + half)

    drawn, last_s = "", -1.0
    for (start, end, _), octave in zip(prosody.curve, octaves, strict=True):
        left, right, y = percent(start, 0, length_s), percent(end, 0, length_s), f"{height(octave):.1f}"
        drawn += (
            f"L{(left + right) / 2:.2f} {y}" if abs(start - last_s) < 1e-6 else f"M{left} {y}H{(left + right) / 2:.2f}"
        )
        last_s = end
    top = max(prosody.curve, key=lambda piece: piece[2])
    low, high = 2 ** min(octaves), 2 ** max(octaves)
    return Curve(low, high, drawn, round(height(math.log2(prosody.pitch_hz)), 1), top[0])


def _pause(start: float, end: float, length_s: float) -> Pause:
    left = percent(start, 0, length_s)
    return Pause(left, round(percent(end, 0, length_s) - left, 2), end - start)
