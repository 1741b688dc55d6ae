"""The tables of the report as text, ready for any template."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import pandas as pd

from slimbench.bench.results.references import standing
from slimbench.bench.results.results import FINISHED_WELL, NOT_RUN, Results
from slimbench.reports.statistics.audit import guarantee_audit, violations
from slimbench.reports.statistics.ratios import ratio_table, runtime_table
from slimbench.reports.tables.numbers import (
    NOTHING,
    factor_text,
    gap_text,
    memory_text,
    ratio_text,
    share_text,
    signed_text,
    time_text,
)

SAVING_DIGITS = 6
MOODS = {"proven": "good", "claimed": "text", "open": "open"}  # of what an optimum is called


@dataclass(frozen=True)
class Cell:
    """Text with what it is: ``name``, ``number`` or ``text``, and ``good``, ``open`` or ``bad``.

    ``href`` is where it leads, relative to the report.
    """

    text: str
    kind: str = "number"
    href: str = ""


@dataclass(frozen=True)
class Table:
    """Column titles and rows; ``data`` is the CSV file that holds the same, if any."""

    titles: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    data: str = ""


def ratios(results: Results) -> Table:
    """Ratios by solver."""
    rows = []
    for row in records(ratio_table(results)):
        statistics = (
            ratio_text(row[f"{s}_low"], row[f"{s}_high"]) for s in ("min", "gmean", "median", "max")
        )
        rows.append(
            [
                Cell(row["solver"], "name"),
                *_counts(row),
                Cell(f"{row['n_placed']} of {row['n_instances']}"),
                Cell(next(statistics)),
                Cell(NOTHING if row["min_low"] == 1 else row["worst_instance"], "name"),
                *map(Cell, statistics),
                Cell(share_text(row["optimal_low"], row["optimal_high"])),
                Cell(factor_text(row["latency_max_low"], row["latency_max_high"])),
            ]
        )
    titles = ("solver", "planned", "ok", "failed", "instances", "min", "worst instance", "geo. mean",
              "median", "max", "optimal", "latency ÷ optimal, worst")  # fmt: skip
    return Table(titles, rows, "ratios")


def runtimes(results: Results) -> Table:
    """Time and memory by solver."""
    times = ("median_s", "shifted_gmean_s", "max_s", "total_s", "cpu_median_s")
    rows = [
        [
            Cell(row["solver"], "name"),
            *_counts(row),
            *(Cell(time_text(row[column])) for column in times),
            Cell(memory_text(row["peak_memory_mb"])),
        ]
        for row in records(runtime_table(results))
    ]
    titles = ("solver", "planned", "ok", "failed", "median", "shifted geo. mean", "max", "total",
              "CPU median", "peak memory")  # fmt: skip
    return Table(titles, rows, "runtimes")


def audit(results: Results) -> Table:
    """Declared guarantees and what became of them."""
    files = instance_links(results)
    moods = {"holds": "good", "violated": "bad", "undecided": "open", "not_applicable": "text"}
    rows = []
    for row in records(guarantee_audit(results)):
        margin = row["margin_high" if row["verdict"] == "violated" else "margin_low"]
        rows.append(
            [
                Cell(row["solver"], "name"),
                Cell(row["claim"] + (" in the mean over seeds" if row["expected"] else ""), "text"),
                Cell(row["verdict"].replace("_", " "), moods[row["verdict"]]),
                Cell(f"{row['n_applicable']} of {row['n_instances']}"),
                Cell(ratio_text(row["worst_low"], row["worst_high"])),
                Cell(row["instance"], "name", files.get(row["instance"], "")),
                Cell(ratio_text(row["guarantee"], row["guarantee"])),
                Cell(ratio_text(row["ratio_low"], row["ratio_high"])),
                Cell(signed_text(margin)),
                Cell(row["conditions"], "text"),
                Cell(row["source"], "text"),
            ]
        )
    titles = ("solver", "claim", "verdict", "applies to", "worst ratio", "tightest instance",
              "guarantee there", "ratio there", "margin", "conditions", "source")  # fmt: skip
    return Table(titles, rows, "guarantee_audit")


def violations_table(results: Results) -> Table:
    """Broken promises."""
    rows = [
        [Cell(row["kind"], "bad"), Cell(row["solver"], "name"), *_texts(row["instance"], row["detail"])]
        for row in records(violations(results))
    ]
    return Table(("kind", "solver", "instance", "what was seen"), rows, "violations")


def references(results: Results) -> Table:
    """What each instance's ratios are measured against."""
    rows = [
        [
            Cell(row["instance"], "name"),
            Cell(time_text(row["saving_s"], SAVING_DIGITS)),
            Cell(time_text(row["bound_saving_s"], SAVING_DIGITS)),
            Cell(gap_text(row["saving_s"], row["bound_saving_s"], bool(row["closed"]))),
            Cell(standing(row), MOODS[standing(row)]),
            *_texts(row["level"], row["solver"] or NOTHING, row["best_by"] or NOTHING),
            Cell(time_text(row["runtime_s"])),
        ]
        for row in records(results.references)
    ]
    titles = ("instance", "best saving per token", "upper bound", "gap", "optimum", "level", "bound by",
              "saving by", "time of the bound")  # fmt: skip
    return Table(titles, rows, "references")


