"""Data of the page's script: specifications and sources of figures, filters, rows of runs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pandas as pd

from slimbench.bench.results.results import Results
from slimbench.reports.charts.cells import CELLS, instance_labels, labels
from slimbench.reports.charts.chart import Chart, plain, records
from slimbench.reports.charts.style import SHOWN
from slimbench.reports.statistics.once import with_ratios
from slimbench.reports.tables.numbers import memory_text, ratio_text, time_text

_FILTERED: Final = {"solver": "solver", "dispatch": "dispatch", "top_k": "K", "suite": "suite"}  # titles
_TITLES: Final = ("run", "solver", "instance", "suite", "dispatch", "K", "repeat", "seed", "status", "ratio",
                  "time", "CPU", "memory", "message", "log")  # fmt: skip


@dataclass(frozen=True)
class Interactive:
    """Everything as JSON can hold it.

    Attributes
    ----------
    specifications : Vega-Lite specification of each figure, by its name
    sources : rows of the tables that the figures name
    filters : for each column that has several values: its title, the values, the parameter of figures that
        selects by it, and the column of ``runs``
    runs : titles and rows
    """

    specifications: dict[str, Any]
    sources: dict[str, list[dict[str, Any]]]
    filters: list[dict[str, Any]]
    runs: dict[str, Any]


def interactive(results: Results, figures: list[Chart], folder: Path) -> Interactive:
    """Collect it; ``folder`` is where the page will lie, beside the logs of runs."""
    sources: dict[str, pd.DataFrame] = {}
    for figure in figures:
        sources |= figure.sources
    cells = sources.get(CELLS, pd.DataFrame(columns=list(SHOWN.values())))
    filters: list[dict[str, Any]] = [
        {
            "title": _FILTERED[column],
            "values": list(dict.fromkeys(cells[column].dropna().tolist())),
            "parameter": parameter,
            "run_column": _TITLES.index(_FILTERED[column]),
        }
        for parameter, column in SHOWN.items()
    ]
    return Interactive(
        {figure.name: figure.specification for figure in figures},
        {name: records(frame) for name, frame in sources.items()},
        [of for of in filters if len(of["values"]) > 1],
        {"titles": _TITLES, "rows": _run_rows(results, folder)},
    )


def _run_rows(results: Results, folder: Path) -> list[list[Any]]:
    """A row for each measured run, with names as the figures show them."""
    runs = with_ratios(results)
    solvers = labels(runs["solver"])
    instances = instance_labels(results) if len(runs) else {}
    suites = results.instances.set_index("instance_hash")["suite"] if len(runs) else {}
    return [
        [
            int(run["run_id"]),
            solvers[run["solver"]],
            instances[run["instance_hash"]],
            plain(str(suites[run["instance_hash"]])),
            plain(str(run["dispatch"])),
            None if pd.isna(run["top_k"]) else int(run["top_k"]),
            int(run["repeat"]),
            int(run["seed"]),
            run["status"],
            ratio_text(run["ratio_low"], run["ratio_high"]),
            time_text(run["runtime_s"]),
            time_text(run["cpu_s"]),
            memory_text(run["peak_memory_mb"]),
            plain(run["message"], 300),
            int(run["run_id"]) if (folder / "logs" / f"{run['run_id']}.log").exists() else "",
        ]
        for run in runs.to_dict("records")
    ]
