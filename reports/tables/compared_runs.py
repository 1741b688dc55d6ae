"""A comparison of two runs on the terminal, as Markdown and as JSON."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

import pandas as pd
from rich.markup import escape
from rich.table import Table

from slimbench.bench.results.compare import NOISE_S, Comparison
from slimbench.reports.tables.numbers import DASH, ratio_text, time_text

Row = Mapping[str, Any]

ORDER: Final = ("worse", "changed, not significant", "better", "same", "too few to test")
UNCHANGED: Final = {"same", "too few to test"}
STYLES: Final = {"worse": "red", "better": "green", "changed, not significant": "yellow"}
HEADERS: Final = (
    "solver", "measure", "before", "after", "factor", "p", "verdict", "worse / better / of", "worst on",
)  # fmt: skip
SORTS: Final[dict[str, Callable[[Row], Any]]] = {
    "verdict": lambda row: ORDER.index(row["verdict"]),
    "solver": lambda row: row["solver"],
    "factor": lambda row: -abs(math.log(row["factor"])) if row["factor"] > 0 else 0.0,
    "p": lambda row: 2.0 if math.isnan(row["p_value"]) else row["p_value"],
}
_MARKDOWN: Final = re.compile(r"([\\`*_\[\]<>|#~$&])")


def shown_rows(comparison: Comparison, sort: str, only_changed: bool) -> list[dict[str, Any]]:
    """The rows of ``comparison.solvers`` that are shown, in the order that is asked for."""
    rows = _records(comparison.solvers)
    if only_changed:
        rows = [row for row in rows if row["verdict"] not in UNCHANGED]
    return sorted(rows, key=SORTS[sort])


def as_table(comparison: Comparison, rows: list[dict[str, Any]]) -> Table:
    """The rows as a table for the terminal."""
    table = Table(title=f"{escape(comparison.before)} (before) and {escape(comparison.after)} (after)")
    for header in HEADERS:
        table.add_column(header, no_wrap=header == "solver")
    for row in rows:
        table.add_row(*map(escape, _cells(row)), style=STYLES.get(row["verdict"]))
    return table


def as_markdown(comparison: Comparison, rows: list[dict[str, Any]]) -> str:
    """The same as a Markdown table and list."""
    lines = [
        f"# {_escaped(comparison.before)} (before) and {_escaped(comparison.after)} (after)",
        "",
        f"| {' | '.join(HEADERS)} |",
        f"|{' --- |' * len(HEADERS)}",
        *(f"| {' | '.join(map(_escaped, _cells(row)))} |" for row in rows),
        "",
        *(f"* {_escaped(line)}" for line in further_lines(comparison)),
    ]
    return "\n".join(lines)


def as_json(comparison: Comparison, rows: list[dict[str, Any]]) -> str:
    """All of it, with ``null`` for what is unknown."""
    content = {
        "before": comparison.before,
        "after": comparison.after,
        "is_regression": comparison.is_regression,
        "solvers": rows,
        "worse_statuses": _records(comparison.worse_statuses),
        "origins": _records(comparison.origins),
        "contradictions": list(comparison.contradictions),
        "cells": _records(comparison.cells),
    }
    return json.dumps(_strict(content), indent=2, allow_nan=False)


def _cells(row: Row) -> tuple[str, ...]:
    """A row as the texts under ``HEADERS``."""
    before, after = (
        ratio_text(row[f"{side}_low"], row[f"{side}_high"])
        if row["measure"] == "quality"
        else time_text(row[f"{side}_low"])
        for side in ("before", "after")
    )
    p_value = row["p_value"]
    worst = f"{row['worst_instance']} ({_factor(row['worst_factor'])})" if row["worst_instance"] else DASH
    return (
        row["solver"],
        row["measure"],
        before,
        after,
        _factor(row["factor"]),
        DASH if math.isnan(p_value) else f"{p_value:.2g}",
        row["verdict"],
        f"{row['n_worse']} / {row['n_better']} / {row['n_instances']}",
        worst,
    )


def further_lines(comparison: Comparison) -> Iterator[str]:
    """What a table of factors does not say: runs that end worse, and what else differs."""
    for row in _records(comparison.worse_statuses):
        yield f"ends worse: {row['solver']} on {row['instance']}: {row['before']} -> {row['after']}"
    for row in _records(comparison.origins):
        yield f"{row['solver']}: {'; '.join(_origins(row)) or 'same code, machine, settings and references'}"
    yield (
        f"runtimes that differ by less than {time_text(NOISE_S)} or within the spread of their repeats "
        "count as the same"
    )


def _origins(row: Row) -> Iterator[str]:
    if row["code_before"] != row["code_after"]:
        yield f"code changed ({row['code_before']} -> {row['code_after']})"
    if row["machines_before"] != row["machines_after"]:
        yield f"machine or its packages changed ({row['machines_before']} -> {row['machines_after']})"
    if row["settings_changed"]:
        yield f"settings changed ({row['settings_changed']})"
    if row["n_references_changed"]:
        yield f"reference changed on {row['n_references_changed']} of {row['n_instances']} instances"


def _factor(factor: float) -> str:
    return DASH if math.isnan(factor) else f"{factor:.3f}"


def _escaped(text: str) -> str:
    return _MARKDOWN.sub(r"\\\1", text)


def _records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    return [{str(key): value for key, value in row.items()} for row in frame.to_dict("records")]


def _strict(value: Any) -> Any:
    """The same without NaN and infinity, which JSON does not have."""
    if isinstance(value, dict):
        return {key: _strict(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_strict(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
