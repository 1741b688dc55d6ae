"""The worst cases, and what becomes of ratios and times over many instances, as text."""

from __future__ import annotations

from typing import Any

from slimbench.bench.results.results import Results
from slimbench.reports.statistics.aggregates import aggregate_table
from slimbench.reports.statistics.by_top_k import by_top_k
from slimbench.reports.statistics.pareto import pareto_front
from slimbench.reports.statistics.runtime_fits import runtime_fits
from slimbench.reports.statistics.solver_pairs import FAST, SLOW, pair_summary, solver_pair
from slimbench.reports.statistics.worst_cases import worst_cases
from slimbench.reports.tables.numbers import (
    NOTHING,
    estimate_text,
    factor_text,
    percent_text,
    ratio_text,
    tally_text,
    time_text,
    times_text,
)
from slimbench.reports.tables.tables import MOODS, Cell, Table, instance_links, records


def worst(results: Results) -> Table:
    """The lowest ratio of each solver, and the command that makes it again."""
    links = instance_links(results)
    rows = [
        [
            Cell(row["solver"], "name"),
            Cell("no placement", "number bad") if row["n_unplaced"] == row["n_ended"] else Cell(_ratio(row)),
            Cell(row["instance"], "name", links.get(row["instance"], "")),
            Cell(row["optimum"], MOODS[row["optimum"]]),
            Cell(str(row["run_id"]), "number", f"#run-{row['run_id']}"),
            Cell(row["status"].replace("_", " "), "text"),
            Cell(f"{row['n_failed']} of {row['n_ended']}", "number bad" if row["n_failed"] else "number"),
            Cell(row["command"], "text"),
        ]
        for row in records(worst_cases(results))
    ]
    titles = ("solver", "lowest ratio", "instance", "optimum", "run", "status", "failed runs",
              "command that makes it again")  # fmt: skip
    return Table(titles, rows, "worst_cases")


def aggregates(results: Results) -> Table:
    """Ratios and times over survivors, with failures penalised, and over the intersection."""
    rows = [
        [
            Cell(row["mode"], "text"),
            Cell(row["solver"], "name"),
            Cell(str(row["n_planned"])),
            Cell(str(row["n_ok"])),
            Cell(str(row["n_failed"]), "number bad" if row["n_failed"] else "number"),
            Cell(f"{row['n_instances']} of {row['n_all']}"),
            Cell(_ratio(row, "min_")),
            Cell(_ratio(row, "gmean_")),
            Cell(_confidence(row)),
            Cell(_ratio(row, "median_")),
            Cell(_ratio(row, "max_")),
            Cell(factor_text(row["latency_max_low"], row["latency_max_high"])),
            Cell(time_text(row["shifted_gmean_s"])),
            Cell(str(row["n_timed"])),
        ]
        for row in records(aggregate_table(results))
    ]
    titles = ("over", "solver", "planned", "ok", "failed", "instances", "min", "geo. mean", "95 % interval",
              "median", "max", "latency ÷ optimal, worst", "shifted geo. mean of time",
              "instances timed")  # fmt: skip
    return Table(titles, rows, "aggregates")


def fits(results: Results) -> Table:
    """Exponents of runtime against activations."""
    rows = [
        [
            Cell(row["solver"], "name"),
            Cell(str(row["n_instances"])),
            Cell(str(row["n_untimed"]), "number bad" if row["n_untimed"] else "number"),
            Cell(str(row["n_sizes"])),
            Cell(tally_text(row["activations_min"])),
            Cell(tally_text(row["activations_max"])),
            Cell(estimate_text(row["exponent"], row["exponent_low"], row["exponent_high"])),
            Cell(time_text(row["seconds_at_max"])),
        ]
        for row in records(runtime_fits(results))
    ]
    titles = ("solver", "instances", "without a time", "sizes", "fewest activations", "most activations",
              "exponent (95 % interval)", "fitted time at the most")  # fmt: skip
    return Table(titles, rows, "runtime_fits")


def top_k(results: Results) -> Table:
    """Ratios by K."""
    rows = [
        [
            Cell(row["solver"], "name"),
            Cell(str(row["top_k"])),
            Cell(f"{row['n_placed']} of {row['n_instances']}"),
            Cell(_ratio(row, "min_")),
            Cell(NOTHING if row["min_low"] == 1 else row["worst_instance"], "name"),
            Cell(_ratio(row, "gmean_")),
        ]
        for row in records(by_top_k(results))
    ]
    titles = ("solver", "K", "instances", "min", "worst instance", "geo. mean")
    return Table(titles, rows, "by_top_k")


def pair(results: Results, slow: str = SLOW, fast: str = FAST) -> Table:
    """Two calls instance by instance; empty where one of them is not in the run."""
    rows = [
        [
            Cell(row["instance"], "name"),
            Cell(f"{row['activations']:,}"),
            Cell(time_text(row["slow_s"])),
            Cell(time_text(row["fast_s"])),
            Cell(times_text(row["time_factor"])),
            Cell(percent_text(row["loss"])),
        ]
        for row in records(solver_pair(results, slow, fast))
    ]
    titles = ("instance", "activations", slow, fast, "times as fast", "saving lost")
    return Table(titles, rows, "solver_pair")


def pair_in_short(results: Results, slow: str = SLOW, fast: str = FAST) -> Table:
    """The same in one row."""
    rows = [
        [
            Cell(row["slow"], "name"),
            Cell(row["fast"], "name"),
            Cell(str(row["n_instances"])),
            Cell(str(row["n_timed"])),
            *(Cell(times_text(row[f"time_factor_{s}"])) for s in ("min", "gmean", "max")),
            Cell(percent_text(row["loss_max"])),
            Cell(row["worst_instance"], "name"),
            Cell(percent_text(row["loss_mean"])),
        ]
        for row in records(pair_summary(solver_pair(results, slow, fast)))
    ]
    titles = ("slow", "fast", "instances", "timed", "times as fast, least", "geo. mean", "most",
              "saving lost, most", "on", "mean")  # fmt: skip
    return Table(titles, rows, "solver_pair_summary")


def front(results: Results) -> Table:
    """Ratio against time on the instances that all solvers answered."""
    rows = [
        [
            Cell(row["solver"], "name"),
            Cell(str(row["n_instances"])),
            Cell(_ratio(row)),
            Cell(time_text(row["seconds"])),
            Cell("on the front", "good") if row["on_front"] else Cell("dominated", "text"),
        ]
        for row in records(pareto_front(results))
    ]
    titles = ("solver", "instances", "geo. mean of the ratio", "shifted geo. mean of time", "Pareto front")
    return Table(titles, rows, "pareto_front")


def _ratio(row: dict[str, Any], statistic: str = "ratio_") -> str:
    return ratio_text(row[f"{statistic}low"], row[f"{statistic}high"])


def _confidence(row: dict[str, Any]) -> str:
    """Said of the arithmetic mean where it is of that one."""
    text = ratio_text(row["ci_low"], row["ci_high"])
    return f"{text} (mean)" if row["ci_of"] == "mean" and text != NOTHING else text
