"""How long a plan may take, by its limits and by what earlier runs took."""

from __future__ import annotations

import contextlib
from collections import defaultdict
from pathlib import Path
from statistics import median

from slimbench.bench.store.store import Store, StoreError
from slimbench.bench.suites.plan import Plan


def estimate(plan: Plan, runs: Path) -> tuple[float, int, float]:
    """Seconds that a plan may take, one run at a time.

    Parameters
    ----------
    runs : Path
        Folder of earlier run folders.

    Returns
    -------
    expected_s : float
        The median of earlier runs of the same solver call on the same instance; else of the same call; else
        the limit.
    n_known : int
        How many of the planned runs have such an earlier one on the same instance.
    limit_s : float
        If every run took all of its time limit.
    """
    on_instance: dict[tuple[str, str], list[float]] = defaultdict(list)
    of_solver: dict[str, list[float]] = defaultdict(list)
    for folder in sorted(path.parent for path in runs.glob("*/results.sqlite")):
        with contextlib.suppress(StoreError), contextlib.closing(Store.snapshot(folder)) as store:
            for row in store.runs("runtime_s IS NOT NULL"):
                on_instance[row["instance_hash"], row["solver"]].append(row["runtime_s"])
                of_solver[row["solver"]].append(row["runtime_s"])
    expected_s, n_known = 0.0, 0
    for row in plan.runs:
        cell = row["instance_hash"], row["solver"]
        n_known += cell in on_instance
        earlier = on_instance.get(cell) or of_solver.get(row["solver"]) or [row["time_limit_s"]]
        expected_s += median(earlier)
    return expected_s, n_known, sum(row["time_limit_s"] for row in plan.runs)
