"""Tables of measured rates, and the plan of a large run that follows from them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msa_core.tables import markdown_table

MACHINES = (1, 10, 100)
RATES_HEAD = "work", "by", "workers", "clips/s", "× real time a worker", "processor s", "memory a worker", "features"
PLAN_HEAD = ("machines", "to extract", "to score", "machine-hours", "cost", "clips read", "memory a machine")


def rates(found: Mapping[str, Any]) -> str:
    """Write what was measured as Markdown: the machine, a row for each run, and the efficiency of two workers."""
    rows = []
    for row in found["rows"]:
        real = found["clip_s"] * row["clips_per_s"] / row["workers"]
        size = f"{row['features_bytes'] / 1e6:.2f} MB" if "features_bytes" in row else "-"
        memory = f"{row['memory_bytes'] / 1e9:.2f} GB"
        cells = [f"{row['clips_per_s']:.3g}", f"{real:.3g}", f"{row['processor_s']:.3g}", memory, size]
        rows.append([row["work"], row["way"], str(row["workers"]), *cells])
    lines = [[e["work"], e["way"], f"{e['clock']:.2f}", f"{e['processor']:.2f}"] for e in found["efficiency"]]
    clip = f"clips of {found['clip_s']:g} s with {found['clip_bytes'] / 1e6:.2f} MB"
    return (
        f"Measured with {found['machine']}; {clip}, one core a worker.\n\n{markdown_table(RATES_HEAD, rows)}\n\n"
        f"{markdown_table(('work', 'by', 'efficiency of two workers, by the clock', 'of the processor'), lines)}"
    )


def plan(found: Mapping[str, Any], clips: int, cores: int, price: float | None) -> str:
    """Write the plan of a run over many clips of the measured length, from the rates of two workers.

    Args:
        found: what was measured.
        clips: their number.
        cores: of one machine, each with one worker.
        price: of a machine-hour; None leaves the cost as a formula.
    """
    two = {row["work"]: row for row in found["rows"] if row["workers"] == 2 and row["way"] == found["rows"][0]["way"]}
    each = {work: row["clips_per_s"] / row["workers"] for work, row in two.items()}  # clips/s of a worker
    rows = []
    for machines in MACHINES:
        workers = machines * cores
        hours = {work: clips / (rate * workers) / 3600 for work, rate in each.items()}
        total = machines * sum(hours.values())
        cost = f"{total:.3g} × price" if price is None else f"{total * price:.0f}"
        read = f"{workers * each['extract'] * found['clip_bytes'] / 1e6:.3g} MB/s"
        memory = f"{cores * two['extract']['memory_bytes'] / 1e9:.0f} GB"
        spans = [_span(hours[work]) for work in ("extract", "analyse")]
        rows.append([str(machines), *spans, f"{total:.3g}", cost, read, memory])
    features = clips * two["extract"]["features_bytes"] / 1e12
    return (
        f"{clips:,} clips of {found['clip_s']:g} s ({clips * found['clip_s'] / 3600:,.0f} h of video, "
        f"{clips * found['clip_bytes'] / 1e12:.3g} TB), machines of {cores} cores with one worker each; features "
        f"{features:.3g} TB.\n\n{markdown_table(PLAN_HEAD, rows)}"
    )


def _span(hours: float) -> str:
    """Write hours, or days where they are many."""
    return f"{hours:.3g} h" if hours < 48 else f"{hours / 24:.3g} days"
