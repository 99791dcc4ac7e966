"""Settings and recipes of ProMMA (symbols as in promma/model.py)."""

from __future__ import annotations

from dataclasses import dataclass

from msa_core.errors import MsaError
from msa_core.methods.base import Recipe, check_ranges

CHOICES = ("evaluate", "always", "never")


@dataclass(frozen=True)
class ProMMAConfig:
    """Settings of ProMMA, chosen on the composite corpus' validation split."""

    prompted: bool = True  # False: train the backbone, on the task alone
    d_model: int = 40
    n_heads: int = 10
    n_layers: int = 1  # self-attention levels of a modality; one more lies over the modalities
    d_feedforward: int = 80  # inside such a level
    n_prompts: int = 7  # L, shared prompts; they stand at equal steps from -3 to +3
    rank: int = 8  # of the projections of MPD and MPDC
    d_generator: int = 24  # hidden width of the generator
    d_critic: int = 16  # width in which DPW's critic compares
    d_gate: int = 16  # hidden width of MME's gates
    temperature: float = 1.0  # tau of DPW, in nats
    dropout: float = 0.3  # inside the attention blocks
    frame_dropout: float = 0.2  # channels of the convolution's output
    head_dropout: float = 0.4  # of the layers behind the encoders
    prompt_dropout: float = 0.1  # of generator and gates
    input_dropout: tuple[float, float, float] = (0.1, 0.3, 0.1)  # channels of text, audio, vision switched off
    input_noise: tuple[float, float, float] = (0.0, 0.2, 0.0)  # Gaussian offset of a channel, in standard deviations
    generate: str = "evaluate"  # trained with MME; ablations: trained to "always" or "never" generate
    decide: str = "evaluate"  # decision with the same weights: MME decides, "always" or "never" generate
    use_mpd: bool = True  # ablation: False = every modality uses the shared prompts
    use_dpw: bool = True  # ablation: False = equal weights
    use_mpdc: bool = True  # ablation: False = prompts join no self-attention
    use_simulated: bool = True  # ablation: generate text from simulated text
    weight_task: float = 1.0  # backbone: squared error of the score
    weight_answers: float = 0.5  # squared error of all answers that are compared
    weight_chosen: float = 0.5  # squared error to be expected when the gates choose among them
    weight_alone: float = 0.3  # backbone: squared error of each modality's own pseudo-label
    weight_generated: float = 0.3  # generator
    weight_confidence: float = 0.1  # confidence of the generator
    weight_evaluator: float = 0.3  # MME
    weight_information: float = 0.4  # DPW, lambda_mi
    weight_orthogonal: float = 0.01  # MPD, lambda_o
    weight_reconstruction: float = 0.01  # MPD, lambda_r

    def __post_init__(self) -> None:
        check_ranges(self)
        for name in ("generate", "decide"):
            if getattr(self, name) not in CHOICES:
                raise MsaError(f"{name} is {getattr(self, name)!r}; choose one of: {', '.join(CHOICES)}.")
        if self.generate != "evaluate" and self.decide != "evaluate":
            raise MsaError(f"decide is {self.decide!r}; with generate = {self.generate!r} leave it at 'evaluate'.")
        if self.n_prompts < 2 or self.rank < 1 or not self.temperature > 0:
            raise MsaError(
                f"n_prompts is {self.n_prompts}, rank {self.rank}, temperature {self.temperature}; give at least 2 "
                "prompts, a rank of at least 1 and a temperature above 0."
            )

    def loss_weights(self) -> dict[str, float]:
        """Return the weight per loss term; those of a module only where it is used."""
        if not self.prompted:
            return {"task": self.weight_task, "alone": self.weight_alone}
        weights = {"answers": self.weight_answers, "information": self.weight_information}
        if self.generate != "never":
            weights |= {"generated": self.weight_generated, "confidence": self.weight_confidence}
        if self.generate == "evaluate":
            weights |= {"chosen": self.weight_chosen, "evaluator": self.weight_evaluator}
        if self.use_mpd:
            weights |= {"orthogonal": self.weight_orthogonal, "reconstruction": self.weight_reconstruction}
        return weights

    @staticmethod
    def debug() -> ProMMAConfig:
        """Return tiny settings for tests."""
        return ProMMAConfig(
            d_model=8, n_heads=2, d_feedforward=8, rank=2, d_generator=4, d_critic=4, d_gate=4, dropout=0.1,
            head_dropout=0.1,
        )  # fmt: skip


_TEACHER = "promma-teacher"
_LOOP = {"lr": 0.003, "epochs": 2, "warmup_epochs": 0.3}
_ABLATIONS: dict[str, dict[str, object]] = {
    "always generating": {"generate": "always"},
    "never generating": {"generate": "never"},
    "without mpd": {"use_mpd": False},
    "without dpw": {"use_dpw": False},
    "without mpdc": {"use_mpdc": False},
    "without simulated": {"use_simulated": False},
}
RECIPES = [
    Recipe(
        _TEACHER, "Backbone of ProMMA (reconstruction)", "complete", {"prompted": False},
        {"regime": "complete", "epochs": 5, "lr": 0.0015},
    ),
    Recipe("promma (reconstruction)", "ProMMA (reconstruction)", "method", {}, _LOOP, _TEACHER),
    *(
        Recipe(
            f"promma (reconstruction) {how}", f"ProMMA (reconstruction) {how}", "ablation", config, _LOOP, _TEACHER,
            "promma (reconstruction)",
        )
        for how, config in _ABLATIONS.items()
    ),
]  # fmt: skip
