"""An evaluation as Markdown: the tables of README and docs/results.md, and all of it for the file beside the JSON."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from msa_core.evaluation.result_columns import EvaluationRow, Result
from msa_core.tables import markdown_table

SIMULATED = "simulated text"  # head of the column that says whether a row reads it


def headline(result: Result, ablations: bool = False) -> str:
    """Tabulate the MAE by pattern, incomplete_mae, and where a row stands between the references of the same input.

    Key "six" of the file holds incomplete_mae, "against_masked" the difference from the masked model, "distance" the
    excess over the specialists, "price" the cost on complete input.

    Args:
        ablations: ablations and variants only, each beside the row that it changes; else the main rows only.
    """
    names = list(result["patterns"])
    incomplete = {6: "six", 2: "two"}.get(len(names) - 1, "incomplete")
    hearing = [SIMULATED] if _has_simulated(result) else []
    ends = ["against masked (95 %)", "gap closed (95 %)", "to specialists", "price"]
    ends += ["against what it changes (95 %)"] if ablations else []
    head = [f"{result['split']} MAE", *hearing, *names, f"mean of {incomplete}", *ends]
    rows: list[Sequence[str | None]] = []
    for row in _chosen(result, ablations):
        cells = [_number(row["table"].get(p, {}).get("mae")) for p in names]
        mean = _pair(row["six"], row["six_sd"])
        reads = [_reads(row) for _ in hearing]
        place = [_against(row), _gap(row), _share(row.get("distance")), _share(row.get("price"))]
        changed = [_interval(row.get("against_changed"))] if ablations else []
        rows.append([_title(row), *reads, *cells, mean, *place, *changed])
    for simulated, known, mean_error in () if ablations else _specialists(result):
        own = {r["regime"]: r for r in known}
        cells = [_number(own[p]["table"][p]["mae"]) if p in own else "" for p in names]
        title = f"a specialist for each pattern ({_seeds(min(r['seeds'] for r in known))})"
        reads = ["yes" if simulated else "no" for _ in hearing]
        rows.append([title, *reads, *cells, f"{mean_error:.3f}", None, "1.00", None, None])
    return markdown_table(head, rows)


def ablations(result: Result) -> str:
    """Tabulate ablations and variants, and say which of them answer otherwise than what they change beyond chance."""
    table, rows = headline(result, ablations=True), _chosen(result, ablations=True)
    known = [(f"*{row['title']}*", row["against_changed"]) for row in rows if _has_interval(row.get("against_changed"))]
    if not known:
        return table
    farther = "; ".join(title for title, (_, low, _) in known if low > 0) or "none"
    nearer = "; ".join(title for title, (_, _, high) in known if high < 0) or "none"
    return (
        f"{table}\n\nFarther from the labels than what it changes, beyond chance: {farther}. Nearer: {nearer}. "
        "The others cannot be told from what they change."
    )


def brief(result: Result) -> str:
    """Format the methods beside the masked models in three columns; of the naive fills the better one alone stands."""
    naive = str((result["naive"] or {}).get("label"))
    seeds = {r["seeds"] for r in result["rows"] if r["kind"] in ("naive", "masked", "method")}
    rows: list[list[str | None]] = []
    for row in result["rows"]:
        if row["kind"] in ("constant", "masked", "method") or row["label"] == naive:
            spread = "" if row["six_sd"] is None else f" ± {row['six_sd']:.3f}"
            title = row["title"] if len(seeds) == 1 else _title(row)
            rows.append([title, _number(row["complete"]), f"{_number(row['six'])}{spread}", _against(row)])
    head = [f"test MAE{f', {_seeds(min(seeds))}' if len(seeds) == 1 else ''}", "nothing missing"]
    return markdown_table([*head, "mean over incomplete patterns", "against masked, same input (95 %)"], rows)


def parts(result: Result) -> dict[str, str]:
    """Write the further tables that a page of Markdown may have, by the ending of their block's name."""
    return {
        "brief": brief(result),
        "ablations": ablations(result),
        "robustness": robustness(result),
        "intervals": coverage(result),
        "averages": averages(result),
    }


