"""Execute a plan: every planned run ends as a row, whatever the solvers do."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from slimbench.bench.execution.executor import Executor
from slimbench.bench.execution.machine import describe_machine, now
from slimbench.bench.execution.reference_cache import ReferenceCache
from slimbench.bench.execution.verification import transferred, verified
from slimbench.bench.isolation.messages import TEMPORARY, Job
from slimbench.bench.isolation.outcome import Outcome
from slimbench.bench.plugins.plugin import Solver
from slimbench.bench.plugins.warm_up import Shape
from slimbench.bench.results.references import Bracket, Reference
from slimbench.bench.store.store import Store, StoreError
from slimbench.formulations import ContradictionError
from slimbench.instances import Instance, read_instance

Row = Mapping[str, Any]
OnFinish = Callable[[Row, Reference], None]


def execute(
    folder: Path,
    store: Store,
    solvers: Mapping[str, Solver],
    plugin_files: Sequence[Path],
    executor: Executor,
    on_finish: OnFinish,
    wanted: Callable[[Row], bool] = lambda _: True,
) -> None:
    """Execute the planned runs that are wanted; each result is on disk as soon as its run ends.

    Parameters
    ----------
    executor : Executor
        Entered already.

    Raises
    ------
    ContradictionError
        If a verified placement lies above a bound claimed as proven; the references of the instance are
        not reused any more, and the run stops.
    StoreError
        If a result cannot be written.
    """
    store.set_meta({"jobs": str(executor.slots)})
    for left_behind in (folder / "logs").glob(f"*{TEMPORARY}"):  # coordinator and fork server were killed
        shutil.rmtree(left_behind, ignore_errors=True)
    with ReferenceCache(folder.parent) as cache:
        execution = _Execution(folder, store, solvers, plugin_files, executor, cache, on_finish)
        for row in store.runs("status = 'planned'"):
            if wanted(row):
                execution.start(row)
                execution.collect(at_most=executor.slots - 1)
        execution.collect(at_most=0)
    store.set_meta({"finished": now()})


class _Execution:
    """The runs under way, and what is needed to finish them."""

    def __init__(
        self,
        folder: Path,
        store: Store,
        solvers: Mapping[str, Solver],
        plugin_files: Sequence[Path],
        executor: Executor,
        cache: ReferenceCache,
        on_finish: OnFinish,
    ) -> None:
        self._folder, self._store, self._solvers = folder, store, solvers
        self._plugin_files = tuple(str(path) for path in plugin_files)
        self._executor, self._cache, self._on_finish = executor, cache, on_finish
        rows = (*store.instances(), *store.instances(planned_on=True))
        self._files = {row["instance_hash"]: folder / row["file"] for row in rows}
        self._read = lru_cache(maxsize=4)(read_instance)
        self._under_way: dict[int, Row] = {}
        self._brackets: dict[str, Bracket] = {}

    def start(self, row: Row) -> None:
        """Start a run; a reference that is known already finishes at once."""
        if self._is_reusable(row) and (known := self._cache.find(row, self._instance(row["instance_hash"]))):
            self._finish(row, *known)
            return
        self._under_way[row["run_id"]] = row
        sha256 = row["planning_hash"] or row["instance_hash"]
        self._executor.submit(
            Job(
                key=row["run_id"],
                instance_file=str(self._files[sha256]),
                shape=Shape.of(self._instance(sha256)),
                solver=row["solver"],
                plugin_files=self._plugin_files,
                seed=row["seed"],
                time_limit_s=row["time_limit_s"],
                memory_limit_mb=row["memory_limit_mb"],
                threads=row["threads"],
                log_file=str(self._folder / "logs" / f"{row['run_id']}.log"),
                cpu_limit_s=row["cpu_limit_s"],
            )
        )

    def collect(self, at_most: int) -> None:
        """Finish runs until at most this many are under way."""
        while len(self._under_way) > at_most:
            for outcome in self._executor.collect():
                row = self._under_way.pop(outcome.job.key)
                result = self._result(row, outcome)
                machine = outcome.machine or describe_machine()
                if self._is_reusable(row) and result["status"] == "ok":
                    self._cache.keep(row, result, machine)
                # Delete logs of successful runs, except logs of exact solvers that proved no optimum.
                log = Path(outcome.job.log_file)
                is_unproven = row["exact"] and result["termination"] != "optimal"
                if result["status"] == "ok" and log.exists() and not (is_unproven and log.stat().st_size):
                    log.unlink()
                self._finish(row, result, machine)

    def _result(self, row: Row, outcome: Outcome) -> dict[str, Any]:
        """Verify claims on the instance planned on, and evaluate the placement on the run's instance."""
        instance = self._instance(row["instance_hash"])
        if row["planning_hash"] is None:
            return verified(instance, outcome)
        return transferred(verified(self._instance(row["planning_hash"]), outcome), instance)

    def _finish(self, row: Row, result: dict[str, Any], machine: Mapping[str, str]) -> None:
        finished = {**result, "machine_id": machine["machine_id"], "finished_at": now()}
        try:
            self._store.finish(row["run_id"], finished, machine)
        except sqlite3.Error as error:
            raise StoreError(
                f"{self._folder}: cannot write a result ({error}); run again with --resume"
            ) from error
        try:
            reference = self._bracket(row["instance_hash"]).add({**row, **result})
        except ContradictionError as error:
            self._cache.quarantine(row["instance_hash"])
            self._store.set_meta({"contradiction": str(error)})
            raise
        self._on_finish({**row, **finished}, reference)

    def _bracket(self, instance_hash: str) -> Bracket:
        """Bounds on the optimum of an instance; its earlier runs are read from the store once."""
        if instance_hash not in self._brackets:
            self._brackets[instance_hash] = bracket = Bracket()
            for row in self._store.runs("instance_hash = ? AND status != 'planned'", [instance_hash]):
                bracket.add(row)
        return self._brackets[instance_hash]

    def _is_reusable(self, row: Row) -> bool:
        """True for references of shipped solvers; plugins are not trusted with the cache."""
        module = self._solvers[row["solver_name"]].function.__module__
        return row["role"] != "measure" and module.startswith("slimbench.")

    def _instance(self, instance_hash: str) -> Instance:
        return self._read(self._files[instance_hash])
