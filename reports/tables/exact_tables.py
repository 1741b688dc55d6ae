"""The tables that set exact methods side by side, as text."""

from __future__ import annotations

from typing import Any, Final

from slimbench.bench.results.results import Results
from slimbench.reports.statistics.exact_methods import exact_table
from slimbench.reports.statistics.reductions import reduction_effects
from slimbench.reports.tables.numbers import percent_text, tally_text, time_text, times_text
from slimbench.reports.tables.tables import Cell, Table, records

MIN_METHODS: Final = 2
MATTERS: Final = 1.1  # times as many or as long without the reduction


def exact_methods(results: Results) -> Table:
    """Exact calls side by side; empty where there is nothing to compare."""
    methods = records(exact_table(results))
    rows = [
        [
            Cell(row["solver"], "name"),
            Cell(row["dispatches"], "name"),
            Cell(str(row["n_instances"])),
            Cell(str(row["n_claimed"])),
            Cell(str(row["n_open"])),
            Cell(str(row["n_time_limit"])),
            Cell(str(row["n_failed"]), "number bad" if row["n_failed"] else "number"),
            Cell(f"{row['n_disagreeing']}: {row['disagreeing']}", "text bad")
            if row["n_disagreeing"]
            else Cell("0"),
            Cell(time_text(row["shifted_gmean_s"])),
            Cell(times_text(row["factor"])),
            Cell(tally_text(row["median_nodes"])),
            Cell(percent_text(row["median_root_gap"])),
            Cell(tally_text(row["median_rows"])),
            Cell(tally_text(row["median_columns"])),
        ]
        for row in (methods if len(methods) >= MIN_METHODS else [])
    ]
    titles = ("solver", "dispatch", "instances", "claimed", "open", "time limit", "failed", "disagreements",
              "time to claim", "÷ fastest", "nodes", "root gap", "rows", "columns")  # fmt: skip
    return Table(titles, rows, "exact_methods")


def reductions(results: Results) -> Table:
    """What it costs to leave reductions out."""
    rows = [
        [
            Cell(_spelled_out(row["reductions"]), "name"),
            Cell(row["call"], "name"),
            Cell(f"{row['n_changed']} of {row['n_instances']}"),
            _factor(row, "rows_factor"),
            _factor(row, "columns_factor"),
            Cell(percent_text(row["mean_root_gap"])),
            _factor(row, "nodes_factor"),
            _factor(row, "time_factor"),
        ]
        for row in records(reduction_effects(results))
    ]
    titles = ("reductions", "of", "models changed", "rows", "columns", "root gap", "nodes", "time")
    return Table(titles, rows, "reductions")


def _spelled_out(reductions: str) -> str:
    """A parameter ``all-but-merge+symmetry`` in words."""
    names = reductions.removeprefix("all-but-")
    return ("" if names == reductions else "all but ") + names.replace("+", ", ")


def _factor(row: dict[str, Any], column: str) -> Cell:
    """Marked where it is far from 1 because the model is another one."""
    factor, mood = row[column], ""
    if row["n_changed"] and factor >= MATTERS:
        mood = " good"
    elif row["n_changed"] and factor <= 1 / MATTERS:
        mood = " open"
    return Cell(times_text(factor), f"number{mood}")
