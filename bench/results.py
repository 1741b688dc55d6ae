"""A run folder as pandas frames: what reports and users read."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

import pandas as pd

from slimbench.bench.references import Reference, reference_of
from slimbench.bench.store import Store
from slimbench.formulations import ContradictionError

RUN_COLUMNS: Final = (
    "run_id", "instance", "instance_hash", "dispatch", "top_k", "solver", "solver_name", "repeat", "seed",
    "status", "termination", "message", "latency_s", "latency_none_s", "saving_s", "bound_saving_s",
    "runtime_s", "cpu_s", "peak_memory_mb", "time_limit_s", "memory_limit_mb", "guarantee_ratio",
    "guarantee_claim", "guarantee_conditions", "guarantee_source", "guarantee_expected", "exact", "figures",
)  # fmt: skip
_NUMBERS: Final = (
    "latency_s", "latency_none_s", "saving_s", "bound_saving_s", "runtime_s", "cpu_s", "peak_memory_mb",
    "guarantee_ratio",
)  # fmt: skip
TRAJECTORY_COLUMNS: Final = (
    "run_id", "instance", "solver", "repeat", "seconds", "saving_s", "bound_saving_s",
)  # fmt: skip


@dataclass(frozen=True)
class Results:
    """Everything a run folder holds.

    Attributes
    ----------
    name : str
    runs : DataFrame
        A row for every planned measured run; NaN where there is no verified placement.
    references : DataFrame
        A row for every instance: the bracket of its optimum (``Reference``).
    instances : DataFrame
    provenance : dict of str
    trajectories : DataFrame
        Measured runs over time, a row wherever the best verified saving or the least claimed bound
        improves: ``seconds`` since the solver's start, ``saving_s`` and ``bound_saving_s`` so far, NaN
        before the first.
    """

    name: str
    runs: pd.DataFrame
    references: pd.DataFrame
    instances: pd.DataFrame
    provenance: dict[str, str]
    trajectories: pd.DataFrame = field(default_factory=lambda: _trajectories([]))


def load_results(folder: Path) -> Results:
    """Read a run folder, finished or not.

    Raises
    ------
    StoreError
        If it is not one.
    """
    store = Store.open(folder)
    try:
        rows, instances, meta = store.runs(), store.instances(), store.meta()
    finally:
        store.close()
    measured = [row for row in rows if row["role"] == "measure"]
    runs = pd.DataFrame(measured, columns=pd.Index(RUN_COLUMNS))
    for column in _NUMBERS:
        runs[column] = pd.to_numeric(runs[column]).astype(float)
    for column in ("exact", "guarantee_expected"):
        runs[column] = runs[column].astype(bool)
    references = []
    for instance in instances:
        own = [
            r for r in rows if r["instance_hash"] == instance["instance_hash"] and r["status"] != "planned"
        ]
        identity = {key: instance[key] for key in ("instance", "instance_hash")}
        references.append(identity | asdict(_reference(own)))
    hidden = {"schema_version", "name", "suite_text", "plugin_files"}
    return Results(
        name=meta.get("name", folder.name),
        runs=runs,
        references=pd.DataFrame(references),
        instances=pd.DataFrame(instances).drop(columns="file"),
        provenance={key: value for key, value in meta.items() if key not in hidden},
        trajectories=_trajectories(measured),
    )


def _trajectories(runs: Iterable[Mapping[str, Any]]) -> pd.DataFrame:
    """The steps of all runs, one after another."""
    steps = [
        (run["run_id"], run["instance"], run["solver"], run["repeat"], *step)
        for run in runs
        for step in json.loads(run["trajectory"])
    ]
    numbers = dict.fromkeys(TRAJECTORY_COLUMNS[-3:], float)
    return pd.DataFrame(steps, columns=pd.Index(TRAJECTORY_COLUMNS)).astype(numbers)


def _reference(rows: list[dict[str, Any]]) -> Reference:
    """The reference, without any bound where the claims contradict each other."""
    try:
        return reference_of(rows)
    except ContradictionError:
        return reference_of([_without_bound(row) for row in rows])


def _without_bound(row: Mapping[str, Any]) -> dict[str, Any]:
    return {**row, "bound_saving_s": None}
