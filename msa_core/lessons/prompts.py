"""Lesson: prompts around a frozen network, and the weights that say which modality they count on."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from msa_core.errors import MsaError
from msa_core.i18n import say
from msa_core.lessons import drawings
from msa_core.lessons.contract import (
    Code,
    Control,
    ExperimentResult,
    Lesson,
    LessonAnswer,
    Texts,
    Value,
    modality_options,
    needs,
    ordinary,
)
from msa_core.predict import Analyser
from msa_core.schema import MODALITIES, Prediction, Utterance

METHOD = "promma"
NOTHING = "nothing"


class Prompts(Lesson):
    """Prompt weights with everything, with what is left, and at another temperature."""

    name = "prompts"
    clip = "crema_angry.mp4"
    minutes = 3
    code = (
        Code("msa_core/methods/promma/modules.py", "Disentanglement, Weighting"),
        Code("msa_core/methods/losses.py", "prompt_information"),
    )

    def _texts(self) -> Texts:
        return Texts(
            title=say("Prompts: a note for a frozen network"),
            idea=(
                say(
                    "A prompt is a handful of learned vectors that go into a frozen network together with its input, "
                    "like a note clipped to a letter: the reader stays the same, the note changes how the letter is "
                    "read. The costly network is trained once; only the prompts and what handles them learn what to "
                    "do about holes."
                ),
                say(
                    "In our reconstruction of ProMMA there is one shared prompt for each of the seven points of the "
                    "scale, from −3 to +3. Each becomes a private prompt for words, voice and face, which looks into "
                    "its modality. How much information the prompts find there becomes a weight: softmax of "
                    "information over a temperature. A generated modality counts less, as far as its generator "
                    "doubts; one that is left out counts nothing."
                ),
                say(
                    "Such weights describe the network, not the person. Large does not mean true: the Numbers and the "
                    "README say how far they follow what is known."
                ),
                say(
                    "Paper: ProMMA (ICME 2026, arXiv 2604.05558), reconstructed from its abstract; nearest public "
                    "relative: MPLMM (ACL 2024)."
                ),
            ),
            question=say("With all that the clip has: which part gets the largest prompt weight?"),
            choices=tuple(ordinary(m) for m in MODALITIES),
            try_this=say(
                "Lower the temperature: the weights become a single voice. Then take that part away. Who takes over?"
            ),
        )

    def _controls(self) -> tuple[Control, ...]:
        gone = ((say("nothing"), NOTHING), *modality_options())
        return (
            Control("gone", say("Take away"), "choice", NOTHING, gone),
            Control("temperature", say("Temperature"), "slider", 1.0, low=0.1, high=3.0, step=0.1),
        )

    def _answer(self, analyser: Analyser, utterance: Utterance) -> LessonAnswer:
        there = needs(utterance)
        weights = _numbers(analyser.predict(utterance, METHOD), "prompt_weights")
        top = max(there, key=lambda m: weights[m])
        manifest = analyser.manifest(METHOD)
        said = say(
            "The prompts count most on {what}: {share} of the weight. Trained around the frozen backbone were "
            "{trained} of all {all} numbers in the network, {part}.",
            what=ordinary(top),
            share=f"{weights[top]:.0%}",
            trained=f"{manifest['n_trained']:,}",
            all=f"{manifest['n_parameters']:,}",
            part=f"{manifest['n_trained'] / manifest['n_parameters']:.0%}",
        )
        rest = {m: weights[m] if m in there else 0.0 for m in MODALITIES}
        even = {m: 1 / len(there) if m in there else 0.0 for m in MODALITIES}
        html = drawings.weights(even, rest, (say("if all counted alike"), say("prompt weights")))
        return LessonAnswer(MODALITIES.index(top), said, html, dict(weights))

    def _experiment(self, analyser: Analyser, utterance: Utterance, chosen: Mapping[str, Value]) -> ExperimentResult:
        gone, temperature = str(chosen["gone"]), float(chosen["temperature"])
        if gone != NOTHING:
            needs(utterance, gone, at_least=2)
        full = analyser.predict(utterance, METHOD)
        left = analyser.predict(utterance, METHOD, [gone]) if gone != NOTHING else full
        now = weights_at(left, temperature)
        top = max(now, key=lambda m: now[m])
        own = float(analyser.manifest(METHOD)["config"]["temperature"])
        said = say(
            "At temperature {temperature} the prompts count most on {what}: {share}. The model was trained at {own}.",
            temperature=f"{temperature:.1f}",
            what=ordinary(top),
            share=f"{now[top]:.0%}",
            own=f"{own:.1f}",
        )
        names = (say("as trained, with everything"), say("as set here"))
        html = drawings.weights(_numbers(full, "prompt_weights"), now, names)
        return ExperimentResult(said, html, {"gone": gone, "temperature": temperature, **now})


def _numbers(prediction: Prediction, name: str) -> dict[str, float]:
    found = prediction.mechanism.get(name)
    if not isinstance(found, Mapping):
        raise MsaError("This variant of ProMMA has no prompt weights. Choose the shipped checkpoint.")
    return {m: float(found[m]) for m in MODALITIES}


def weights_at(prediction: Prediction, temperature: float) -> dict[str, float]:
    """DPW's weights at another temperature: softmax of information / temperature + log of confidence.

    A real modality has confidence 1, a generated one its generator's, one that is left out takes no part.
    """
    information = _numbers(prediction, "prompt_information")
    evaluator: Any = prediction.mechanism.get("evaluator") or {}
    imagined: Any = prediction.mechanism.get("imagined") or ()
    energy = {}
    for m in MODALITIES:
        if prediction.modalities[m]["present"]:
            energy[m] = information[m] / temperature
        elif m in imagined:
            energy[m] = information[m] / temperature + math.log(max(float(evaluator[m]["confidence"]), 1e-6))
    top = max(energy.values())
    shares = {m: math.exp(e - top) for m, e in energy.items()}
    return {m: shares.get(m, 0.0) / sum(shares.values()) for m in MODALITIES}
