"""Lesson on prompts around a frozen network, and the weights that they give to the modalities."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from msa_core.errors import MsaError
from msa_core.i18n import say
from msa_core.lessons import charts
from msa_core.lessons.contract import Code, Control, ExperimentResult, Lesson, LessonAnswer, Texts, Value
from msa_core.lessons.modalities import modality_options, ordinary, require
from msa_core.predict import Analyser
from msa_core.schema import MODALITIES, Prediction, Utterance
from msa_core.views.parts import signed

METHOD = "promma"
NOTHING = "nothing"


class Prompts(Lesson):
    """Prompt weights on the whole clip, with a modality missing, and at another temperature."""

    name = "prompts"
    clip = "crema_angry.mp4"
    holds_on, fails_on = clip, "grid_bbaf2n.mp4"
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
                    "A prompt is a handful of learned vectors that enter a frozen network together with its input, "
                    "like a note clipped to a letter: the reader stays the same, but the note changes how the letter "
                    "is read. The large network is trained only once; only the prompts and the small modules around "
                    "them learn how to handle missing modalities."
                ),
                say(
                    "In our reconstruction of ProMMA there is one shared prompt for each of the seven points of the "
                    "scale, from −3 to +3. Each becomes a private prompt for the words, the voice and the face, which "
                    "looks into its own modality. The more information the prompts find there, the larger the weight "
                    "of that modality: a softmax of the information divided by a temperature. A generated modality "
                    "counts less when its generator is unsure; one that is left out does not count at all."
                ),
                say(
                    "Such weights describe the network, not the person, and a large weight does not mean that the "
                    "modality is right. The Numbers tab and docs/results.md report how well they agree with what is "
                    "known."
                ),
                say(
                    "Paper: ProMMA (ICME 2026, arXiv 2604.05558), reconstructed from its abstract; closest published "
                    "work: MPLMM (ACL 2024)."
                ),
            ),
            question=say("Nothing is taken away. Which part of this clip gets the largest prompt weight?"),
            choices=tuple(ordinary(m) for m in MODALITIES),
            try_this=say(
                "Lower the temperature until one part has almost all the weight. Then take that part away. Which one "
                "takes over?"
            ),
            take_away=say(
                "A weight describes the network, not the person; a large one does not make the modality right."
            ),
            claim=say("the largest weight lies on what moves the score most"),
        )

    def _controls(self) -> tuple[Control, ...]:
        gone = ((say("nothing"), NOTHING), *modality_options())
        return (
            Control("gone", say("Take away"), "choice", NOTHING, gone),
            Control("temperature", say("Temperature"), "slider", 1.0, low=0.1, high=3.0, step=0.1),
        )

    def _answer(self, analyser: Analyser, utterance: Utterance) -> LessonAnswer:
        there = require(utterance)
        prediction = analyser.predict(utterance, METHOD)
        weights = _numbers(prediction, "prompt_weights")
        top = max(there, key=lambda m: weights[m])
        moved = {m: prediction.contributions[m] for m in there}
        most = max(there, key=lambda m: abs(moved[m]))
        manifest = analyser.manifest(METHOD)
        said = say(
            "The largest prompt weight is on {what}: {share}. By exact contributions, the score is moved most by "
            "{most}: {moved}. Around the frozen backbone, only {trained} of the network’s {all} parameters were "
            "trained ({part}).",
            what=ordinary(top),
            share=f"{weights[top]:.0%}",
            most=ordinary(most),
            moved=signed(moved[most]),
            trained=f"{manifest['n_trained']:,}",
            all=f"{manifest['n_parameters']:,}",
            part=f"{manifest['n_trained'] / manifest['n_parameters']:.0%}",
        )
        rest = {m: weights[m] if m in there else 0.0 for m in MODALITIES}
        even = {m: 1 / len(there) if m in there else 0.0 for m in MODALITIES}
        html = charts.weights(even, rest, (say("equal weights"), say("prompt weights")))
        return LessonAnswer(MODALITIES.index(top), said, html, dict(weights), holds=top == most)

    def _experiment(self, analyser: Analyser, utterance: Utterance, chosen: Mapping[str, Value]) -> ExperimentResult:
        gone, temperature = str(chosen["gone"]), float(chosen["temperature"])
        if gone != NOTHING:
            require(utterance, gone, at_least=2)
        full = analyser.predict(utterance, METHOD)
        left = analyser.predict(utterance, METHOD, [gone]) if gone != NOTHING else full
        now = weights_at(left, temperature)
        top = max(now, key=lambda m: now[m])
        own = float(analyser.manifest(METHOD)["config"]["temperature"])
        said = say(
            "At temperature {temperature}, the largest prompt weight is on {what}: {share}. The model was trained at "
            "{own}.",
            temperature=f"{temperature:.1f}",
            what=ordinary(top),
            share=f"{now[top]:.0%}",
            own=f"{own:.1f}",
        )
        names = (say("as trained, nothing taken away"), say("with your settings"))
        html = charts.weights(_numbers(full, "prompt_weights"), now, names)
        return ExperimentResult(said, html, {"gone": gone, "temperature": temperature, **now})


def _numbers(prediction: Prediction, name: str) -> dict[str, float]:
    found = prediction.mechanism.get(name)
    if not isinstance(found, Mapping):
        raise MsaError("This variant of ProMMA has no prompt weights. Choose the shipped checkpoint.")
    return {m: float(found[m]) for m in MODALITIES}


def weights_at(prediction: Prediction, temperature: float) -> dict[str, float]:
    """Compute the prompt weights (DPW) at another temperature.

    Softmax of information / temperature + log confidence, where a real modality has confidence 1, a generated one
    that of its generator, and one that is left out takes no part.
    """
    information = _numbers(prediction, "prompt_information")
    evaluator: Any = prediction.mechanism.get("evaluator") or {}
    generated: Any = prediction.mechanism.get("imagined") or ()
    energy = {}
    for m in MODALITIES:
        if prediction.modalities[m]["present"]:
            energy[m] = information[m] / temperature
        elif m in generated:
            energy[m] = information[m] / temperature + math.log(max(float(evaluator[m]["confidence"]), 1e-6))
    # Subtracting the largest energy keeps the exponentials finite.
    top = max(energy.values())
    shares = {m: math.exp(e - top) for m, e in energy.items()}
    return {m: shares.get(m, 0.0) / sum(shares.values()) for m in MODALITIES}