def instances(results: Results) -> Table:
    """What was solved, and what of it was measured."""
    sizes = ("servers", "users", "models", "layers", "experts", "top_k", "activations")
    rows = [
        [
            Cell(row["instance"], "name"),
            Cell(row["dispatch"], "text"),
            *(Cell(_size(row[column])) for column in sizes),
            Cell(row["note"], "text"),
            Cell(row["instance_hash"][:12], "text"),
        ]
        for row in records(results.instances)
    ]
    titles = ("instance", "dispatch", "servers", "users", "models", "layers", "experts", "K", "activations",
              "what is measured, what is drawn", "sha256")  # fmt: skip
    return Table(titles, rows, "instances")


def failures(results: Results) -> Table:
    """Every run that ended otherwise than ``ok``."""
    runs = pd.concat([results.runs.assign(planning=""), results.transfers])
    runs = runs[~runs["status"].isin([FINISHED_WELL, NOT_RUN])]
    rows = [
        [
            Cell(str(row["run_id"]), "number", "" if row["planning"] else f"#run-{row['run_id']}"),
            Cell(row["solver"], "name"),
            Cell(row["instance"] + (f", planned on {row['planning']}" if row["planning"] else ""), "text"),
            Cell(str(row["repeat"])),
            Cell(str(row["seed"])),
            Cell(row["status"].replace("_", " "), "bad"),
            Cell("kept" if not math.isnan(row["saving_s"]) else "none", "text"),
            Cell(time_text(row["time_limit_s"])),
            Cell(row["message"], "text"),
        ]
        for row in records(runs)
    ]
    titles = ("run", "solver", "instance", "repeat", "seed", "status", "placement", "time limit", "message")
    return Table(titles, rows, "runs")


def provenance(results: Results) -> Table:
    """Where the numbers come from."""
    rows = [
        [Cell(key.replace("_", " "), "name"), Cell(value, "text")]
        for key, value in results.provenance.items()
    ]
    return Table(("", ""), rows)


def instance_links(results: Results) -> dict[str, str]:
    """Where the instance's file lies, relative to the report; of several of one name the first."""
    pairs = results.instances[["instance", "file"]] if len(results.instances) else pd.DataFrame()
    return {str(name): quote(str(file)) for name, file in pairs.iloc[::-1].itertuples(index=False)}


def _counts(row: dict[str, Any]) -> Iterable[Cell]:
    waiting = f" ({row['n_not_run']} not run yet)" if row["n_not_run"] else ""
    yield Cell(f"{row['n_planned']}{waiting}")
    yield Cell(str(row["n_ok"]))
    yield Cell(str(row["n_failed"]), "number bad" if row["n_failed"] else "number")


def _texts(*texts: str) -> Iterable[Cell]:
    return (Cell(text, "text") for text in texts)


def _size(value: object) -> str:
    return f"{value:,}" if isinstance(value, int) else str(value)


def records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """The rows of a frame by column."""
    return [{str(key): value for key, value in row.items()} for row in frame.to_dict("records")]
