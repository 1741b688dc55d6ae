"""Generalisation ratios and gaps as text."""

from __future__ import annotations

import math
from typing import Any, Final

from slimbench.bench.results.results import Results
from slimbench.reports.statistics.robustness import observations_needed, robustness_summary
from slimbench.reports.tables.numbers import NOTHING, ratio_text
from slimbench.reports.tables.tables import Cell, Table, records

KIND_WORDS: Final = {
    "tokens": "tokens observed",
    "part": "part of a trace",
    "rate_noise": "noise of rates",
    "latency_noise": "noise of latencies",
}


def needed(results: Results) -> Table:
    """How much must be observed until a placement is as good as one planned on everything."""
    rows = [
        [
            Cell(row["instance"], "name"),
            Cell(row["solver"], "name"),
            Cell(KIND_WORDS[row["planning_kind"]], "text"),
            Cell(ratio_text(row["itself_low"], row["itself_high"])),
            _needed(row),
            Cell(_gap(row["fewest_gap_low"], row["fewest_gap_high"])),
            Cell(_gap(row["most_gap_low"], row["most_gap_high"])),
            Cell(amount_text(row["planning_kind"], row["most"])),
            Cell(str(row["n_failed"]), "number bad" if row["n_failed"] else "number"),
        ]
        for row in records(observations_needed(results))
    ]
    titles = ("instance", "solver", "planned on", "ratio planned on all", "needed to be within 1 %",
              "gap at the least", "gap at the most", "the most", "failed")  # fmt: skip
    return Table(titles, rows, "observations_needed")


def summary(results: Results) -> Table:
    """Generalisation ratios and gaps over all instances."""
    rows = [
        [
            Cell(KIND_WORDS[row["planning_kind"]], "text"),
            Cell(amount_text(row["planning_kind"], row["planning_amount"])),
            Cell(row["solver"], "name"),
            Cell(f"{row['n_ok']} of {row['n_planned']}"),
            Cell(str(row["n_failed"]), "number bad" if row["n_failed"] else "number"),
            Cell(str(row["n_instances"])),
            Cell(ratio_text(row["ratio_low"], row["ratio_high"])),
            Cell(ratio_text(row["worst_low"], row["worst_high"])),
            Cell(row["worst_instance"], "name"),
            Cell(_gap(row["gap_low"], row["gap_high"])),
            Cell(ratio_text(row["kept"], row["kept"])),
        ]
        for row in records(robustness_summary(results))
    ]
    titles = ("planned on", "amount", "solver", "ok", "failed", "instances", "ratio, median", "ratio, worst",
              "worst instance", "generalisation gap", "saving kept")  # fmt: skip
    return Table(titles, rows, "robustness_summary")


def amount_text(kind: str, amount: float) -> str:
    """``1,024`` tokens, ``25 %`` of a trace, or a standard deviation."""
    if kind == "part":
        return f"{100 * amount:.3g} %"
    return f"{amount:,.0f}" if kind == "tokens" else f"{amount:g}"


def _needed(row: dict[str, Any]) -> Cell:
    value, kind = row["needed"], row["planning_kind"]
    if math.isnan(value):
        return Cell(NOTHING)
    if math.isinf(value):
        return Cell(f"> {amount_text(kind, row['most'])}", "open")
    mark = "≤ " if value == row["fewest"] else ""
    return Cell(mark + amount_text(kind, value), "good")


def _gap(low: float, high: float) -> str:
    """A difference of ratios, each end rounded outwards; negative where planning on less was better."""
    if math.isnan(low):
        return NOTHING
    first, last = math.floor(1e4 * low + 1e-5) / 1e4, math.ceil(1e4 * high - 1e-5) / 1e4
    return f"{last:.4f}" if low == high else f"{first:.4f} to {last:.4f}"
