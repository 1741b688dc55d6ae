"""A comparison of two runs on the terminal, as Markdown and as JSON."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

import pandas as pd
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from slimbench.bench.results.compare import NOISE_S, Comparison

Row = Mapping[str, Any]

DASH: Final = "\N{EN DASH}"
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
_WIDE_ENOUGH: Final = 170  # columns, for the table in a file or a pipe
_MARKDOWN: Final = re.compile(r"([\\`*_\[\]<>|#~$&])")


def shown_rows(comparison: Comparison, sort: str, only_changed: bool) -> list[dict[str, Any]]:
    """The rows of ``comparison.solvers`` that are shown, in the order that is asked for."""
    rows = _records(comparison.solvers)
    if only_changed:
        rows = [row for row in rows if row["verdict"] not in UNCHANGED]
    return sorted(rows, key=SORTS[sort])


def print_comparison(comparison: Comparison, rows: list[dict[str, Any]], console: Console) -> None:
    """Print a table of the rows and what else there is to say."""
    table = Table(title=f"{escape(comparison.before)} (before) and {escape(comparison.after)} (after)")
    for header in HEADERS:
        table.add_column(header, no_wrap=header == "solver")
    for row in rows:
        table.add_row(*map(escape, _cells(row)), style=STYLES.get(row["verdict"]))
    wide = Console(width=None if console.is_terminal else _WIDE_ENOUGH, file=console.file)
    wide.print(table)
    for line in _lines(comparison):
        console.print(line, markup=False, highlight=False, soft_wrap=True)


def as_markdown(comparison: Comparison, rows: list[dict[str, Any]]) -> str:
    """The same as a Markdown table and list."""
    lines = [
        f"# {_escaped(comparison.before)} (before) and {_escaped(comparison.after)} (after)",
        "",
        f"| {' | '.join(HEADERS)} |",
        f"|{' --- |' * len(HEADERS)}",
        *(f"| {' | '.join(map(_escaped, _cells(row)))} |" for row in rows),
        "",
        *(f"* {_escaped(line)}" for line in _lines(comparison)),
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
        _ratio(row[f"{side}_low"], row[f"{side}_high"])
        if row["measure"] == "quality"
        else _time(row[f"{side}_low"])
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


def _lines(comparison: Comparison) -> Iterator[str]:
    """What a table of factors does not say: runs that end worse, and what else differs."""
    for row in _records(comparison.worse_statuses):
        yield f"ends worse: {row['solver']} on {row['instance']}: {row['before']} -> {row['after']}"
    for row in _records(comparison.origins):
        yield f"{row['solver']}: {'; '.join(_origins(row)) or 'same code, machine, settings and references'}"
    yield (
        f"runtimes that differ by less than {_time(NOISE_S)} or within the spread of their repeats "
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


def _ratio(low: float, high: float) -> str:
    """Rounded down at the low end and up at the high end; a point is rounded down."""
    if math.isnan(low):
        return DASH
    first = f"{math.floor(low * 1e4 + 1e-5) / 1e4:.4f}"
    return first if low == high else f"{first}{DASH}{math.ceil(high * 1e4 - 1e-5) / 1e4:.4f}"


def _time(seconds: float) -> str:
    if math.isnan(seconds):
        return DASH
    return f"{seconds:.3g} s" if seconds >= 1 else f"{seconds * 1000:.3g} ms"


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
