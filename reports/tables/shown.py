"""Frames as tables show them, where those differ from the CSV files."""

from __future__ import annotations

import math
import string
from typing import Any
from urllib.parse import quote

import pandas as pd

from slimbench.bench.results.references import standing
from slimbench.bench.results.results import FINISHED_WELL, NOT_RUN, Results
from slimbench.reports.statistics.comparisons import TOO_FEW, Friedman, cliques, pairwise
from slimbench.reports.statistics.sweeps import BASELINE, PARAMETERS
from slimbench.reports.tables.numbers import NOTHING, count_text, p_value_text, value_text
from slimbench.reports.tables.tables import Cell, Table, records


def with_files(frame: pd.DataFrame, results: Results) -> pd.DataFrame:
    """With ``file``, where the instance lies, relative to the report; of several of one name the first."""
    pairs = results.instances[["instance", "file"]] if len(results.instances) else pd.DataFrame()
    links = {str(name): quote(str(file)) for name, file in pairs.iloc[::-1].itertuples(index=False)}
    return frame.assign(file=[links.get(name, "") for name in frame["instance"]])


def references(results: Results) -> pd.DataFrame:
    """With ``optimum``, what the optimum is called."""
    return results.references.assign(optimum=[standing(row) for row in records(results.references)])


def failures(results: Results) -> pd.DataFrame:
    """Every run that ended otherwise than ``ok``."""
    runs = pd.concat([results.runs.assign(planning=""), results.transfers])
    return runs[~runs["status"].isin([FINISHED_WELL, NOT_RUN])]


def ranks(ranked: pd.DataFrame, results: Results) -> pd.DataFrame:
    """Average ranks with ``letters``; solvers that share one are not shown to differ."""
    groups = cliques(results)
    no_letter = "not tested" if pairwise(results)["verdict"].eq(TOO_FEW).any() else "none"
    letters = [
        " ".join(map(_letters, groups.loc[groups["solver"].eq(solver), "clique"]))
        for solver in ranked["solver"]
    ]
    return ranked.assign(letters=[own or no_letter for own in letters])


def friedman_sentence(test: Friedman) -> str:
    """What the ranks are over, and whether all solvers may be equally good."""
    left_out = f" Not compared for want of any placement: {', '.join(test.left_out)}." * bool(test.left_out)
    if test.remark:
        return f"No test of all solvers together: {test.remark}.{left_out}"
    over = f"Over {count_text(test.n_blocks, 'instance')} on which all {test.n_solvers} have a placement"
    dropped = f" ({count_text(test.n_dropped, 'other')} not counted)" if test.n_dropped else ""
    found = f"chi-square {test.statistic:.2f}, p = {p_value_text(test.p_value)}"
    return f"{over}{dropped}, Friedman's test gives {found}.{left_out}"


def against_greedy(table: pd.DataFrame) -> Table:
    """A row for each point of a ``sweep_table``, a column for each solver; empty without the baseline."""
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


def provenance(facts: dict[str, str]) -> Table:
    """Where the numbers come from."""
    rows = [[Cell(key.replace("_", " "), "name"), Cell(value, "text")] for key, value in facts.items()]
    return Table(("", ""), rows)


def _letters(number: int) -> str:
    """Letters as columns of a spreadsheet have them: a to z, then aa, ab and so on."""
    text = ""
    number += 1
    while number:
        number, digit = divmod(number - 1, len(string.ascii_lowercase))
        text = string.ascii_lowercase[digit] + text
    return text


def _saved(row: dict[str, Any] | None) -> Cell:
    if row is None:
        return Cell(NOTHING)
    text, half = f"{100 * row['saved']:.2f}", (row["saved_high"] - row["saved_low"]) / 2
    if math.isnan(half):
        return Cell(text)
    colour = " good" if row["saved_low"] > 0 else " bad" if row["saved_high"] < 0 else ""
    return Cell(f"{text} ± {100 * half:.2f}", f"number{colour}")
