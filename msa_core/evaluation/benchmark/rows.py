"""Rows of the benchmark: what was measured, beside which reference, how far it had to come and what bounds it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from msa_core.evaluation.benchmark.timing import Spread, Times

SMALL_S = 0.1  # times below are written in milliseconds


@dataclass(frozen=True)
class Goal:
    """What a row had to reach: at most `most`, of the ratio, or of the seconds, by one of the two clocks.

    bound: what bounds the row, said where the goal is missed.
    """

    most: float
    of: str = "ratio"  # or "seconds"
    clock: str = "cpu"  # or "wall"
    bound: str = ""


def row(
    name: str,
    ours: Times,
    reference: str = "",
    theirs: Times | None = None,
    goal: Goal | None = None,
    duration_s: float | None = None,
) -> dict[str, Any]:
    """Make a row as plain JSON.

    Args:
        name: what was measured.
        ours: its times.
        reference: what stands beside it; "" where there is nothing to compare with.
        theirs: times of the reference, in the same rounds.
        goal: what had to be reached.
        duration_s: of the clip, for the real-time factor.
    """
    found: dict[str, Any] = {"name": name, "reference": reference, **_spreads("", ours)}
    if theirs is not None:
        found |= _spreads("reference_", theirs)
        found["wall_ratio"] = asdict(Spread.of([a / b for a, b in zip(ours.wall_s, theirs.wall_s, strict=True)]))
        found["cpu_ratio"] = asdict(
            Spread.of([a / max(b, 1e-9) for a, b in zip(ours.cpu_s, theirs.cpu_s, strict=True)])
        )
    if duration_s is not None:
        found["real_time_factor"] = {
            "wall": found["wall_s"]["median"] / duration_s,
            "cpu": found["cpu_s"]["median"] / duration_s,
        }
    return judged(found, goal)


def plain(name: str, value: float, unit: str, reference: str, other: float | None, goal: Goal | None) -> dict[str, Any]:
    """Make a row of one number without spread, such as bytes of memory.

    Args:
        name: what was measured.
        value: the number, and `unit` its unit.
        reference: what stands beside it, with the number `other`; "" and None for nothing.
        goal: "seconds" stands for the number.
    """
    found: dict[str, Any] = {"name": name, "value": value, "unit": unit, "reference": reference}
    if other is not None:
        found |= {"reference_value": other, "ratio": value / other}
    return judged(found, goal)


def judged(found: dict[str, Any], goal: Goal | None) -> dict[str, Any]:
    """Add to a row what it had to reach, whether it did, and what bounds it where it did not."""
    if goal is None:
        return found
    if "value" in found:
        reached = found["ratio"] if goal.of == "ratio" else found["value"]
    else:
        reached = found[f"{goal.clock}_{'ratio' if goal.of == 'ratio' else 's'}"]["median"]
    met = reached <= goal.most
    found["goal"] = {"most": goal.most, "of": goal.of, "clock": goal.clock, "met": met}
    if not met:
        found["goal"]["bound"] = goal.bound
    return found


def cells(found: Mapping[str, Any]) -> list[str]:
    """Write the cells of a row: name, time, processor time, reference, both ratios, goal."""
    if "value" in found:
        value, other = (_amount(found.get(k), found["unit"]) for k in ("value", "reference_value"))
        beside = f"{found['reference']}: {other}" if found["reference"] else "-"
        ratio = f"{found['ratio']:.2f}" if "ratio" in found else "-"
        return [found["name"], value, "-", beside, ratio, "-", _goal(found)]
    name = found["name"]
    if "real_time_factor" in found:
        factor = found["real_time_factor"]
        name += f"; real-time factor {factor['wall']:.3f}, of the processor {factor['cpu']:.3f}"
    beside = "-"
    if "reference_cpu_s" in found:
        times = f"{_seconds(found['reference_wall_s'])}, processor {_seconds(found['reference_cpu_s'])}"
        beside = f"{found['reference']}: {times}"
    elif found["reference"]:
        beside = found["reference"]
    ratios = [_ratio(found.get(k)) for k in ("cpu_ratio", "wall_ratio")]
    return [name, _seconds(found["wall_s"]), _seconds(found["cpu_s"]), beside, *ratios, _goal(found)]


HEAD = ("measured", "time", "of the processor", "reference", "ratio, processor", "ratio, time", "goal")


def _spreads(prefix: str, times: Times) -> dict[str, Any]:
    """Give both clocks of some times as plain numbers."""
    spreads = {"wall_s": Spread.of(times.wall_s), "cpu_s": Spread.of(times.cpu_s)}
    return {f"{prefix}{name}": asdict(spread) for name, spread in spreads.items()}


def _seconds(spread: Mapping[str, float]) -> str:
    """Write a median with its quartiles in s or ms."""
    scale, unit = (1000.0, "ms") if spread["median"] < SMALL_S else (1.0, "s")
    digits = 1 if unit == "ms" else 2
    low, high = (f"{scale * spread[k]:.{digits}f}" for k in ("low", "high"))
    return f"{scale * spread['median']:.{digits}f} {unit} ({low}-{high})"


def _ratio(spread: Mapping[str, float] | None) -> str:
    """Write a median ratio with its quartiles."""
    if spread is None:
        return "-"
    return f"{spread['median']:.2f} ({spread['low']:.2f}-{spread['high']:.2f})"


def _amount(value: float | None, unit: str) -> str:
    """Write a number with its unit."""
    return "" if value is None else f"{value:.3g} {unit}"


def _goal(found: Mapping[str, Any]) -> str:
    """Write what had to be reached, and what bounds the row where it was missed."""
    goal = found.get("goal")
    if goal is None:
        return "-"
    unit = found.get("unit", "s") if goal["of"] != "ratio" else ""
    most = f"{'ratio ' if goal['of'] == 'ratio' else ''}at most {goal['most']:g} {unit}".strip()
    clock = "" if "value" in found else {"cpu": ", processor", "wall": ", by the clock"}[goal["clock"]]
    return f"{most}{clock}: reached" if goal["met"] else f"{most}{clock}: missed; {goal['bound']}"
