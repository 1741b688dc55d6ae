"""Lowest ratio of each solver, and the command that repeats that run."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from typing import Any, Final

import pandas as pd

from slimbench.bench.results.references import standing
from slimbench.bench.results.results import FINISHED_WELL, NOT_RUN, Results
from slimbench.reports.statistics.once import once, with_ratios

_COLUMNS: Final = (
    "solver", "exact", "ratio_low", "ratio_high", "optimum", "instance", "instance_hash", "run_id", "repeat",
    "seed", "status", "n_ended", "n_failed", "n_unplaced", "command",
)  # fmt: skip


@once
def worst_cases(results: Results) -> pd.DataFrame:
    """One row for each solver: its run with the lowest ratio, the lowest of all first.

    Of equal ones the first in the plan; single runs are looked at, not medians over repeats. A solver that
    has no placement at all stands above all others, with the first of its runs.

    Columns
    -------
    ratio_low, ratio_high, optimum
        The ratio that the bound leaves and the one that is possible, and what the optimum is called
        (``references.standing``).
    instance, instance_hash, run_id, repeat, seed, status
        Of that run.
    n_ended, n_failed, n_unplaced
        Runs of the solver that have ended, of those the ones that did not end ``ok``, and the ones without a
        verified placement, which have no ratio.
    command
        A line for the shell that makes the run anew from within the run folder, on one thread. A solver that
        is stopped by the clock may end with another placement.
    """
    runs = with_ratios(results)
    runs = runs[runs["status"].ne(NOT_RUN)]
    optima = {row["instance_hash"]: standing(row) for row in results.references.to_dict("records")}
    files = results.instances.set_index("instance_hash")["file"] if len(runs) else pd.Series(dtype=str)
    rows = []
    for _, own in runs.groupby("solver", sort=False):
        worst = own.sort_values(["ratio_low", "ratio_high"], kind="stable", na_position="last").iloc[0]
        case = {str(key): value for key, value in worst.items()}
        case |= {
            "optimum": optima[case["instance_hash"]],
            "n_ended": len(own),
            "n_failed": int(own["status"].ne(FINISHED_WELL).sum()),
            "n_unplaced": int(own["ratio_low"].isna().sum()),
            "command": _command(case, str(files[case["instance_hash"]]), results.plugin_files),
        }
        rows.append(case)
    table = pd.DataFrame(rows, columns=pd.Index(_COLUMNS))
    return table.sort_values(
        ["ratio_low", "ratio_high"], kind="stable", na_position="first", ignore_index=True
    )


def _command(run: Mapping[str, Any], file: str, plugin_files: tuple[str, ...]) -> str:
    return shlex.join([
        "slimbench", "solve", f"./{file}" if file.startswith("-") else file,  # else an option
        "--solver", run["solver"], "--seed", str(run["seed"]),
        "--time-limit", f"{run['time_limit_s']:.15g}", "--memory-limit", f"{run['memory_limit_mb']:.15g}",
        *(part for path in plugin_files for part in ("--plugin", path)),
    ])  # fmt: skip
