"""The Live tab: its panel, and the numbers and sentences that the page's script writes into it."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence

from msa_core import i18n
from msa_core.features.face import Box
from msa_core.i18n import known, say
from msa_core.schema import MODALITIES, Utterance
from msa_core.views.parts import meaning, method_title, modality_title, percent, signed
from msa_core.views.template import render

LANES = {  # mark on the ruler -> the score of `Analyser.scores`
    "full": "complete_model_full",
    "left": "complete_model_left",
    "missing": "missing_model_left",
}


def panel(methods: Sequence[str], window_s: float, idle_s: float) -> str:
    """Draw the tab, with everything stopped.

    Args:
        methods: names of the missing-modality models that can be chosen.
        window_s: length of the window, in s.
        idle_s: after which a visit without anybody seen or heard ends.
    """
    return render(
        "live",
        language=i18n.active(),
        words=json.dumps(sentences(idle_s), ensure_ascii=False),
        methods={name: method_title(name) for name in methods},
        modalities=MODALITIES,
        window_s=window_s,
    )


def sentences(idle_s: float) -> dict[str, str]:
    """List what the page's script says, by the state that it is in; `#` stands for a number."""
    return {
        "stopped": say("Stopped. Nothing was kept."),
        "asking": say("Your browser asks for camera and microphone: allow them."),
        "connecting": say("Connecting"),
        "live": say("Live: {rate} updates a second, {lag} s behind you", rate="#", lag="#"),
        "waiting": say(
            "All live places are taken. You are number {place} in the queue; it starts by itself when it is your turn. "
            "Nothing is sent until then.",
            place="#",
        ),
        "full": say("All live places are taken and the queue is full. Try again in a few minutes, or use Analyse."),
        "idle": say(
            "Stopped: nobody could be seen or heard for {minutes:.0f} minutes. Press Start to go on.",
            minutes=idle_s / 60,
        ),
        "turn": say("Your turn is over, because others wait. Press Start to queue again."),
        "lost": say("The connection to the server was lost. Check your network, then press Start."),
        "again": say("No answer from the server; trying again."),
        "hidden": say("Stopped, because the page was out of sight. Press Start to go on."),
        "denied": say(
            "The browser is not allowed to use camera and microphone. Allow them for this page next to its address, "
            "then press Start; or use an example under Analyse."
        ),
        "nothing": say(
            "Neither a camera nor a microphone was found. Connect one and press Start, or use an example under Analyse."
        ),
        "busy": say("Camera or microphone are used by another program. Close it, then press Start."),
        "insecure": say(
            "The browser offers no camera at this address. Open the page over https, or on the computer that it runs "
            "on; or use an example under Analyse."
        ),
        "failed": say("Something failed on our side. Press Start to try again."),
    }


def state(
    utterance: Utterance,
    face: Box | None,
    dropped: Collection[str],
    method: str,
    answer: tuple[Mapping[str, float], Mapping[str, float] | None, Utterance] | None,
    simulated: bool = False,
) -> dict[str, object]:
    """Put the window and its scores into what the script draws, in the active language.

    Args:
        utterance: the window as it was seen and heard.
        face: the followed face in the last picture, as shares of its width and height.
        dropped: modalities that are switched off.
        method: the missing-modality model.
        answer: of `Analyser.scores`; None when nothing is left.
        simulated: the method reads text simulated from the voice where there are no words.
    """
    scores, interval, left = answer or ({}, None, None)
    kept = [modality_title(m) for m in MODALITIES if left is not None and left.stream(m).present]
    own = list(kept)
    if simulated and left is not None and left.simulated.present and not left.text.present:
        own.insert(0, say("simulated text"))
    return {
        "marks": {lane: _mark(scores[key]) for lane, key in LANES.items() if key in scores},
        "interval": None if interval is None else [percent(interval["low"]), percent(interval["high"])],
        "modalities": {m: _said(utterance, m, m in dropped) for m in MODALITIES},
        "transcript": utterance.transcript,
        "face": None if face is None else [round(float(v), 4) for v in face],
        "kept": {"left": " + ".join(kept), "missing": " + ".join(own)},
        "sentence": _sentence(utterance, scores, " + ".join(kept), method),
    }


def _mark(score: float) -> dict[str, object]:
    return {"score": round(score, 3), "at": percent(score), "number": signed(score), "words": meaning(score)}


def _said(utterance: Utterance, modality: str, off: bool) -> dict[str, object]:
    """Say under a switch what is there, or why nothing is."""
    stream = utterance.stream(modality)
    if not stream.present:
        return {"present": False, "said": say("Missing: {reason}", reason=known(str(stream.reason)))}
    if off:
        return {"present": True, "said": say("switched off")}
    if modality == "text":
        return {"present": True, "said": say("{n} words heard", n=len(utterance.words))}
    return {"present": True, "said": say("voice heard") if modality == "audio" else say("face found")}


def _sentence(utterance: Utterance, scores: Mapping[str, float], kept: str, method: str) -> str:
    """Say the answer in words, or why there is none and what helps."""
    if not any(utterance.stream(m).present for m in MODALITIES):
        return say("Nobody can be seen or heard. Face the camera in good light, and talk.")
    if not scores:
        return say("Nothing is left: switch something on.")
    return say(
        "Complete model with everything: {full}. With {kept}: complete model {left}, {method} {missing}.",
        full=signed(scores["complete_model_full"]),
        kept=kept,
        left=signed(scores["complete_model_left"]),
        method=method_title(method),
        missing=signed(scores["missing_model_left"]),
    )