def markdown(result: Result) -> str:
    """Write everything: headline, ablations, robustness, intervals, slices, then all metrics of every condition."""
    folds = f", {result['folds']} folds by video or clip" if result["folds"] else ""
    lines = [f"# {result['corpus']}, {result['split']} ({result['n']} utterances{folds})", "", result["statement"], ""]
    lines += [headline(result), "", f"![MAE against the share of dropped frames]({result['corpus']}.svg)", ""]
    if any(r["kind"] in ("ablation", "variant") for r in result["rows"]):
        lines += ["## Ablations and variants", "", ablations(result), ""]
    lines += ["## Robustness, MAE", "", robustness(result), "", "## Intervals", "", coverage(result), ""]
    if result.get("averages"):
        lines += ["## Averages of several networks, MAE", "", averages(result), ""]
    if result["slices"]:
        lines += ["## Slices, MAE", "", slices(result), ""]
    for protocol, conditions in result["protocols"].items():
        for condition in conditions:
            lines += [f"## {protocol}: {condition}", "", metrics_table(result, condition), ""]
    return "\n".join(lines)


def robustness(result: Result) -> str:
    """Tabulate the MAE under every condition that is no pattern, and the AUILC of the frame rates."""
    conditions = [c for name, found in result["protocols"].items() if name != "patterns" for c in found]
    rows = []
    for row in (r for r in result["rows"] if r.get("auilc")):
        cells = [_number(row["table"].get(c, {}).get("mae")) for c in conditions]
        rows.append([_title(row), *cells, _number(row["auilc"]["mae"])])
    table = markdown_table([None, *conditions, "AUILC"], rows)
    realised = ", ".join(f"{c.split(':')[1]}: {v:.3f}" for c, v in result["realised"].items())
    return f"{table}\n\nShare of absent modalities that the modality rates gave: {realised}."


def coverage(result: Result) -> str:
    """Tabulate the share of test utterances inside their conformal interval, and the interval's width."""
    names = result["patterns"]
    level = f"{100 * result['level']:.0f} %"
    rows = []
    for row in (r for r in result["rows"] if r["coverage"] and r["kind"] in ("naive", "complete", "masked", "method")):
        cells = (
            f"{100 * row['coverage'][p]:.1f} % / {row['width'][p]:.2f}" if p in row["coverage"] else "" for p in names
        )
        rows.append([_title(row), *cells])
    return f"Share inside the interval ({level} asked) / its width.\n\n{markdown_table([None, *names], rows)}"


def averages(result: Result) -> str:
    """Tabulate the averages of several networks, and say which are nearer than the masked models beyond chance."""
    names = list(result["patterns"])
    against = ["against masked trained once (95 %)", "against masked, averaged (95 %)"]
    head = ["mean of the answers of", "networks", *([SIMULATED] if _has_simulated(result) else []), *names]
    rows: list[Sequence[str | None]] = []
    for row in result.get("averages", ()):
        reads = [_reads(row)] if _has_simulated(result) else []
        cells = [_number(v) for v in row["table"]]
        ends = [_interval(row["against_masked"]), _interval(row["against_average"])]
        rows.append([row["title"], str(row["networks"]), *reads, *cells, _number(row["six"]), *ends])
    table = markdown_table([*head, "mean of incomplete", *against], rows)
    others = [row for row in result.get("averages", ()) if _has_interval(row["against_average"])]
    if not others:
        return table
    once, often = (_nearer(others, key) for key in ("against_masked", "against_average"))
    return (
        f"{table}\n\nNearer to the labels than the masked model of the same input trained once, beyond chance: {once}. "
        f"Than that model averaged: {often}."
    )


def _nearer(rows: Sequence[EvaluationRow], key: str) -> str:
    """List the averages whose whole interval is below 0, in quotes."""
    return "; ".join(f"*{row['title']}*" for row in rows if _has_interval(row[key]) and row[key][2] < 0) or "none"


