"""Measure time and memory on this machine: loading, a clip from file to gauges, a switch, Rank-N-Contrast."""

from __future__ import annotations

import resource
import statistics
import time
from collections.abc import Callable
from functools import partial
from itertools import combinations
from pathlib import Path

import torch

from msa_core import methods
from msa_core.methods.losses import rank_n_contrast
from msa_core.predict import Analyser
from msa_core.schema import MODALITIES, Utterance
from msa_core.tables import markdown_table

FRAMES = {"audio": 0.5}  # share of dropped frames in the switch that is measured with dropped frames
AIM_S = 0.05  # for a switch of a clip of 10 s on a machine that does nothing else


def table(clip: Path, repeats: int = 5) -> str:
    """Measure medians over `repeats` runs, after one warm-up run. Returns: a Markdown table."""
    start = time.perf_counter()
    analyser = Analyser.load()
    loading = time.perf_counter() - start
    utterance = analyser.extract(clip)
    whole = _median(lambda: analyser.predict(analyser.extract(clip)), repeats)
    steps = analyser.extract(clip).timings_s
    subsets = [s for n in range(3) for s in combinations(MODALITIES, n)]
    present = [s for s in subsets if any(utterance.stream(m).present for m in MODALITIES if m not in s)]
    switches = {
        method: [_median(partial(analyser.predict, utterance, method, dropped), repeats) for dropped in present]
        for method in analyser.methods
    }
    dropping = {m: _median(partial(_drop, analyser, utterance, m), repeats) for m in analyser.methods}
    v, y = torch.randn(256, 64), torch.randn(256)
    rows = [
        ("load every model", f"{loading:.2f} s"),
        (f"{clip.name}, {utterance.duration_s:.1f} s, warm, file to gauges", f"{whole:.2f} s"),
        *((f"- {name}", f"{seconds:.2f} s") for name, seconds in steps.items()),
        *(
            (
                f"a switch, {methods.method_name(m)}, median and slowest subset",
                f"{_ms(statistics.median(t))}, {_ms(max(t))}",
            )
            for m, t in switches.items()
        ),
        *(
            (
                f"vision off and half the voice's frames dropped, {methods.method_name(m)}",
                f"{_ms(t)} (aim: {_ms(AIM_S)})",
            )
            for m, t in dropping.items()
        ),
        ("Rank-N-Contrast, 256 items", _ms(_median(lambda: rank_n_contrast(v, y), repeats))),
        ("peak memory of this process", f"{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20:.2f} GB"),
    ]
    head = f"torch {torch.__version__}, {torch.get_num_threads()} threads, device {analyser.device}"
    return markdown_table([head, f"median of {repeats}"], rows)


def _drop(analyser: Analyser, utterance: Utterance, method: str) -> object:
    """Predict without vision and with dropped frames of the voice."""
    return analyser.predict(utterance, method, ["vision"], "transcript", FRAMES)


def _ms(seconds: float) -> str:
    """Write seconds in milliseconds."""
    return f"{1000 * seconds:.1f} ms"


def _median(work: Callable[[], object], repeats: int) -> float:
    """Time some work `repeats` times. Returns: the median in seconds."""
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return statistics.median(times)
