"""Read a run folder as pandas frames."""

from __future__ import annotations

import contextlib
import json
import math
import os
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

import msgspec
import pandas as pd

from slimbench.bench.isolation.trajectory import gap_integral, primal_integral
from slimbench.bench.results.references import Reference, reference_of
from slimbench.bench.store.store import Store, StoreError
from slimbench.formulations import ContradictionError
from slimbench.formulations.tolerances import ZERO_SAVING
from slimbench.instances.generators.forecast import Forecast

FINISHED_WELL: Final = "ok"
NOT_RUN: Final = "planned"
RUN_COLUMNS: Final = (
    "run_id", "instance", "instance_hash", "dispatch", "top_k", "solver", "solver_name", "parameters",
    "repeat", "seed", "status", "termination", "message", "latency_s", "latency_none_s", "saving_s",
    "bound_saving_s", "runtime_s", "cpu_s", "peak_memory_mb", "primal_integral_s", "gap_integral_s",
    "time_limit_s", "cpu_limit_s", "memory_limit_mb", "threads", "guarantee_ratio", "guarantee_claim",
    "guarantee_conditions", "guarantee_source", "guarantee_expected", "exact", "bounds", "figures",
    "code_version", "machine_id", "load_before", "finished_at",
)  # fmt: skip
_NUMBERS: Final = (
    "latency_s", "latency_none_s", "saving_s", "bound_saving_s", "runtime_s", "cpu_s", "peak_memory_mb",
    "primal_integral_s", "gap_integral_s", "cpu_limit_s", "guarantee_ratio", "load_before",
)  # fmt: skip
TRANSFER_COLUMNS: Final = (
    *RUN_COLUMNS, "planning", "planning_kind", "planning_amount", "planning_seed", "planning_hash",
)  # fmt: skip
REFERENCE_COLUMNS: Final = (*RUN_COLUMNS, "role")
TRAJECTORY_COLUMNS: Final = (
    "run_id", "instance", "solver", "repeat", "seconds", "saving_s", "bound_saving_s",
)  # fmt: skip
_HIDDEN: Final = {"schema_version", "name", "suite_text", "plugin_files", "data"}  # of no use to a reader


@dataclass(frozen=True)
class Results:
    """Everything in a run folder that counts; stale results are only counted, in ``provenance``.

    Attributes
    ----------
    name : str
    runs : DataFrame
        A row for every measured run of the plan whose solver is given the very instance that it is evaluated
        on; NaN where there is no verified placement. ``parameters`` is JSON, ``figures`` a dict;
        ``primal_integral_s`` and ``gap_integral_s`` are those of ``trajectory`` over the
        run's time limit, NaN for a run that is only planned.
    references : DataFrame
        A row for every instance: the bracket of its optimum (``Reference``).
    instances : DataFrame
        A row for each: its ``file`` in the run folder, its sizes, ``capacity_share`` = mean over the servers
        of capacity / bytes of all experts, the ``suite`` that planned it, name and number of the suite's
        ``entry`` and what of that is ``swept`` (JSON), and a ``note`` on where its numbers come from.
    provenance : dict of str
        Facts about the run and about the machines that its rows were made on, each after its ``machine_id``
        where there are several; ``code of SOLVER`` for every solver measured; ``stale results of SOLVER``;
        ``damaged``, the cells of the results file that are not what they must be.
    trajectories : DataFrame
        Measured runs over time, a row wherever the best verified saving or the least claimed bound
        improves: ``seconds`` since the solver's start, ``saving_s`` and ``bound_saving_s`` so far, NaN
        before the first.
    plugin_files : tuple of str
        Files whose solvers the run was made with.
    reference_runs : DataFrame
        The runs that are there for the references alone: the columns of ``runs``, and their ``role``.
    transfers : DataFrame
        The other measured runs: the solver was given another instance, and its placement is evaluated on
        ``instance``. The columns of ``runs``, without bounds, guarantees and integrals, and ``planning``
        such as ``tokens=16,seed=3``, its ``planning_kind``, ``planning_amount`` and ``planning_seed``
        (``forecast.Forecast``), and the ``planning_hash`` of the instance planned on.
    """

    name: str
    runs: pd.DataFrame
    references: pd.DataFrame
    instances: pd.DataFrame
    provenance: dict[str, str]
    trajectories: pd.DataFrame = field(default_factory=lambda: _trajectories([]))
    plugin_files: tuple[str, ...] = ()
    transfers: pd.DataFrame = field(default_factory=lambda: _transfers([]))
    reference_runs: pd.DataFrame = field(default_factory=lambda: _typed([], REFERENCE_COLUMNS))


