"""Run folders made by hand: a row says only what a test is about, everything else has a default."""

from __future__ import annotations

import contextlib
import json
import sqlite3
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from slimbench.bench.store.store import FILE_NAME, Store

PATIENCE_S = 60

PLANNED = {
    "role": "measure", "planning": None, "planning_hash": None, "parameters": "{}", "library": "a",
    "exact": False, "bounds": False, "repeat": 0, "seed": 1,
    "time_limit_s": 10.0, "cpu_limit_s": None, "memory_limit_mb": 1000.0, "threads": 1,
    "code_version": "sources 1", "guarantee_claim": "", "guarantee_conditions": "", "guarantee_source": "",
    "guarantee_expected": False,
}  # fmt: skip
RESULT = {
    "status": "ok", "termination": "feasible", "message": "", "latency_none_s": 2.0, "saving_s": 1.0,
    "bound_saving_s": None, "runtime_s": 0.5, "cpu_s": 0.5, "peak_memory_mb": 100.0, "figures": "{}",
    "trajectory": "[]", "load_before": 0.25, "finished_at": "2026-01-01T00:00:00+00:00",
}  # fmt: skip
MACHINE = {"machine_id": "m1", "machine": "Linux", "python": "3.11"}


def write_run(
    folder: Path,
    rows: Sequence[Mapping[str, Any]],
    *,
    machine: Mapping[str, str] = MACHINE,
    meta: Mapping[str, str] = {"suite": "s", "planned": "2026-01-01"},
) -> Path:
    """Make a run folder of rows such as ``{"solver": "a[x=1]", "instance": "tiny", "saving_s": 1.0}``.

    A row whose status is ``planned`` stays so; the columns of an instance's name decide its hash and file,
    which is written with that name as its text. ``planned_on`` is the name of another instance.
    """
    (folder / "instances").mkdir(parents=True)
    (folder / "logs").mkdir()
    names = dict.fromkeys(row.get("instance", "tiny") for row in rows)
    names |= dict.fromkeys(row["planned_on"] for row in rows if "planned_on" in row)
    for name in names:
        (folder / "instances" / f"{name}.npz").write_text(name)
    instances = [
        {
            "instance_hash": f"hash-{name}", "instance": name, "file": f"instances/{name}.npz",
            "dispatch": "single", "servers": 2, "users": 3, "models": "toy", "layers": 1, "experts": "4",
            "top_k": 2, "activations": 5, "capacity_share": 0.25, "suite": meta.get("suite", "s"),
            "entry": "e", "entry_number": 0, "swept": "{}", "note": "",
        }
        for name in names
    ]  # fmt: skip
    plan = []
    for row in rows:
        solver = row.get("solver", "a")
        identity = {
            "instance_hash": f"hash-{row.get('instance', 'tiny')}",
            "solver": solver,
            "solver_name": solver.partition("[")[0],
        }
        if "planned_on" in row:
            identity["planning_hash"] = f"hash-{row['planned_on']}"
        plan.append(PLANNED | identity | {key: row[key] for key in PLANNED if key in row})
    with contextlib.closing(Store.create(folder)) as store:
        store.plan(instances, plan, meta)
        for run_id, row in enumerate(rows, 1):
            if row.get("status") == "planned":
                continue
            result = RESULT | {key: row[key] for key in RESULT if key in row}
            if not isinstance(result["trajectory"], str):
                result["trajectory"] = json.dumps(result["trajectory"])
            if result["saving_s"] is not None:
                result["latency_s"] = result["latency_none_s"] - result["saving_s"]
            store.finish(run_id, result | {"machine_id": machine["machine_id"]}, machine)
    return folder


def runs_of(folder: Path) -> list[dict[str, Any]]:
    """All rows that count."""
    with contextlib.closing(Store.open(folder)) as store:
        return store.runs()


def finished(folder: Path) -> int:
    """How many rows are on disk, looked up without checking the whole file or disturbing who writes it."""
    path = folder / FILE_NAME
    if not path.exists():
        return 0
    with contextlib.closing(sqlite3.connect(path, timeout=PATIENCE_S)) as connection:
        try:
            ((count,),) = connection.execute("SELECT COUNT(*) FROM runs WHERE status != 'planned'")
        except sqlite3.OperationalError:  # no table yet
            return 0
        return int(count)
