"""Sweeps as text: who is ahead of greedy where, and by how much."""

from __future__ import annotations

import math
from typing import Any

from slimbench.bench.results.results import Results
from slimbench.reports.statistics.sweeps import BASELINE, PARAMETERS, sweep_table
from slimbench.reports.tables.numbers import NOTHING
from slimbench.reports.tables.tables import Cell, Table, records


def against_greedy(results: Results) -> Table:
    """A row for each point of each sweep, a column for each solver; empty without the baseline."""
    table = sweep_table(results)
    table = table[table["saved"].notna() & table["solver"].ne(BASELINE)]
    solvers = list(dict.fromkeys(table["solver"]))
    rows = []
    for _, own in table.groupby(["sweep", "parameter", "position"], sort=False):
        by_solver = {row["solver"]: row for row in records(own)}
        point = own.iloc[0]
        rows.append(
            [
                Cell(point["sweep"], "name"),
                Cell(PARAMETERS[point["parameter"]], "text"),
                Cell(value_text(point["value"]), "text"),
                Cell(str(own["n_instances"].max())),
                *(_saved(by_solver.get(solver)) for solver in solvers),
            ]
        )
    return Table(("sweep", "parameter", "value", "seeds", *solvers), rows, "sweep_latency")


def value_text(value: object) -> str:
    """``0.25`` of a number, the name of anything else."""
    return f"{value:g}" if isinstance(value, (int, float)) else str(value)


def _saved(row: dict[str, Any] | None) -> Cell:
    if row is None:
        return Cell(NOTHING)
    text, half = f"{100 * row['saved']:.2f}", (row["saved_high"] - row["saved_low"]) / 2
    if math.isnan(half):
        return Cell(text)
    colour = "good" if row["saved_low"] > 0 else "bad" if row["saved_high"] < 0 else ""
    return Cell(f"{text} ± {100 * half:.2f}", f"number {colour}".rstrip())