def load_results(folder: str | os.PathLike[str]) -> Results:
    """Read a run folder, finished or not.

    Raises
    ------
    StoreError
        If it is not one.
    """
    folder = Path(folder)
    with contextlib.closing(Store.snapshot(folder)) as store:
        rows, instances, meta = store.runs(), store.instances(), store.meta()
        machines, stale = store.machines(), store.stale_runs()
        damaged = {"damaged": "; ".join(map(str, store.bad_cells))} if store.bad_cells else {}
    finished: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in rows:
        if row["status"] != NOT_RUN:
            finished[row["instance_hash"]].append(row)
    brackets = {row["instance_hash"]: _reference(finished[row["instance_hash"]]) for row in instances}
    measured = [row for row in rows if row["role"] == "measure" and row["planning_hash"] is None]
    runs = _typed([row | _integrals(row, brackets[row["instance_hash"]]) for row in measured], RUN_COLUMNS)
    return Results(
        name=meta.get("name", folder.name),
        runs=runs,
        references=pd.DataFrame(
            {key: row[key] for key in ("instance", "instance_hash")} | asdict(brackets[row["instance_hash"]])
            for row in instances
        ),
        instances=pd.DataFrame(instances).astype({"capacity_share": float}),
        provenance=_provenance(meta, machines, rows, stale) | damaged,
        trajectories=_trajectories(measured),
        plugin_files=_plugin_files(folder, meta),
        transfers=_transfers([row for row in rows if row["planning_hash"] is not None]),
        reference_runs=_typed([row for row in rows if row["role"] != "measure"], REFERENCE_COLUMNS),
    )


def _plugin_files(folder: Path, meta: Mapping[str, str]) -> tuple[str, ...]:
    try:
        return msgspec.json.decode(meta.get("plugin_files", "[]"), type=tuple[str, ...])
    except msgspec.DecodeError:
        raise StoreError(f"{folder}: meta: plugin_files: expected a JSON list of texts") from None


def _typed(rows: list[dict[str, Any]], columns: Sequence[str]) -> pd.DataFrame:
    """Rows of runs as a frame whose columns have their types, also where all are empty."""
    runs = pd.DataFrame(rows, columns=pd.Index(columns))
    for column in _NUMBERS:
        runs[column] = pd.to_numeric(runs[column]).astype(float)
    for column in ("exact", "bounds", "guarantee_expected"):
        runs[column] = runs[column].astype(bool)
    return runs


def _transfers(rows: Iterable[Mapping[str, Any]]) -> pd.DataFrame:
    described = []
    for row in rows:
        planning = msgspec.json.decode(row["planning"], type=Forecast)
        own = {f"planning_{name}": getattr(planning, name) for name in ("kind", "amount", "seed")}
        described.append({**row, "planning": planning.label, **own})
    return _typed(described, TRANSFER_COLUMNS)


def _trajectories(runs: Iterable[Mapping[str, Any]]) -> pd.DataFrame:
    """The steps of all runs, one after another."""
    steps = [
        (run["run_id"], run["instance"], run["solver"], run["repeat"], *step)
        for run in runs
        for step in json.loads(run["trajectory"])
    ]
    numbers = dict.fromkeys(TRAJECTORY_COLUMNS[-3:], float)
    return pd.DataFrame(steps, columns=pd.Index(TRAJECTORY_COLUMNS)).astype(numbers)


def _integrals(row: Mapping[str, Any], reference: Reference) -> dict[str, float]:
    """Both integrals of a run over its time limit; savings that are rounding count as 0."""
    if row["status"] == NOT_RUN:
        return {"primal_integral_s": math.nan, "gap_integral_s": math.nan}
    zero = ZERO_SAVING * reference.latency_none_s
    best = 0.0 if reference.saving_s <= zero else reference.saving_s
    steps, limit = json.loads(row["trajectory"]), row["time_limit_s"]
    gap = 0.0 if reference.bound_saving_s <= zero else gap_integral(steps, best, limit)
    return {"primal_integral_s": primal_integral(steps, best, limit), "gap_integral_s": gap}


def _provenance(
    meta: Mapping[str, str],
    machines: Mapping[str, Mapping[str, str]],
    rows: Iterable[Mapping[str, Any]],
    stale: Iterable[Mapping[str, Any]],
) -> dict[str, str]:
    """Where the rows that count come from, and how many there are that do not."""
    facts = {key: value for key, value in meta.items() if key not in _HIDDEN}
    used: set[str] = set()
    codes: dict[str, set[str]] = defaultdict(set)
    for row in rows:
        if row["status"] == NOT_RUN:
            continue
        if row["machine_id"] is not None:  # else its cell was damaged
            used.add(row["machine_id"])
        if row["role"] == "measure":
            codes[row["solver"]].add(row["code_version"])
    for machine_id in sorted(used):
        prefix = f"{machine_id} " if len(used) > 1 else ""
        facts |= {prefix + key: value for key, value in machines[machine_id].items()}
    facts |= {f"code of {solver}": "; ".join(sorted(versions)) for solver, versions in codes.items()}
    for row in stale:
        key, text = f"stale results of {row['solver']}", f"{row['n']} by {row['code_version']}"
        facts[key] = f"{facts[key]}; {text}" if key in facts else text
    return facts


def _reference(rows: list[dict[str, Any]]) -> Reference:
    """The reference, without any bound where the claims contradict each other."""
    try:
        return reference_of(rows)
    except ContradictionError:
        return reference_of([row | {"bound_saving_s": None} for row in rows])