def slices(result: Result) -> str:
    """Tabulate the MAE on every slice, by pattern."""
    names = result["patterns"]
    rows = []
    for name, n in result["slices"].items():
        for row in _chosen(result, ablations=False):
            cells = [_number(row["slices"].get(name, {}).get(p)) for p in names]
            rows.append([_title(row), f"{name} ({n})", *cells])
    return markdown_table([None, "slice", *names], rows)


def metrics_table(result: Result, condition: str) -> str:
    """Tabulate all metrics under one condition, mean ± sd over seeds."""
    names = result["metrics"]
    rows = []
    for row in (r for r in result["rows"] if condition in r["table"]):
        rows.append([_title(row), *(_pair(row["table"][condition][m], row["sd"][condition][m]) for m in names)])
    return markdown_table([None, *names], rows)


def _has_simulated(result: Result) -> bool:
    """Tell whether any row reads simulated text."""
    return any(row.get("reads_simulated_text") for row in result["rows"])


def _reads(row: EvaluationRow) -> str:
    """Say whether a row reads simulated text."""
    return "yes" if row.get("reads_simulated_text") else "no"


def _specialists(result: Result) -> Iterator[tuple[bool, list[EvaluationRow], float]]:
    """Yield the specialists of each input: whether they read simulated text, their rows, incomplete_mae."""
    rows = [r for r in result["rows"] if r["kind"] == "specialist"]
    plain = [r for r in rows if not r.get("reads_simulated_text")]
    if result["specialists"] is not None:
        yield False, plain, result["specialists"]
    mean = (result.get("with_simulated_text") or {}).get("specialists")
    if mean is not None:  # without text to simulate a specialist serves both
        known = [r for r in rows if r.get("reads_simulated_text")]
        yield True, [*(r for r in plain if r["regime"] not in {k["regime"] for k in known}), *known], mean


def _chosen(result: Result, ablations: bool) -> Sequence[EvaluationRow]:
    """Choose the main rows, or the ablations and variants; specialists have a line of their own."""
    rest = ("ablation", "variant")
    return [r for r in result["rows"] if (r["kind"] in rest) == ablations and r["kind"] != "specialist"]


def _title(row: EvaluationRow) -> str:
    """Write the title of a row with its number of seeds."""
    return str(row["title"]) + (f" ({_seeds(row['seeds'])})" if row["seeds"] else "")


def _seeds(n: int) -> str:
    """Write a number of seeds."""
    return f"{n} seed{'s' if n > 1 else ''}"


def _number(value: float | None) -> str:
    """Write a value, a dash for none."""
    return "-" if value is None else f"{value:.3f}"


def _pair(value: float | None, spread: float | None) -> str:
    """Write a value with its standard deviation."""
    return _number(value) + ("" if spread is None or value is None else f" ± {spread:.3f}")


def _share(value: float | None) -> str:
    """Write a share with its sign in percent."""
    return "" if value is None else f"{100 * value:+.1f} %"


def _against(row: EvaluationRow) -> str:
    """Write the difference from the masked model of the same input with its interval."""
    return _interval(row.get("against_masked"))


def _interval(found: Sequence[float | None] | None) -> str:
    """Write a difference with its interval, alone without one; nothing for none."""
    if not found:
        return ""
    return f"{found[0]:+.3f}" + (f" ({found[1]:+.3f} to {found[2]:+.3f})" if _has_interval(found) else "")


def _has_interval(found: Sequence[float | None] | None) -> bool:
    """Tell whether a difference is there and has an interval: that of one speaker or video has none."""
    return bool(found) and None not in found  # type: ignore[operator]


def _gap(row: EvaluationRow) -> str:
    """Write the gap closed with its interval; a dash where the gap itself could as well be none."""
    gap, interval = row.get("gap_closed"), row.get("gap_interval")
    if gap is None:
        return ""
    return "–" if interval is None else f"{gap:.2f} ({interval[0]:.2f} to {interval[1]:.2f})"
