"""Single networks and losses beside the plain way: short mels, ranking loss, coalitions in a batch, switches."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from itertools import combinations
from typing import Any

import torch
from torch import Tensor

from msa_core import methods
from msa_core.batch import collate
from msa_core.evaluation.benchmark import published_sdumc
from msa_core.evaluation.benchmark.rows import Goal, row
from msa_core.evaluation.benchmark.timing import Times, interleaved
from msa_core.features.windows import Window, mel
from msa_core.methods import Method
from msa_core.methods.losses import rank_n_contrast
from msa_core.missing import keep_only
from msa_core.predict import Analyser
from msa_core.schema import MODALITIES, SAMPLE_RATE_HZ, Utterance

LENGTHS_S = (2, 10)  # of sounds whose mels are compared
LONG_S = 30  # mel of openai-whisper
ITEMS = 128  # of the ranking loss: a batch of 64 in both flows
SWITCH_BOUND = (
    "bounded by the encoders of three groups of frames (what is left, the complete model's, seconds) and by calls of "
    "small tensor operations"
)
SWITCH = Goal(0.010, "seconds", "cpu", SWITCH_BOUND)
NOT_SLOWER = Goal(1.0)


def rows(analyser: Analyser, utterance: Utterance, repeats: int) -> list[dict[str, Any]]:
    """Measure networks and losses.

    Args:
        analyser: the loaded models.
        utterance: an extracted clip with all modalities.
        repeats: rounds; small work is repeated more often.
    """
    many = 4 * repeats
    found = [_short_mel(analyser, seconds, repeats) for seconds in LENGTHS_S]
    found.append(_ranking(many))
    found += [_coalitions(analyser.models(name)[0], utterance, many) for name in analyser.methods]
    return found + [_switch(analyser, name, utterance, repeats) for name in analyser.methods]


def _short_mel(analyser: Analyser, seconds: int, repeats: int) -> dict[str, Any]:
    """Compare the encoder on a short mel with the encoder on 30 s, mel included."""
    from whisper.audio import log_mel_spectrogram, pad_or_trim

    reader = analyser.extractor.speech
    noise = torch.randn(seconds * SAMPLE_RATE_HZ, generator=torch.Generator().manual_seed(seconds))
    window = Window(0, 0.0, (0.05 * noise).numpy())

    @torch.inference_mode()
    def short() -> None:
        reader.encode(mel([window], reader.model, window.padded_s))

    @torch.inference_mode()
    def long() -> None:
        reader.model.encoder(log_mel_spectrogram(pad_or_trim(window.sound), reader.model.dims.n_mels)[None])

    times = interleaved({"short": short, "long": long}, repeats)
    name = f"Whisper's encoder on {seconds} s of sound, padded to {window.padded_s} s"
    return row(name, times["short"], "the same weights on a mel of 30 s", times["long"], NOT_SLOWER)


def _ranking(repeats: int) -> dict[str, Any]:
    """Compare Rank-N-Contrast, forward and backward, with the published loop over items."""
    draw = torch.Generator().manual_seed(0)
    v, y = torch.randn(ITEMS, 64, generator=draw, requires_grad=True), torch.randn(ITEMS, generator=draw)

    def ours() -> None:
        torch.autograd.grad(rank_n_contrast(v, y), v)

    def theirs() -> None:
        torch.autograd.grad(published_sdumc.rank_n_contrast(v, y), v)

    times = interleaved({"ours": ours, "theirs": theirs}, repeats)
    name = f"Rank-N-Contrast of {ITEMS} items, forward and backward"
    return row(name, times["ours"], "the published loop over items", times["theirs"], NOT_SLOWER)


def _coalitions(model: Method, utterance: Utterance, repeats: int) -> dict[str, Any]:
    """Compare all seven coalitions in one batch with seven calls."""
    sets = [c for size in range(1, 4) for c in combinations(MODALITIES, size)]
    clips = [keep_only(utterance, c) for c in sets]

    @torch.inference_mode()
    def ours() -> Tensor:
        return model(collate(clips)).score

    @torch.inference_mode()
    def theirs() -> Tensor:
        return torch.cat([model(collate([one])).score for one in clips])

    times = interleaved({"ours": ours, "theirs": theirs}, repeats)
    name = f"seven coalitions in one batch, {methods.method_name(model.name)}"
    return row(name, times["ours"], "the same, one call each", times["theirs"], NOT_SLOWER)


def _switch(analyser: Analyser, method: str, utterance: Utterance, repeats: int) -> dict[str, Any]:
    """Time a switch: `predict` for each set of modalities that can be off, all sets pooled."""
    sets = [s for n in range(3) for s in combinations(MODALITIES, n)]
    off = [s for s in sets if any(utterance.stream(m).present for m in MODALITIES if m not in s)]
    works = {"+".join(s): partial(analyser.predict, utterance, method, s) for s in off}
    times = _pooled(interleaved(works, repeats), list(works))
    name = f"a switch, {methods.method_name(method)}, seven sets of modalities"
    return row(name, times, "none: nothing else answers a switch", None, SWITCH)


def _pooled(times: Mapping[str, Times], names: Sequence[str]) -> Times:
    """Join the repetitions of several works."""
    return Times(
        tuple(t for name in names for t in times[name].wall_s), tuple(t for name in names for t in times[name].cpu_s)
    )
