"""A suite from start to end in one run folder, new or resumed."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from slimbench.bench.execution.executor import check_executor, make_executor
from slimbench.bench.execution.runner import OnFinish, execute
from slimbench.bench.isolation.processors import default_jobs
from slimbench.bench.plugins.plugin import Solver
from slimbench.bench.plugins.registry import find_solvers
from slimbench.bench.results.results import Results, load_results
from slimbench.bench.store.run_folder import latest_run, new_folder, running
from slimbench.bench.store.store import Store, StoreError, refuse_results, require_results
from slimbench.bench.suites.plan import Plan, create_run, make_plan, update_plan
from slimbench.bench.suites.selection import EVERYTHING, Selection, solver_filter
from slimbench.bench.suites.suite import read_suite

RUNS = Path("runs")
MEASURED_AGAIN: Final = ("crashed", "error", "invalid_placement")  # statuses of runs that failed


@dataclass(frozen=True)
class Request:
    """What is to be run, and where its results go.

    Attributes
    ----------
    suite : str
        A shipped suite's name or the path of a TOML file.
    out : Path, optional
        The run folder; ``runs/SUITE-TIME`` by default, for ``resume`` the latest of the suite.
    resume : bool
        Finish the run that is in the folder, and measure anew what has changed since.
    force : sequence of str
        Solvers whose results in the folder do not count.
    plugin_files : sequence of Path
        Files with solvers; those of the resumed run by default.
    data : Path, optional
        Folder that the paths of the suite start from; that of the resumed run by default.
    """

    suite: str
    selection: Selection = EVERYTHING
    out: Path | None = None
    resume: bool = False
    force: Sequence[str] = ()
    plugin_files: Sequence[Path] = ()
    data: Path | None = None


@dataclass(frozen=True)
class Benchmark:
    """A run folder that this process holds, with its plan up to date.

    Attributes
    ----------
    n_stale : int
        Results in the folder that the plan has made stale.
    n_failed : int
        Runs that are planned again because they failed; ``n_stale`` counts them too.
    """

    folder: Path
    store: Store
    plan: Plan
    solvers: Mapping[str, Solver]
    plugin_files: Sequence[Path]
    n_stale: int
    n_failed: int

    def execute(
        self,
        on_finish: OnFinish = lambda *_: None,
        *,
        jobs: int | None = None,
        executor: str = "processes",
        scheduler: str | None = None,
    ) -> None:
        """Do what is left of the plan; see ``runner.execute`` for what is raised."""
        threads = self.plan.suite.limits.threads
        with make_executor(executor, jobs or default_jobs(threads), threads, scheduler) as workers:
            execute(
                self.folder, self.store, self.solvers, self.plugin_files, workers, on_finish, self.plan.wanted
            )


def plan_only(request: Request) -> Plan:
    """The plan alone; nothing is written.

    Raises
    ------
    SuiteError, InstanceError, PluginError
        If the suite, an instance or a solver is not what it must be.
    """
    solvers = find_solvers(request.plugin_files)
    return make_plan(read_suite(request.suite), solvers, request.data, request.selection)


@contextlib.contextmanager
def open_benchmark(request: Request) -> Iterator[Benchmark]:
    """Plan what is asked for, in a new run folder or in the one to resume, and hold the folder.

    Raises
    ------
    SuiteError, InstanceError, PluginError, StoreError
        If the suite, an instance or a solver is not what it must be, or the folder has results, has none to
        resume, or is held by another process. Nothing has been written then.
    """
    file = read_suite(request.suite)
    with contextlib.ExitStack() as stack:
        if request.resume:
            folder = request.out or latest_run(RUNS, file.suite.name)
            require_results(folder)
            stack.enter_context(running(folder))
            store = stack.enter_context(contextlib.closing(Store.open(folder)))
            earlier = store.meta()
            if (suite := earlier.get("suite", file.suite.name)) != file.suite.name:
                raise StoreError(f"{folder}: is a run of suite {suite}, expected one of {file.suite.name}")
        else:
            if request.out:
                refuse_results(request.out)
            earlier = {}
        known_files = json.loads(earlier.get("plugin_files", "[]"))
        plugin_files = request.plugin_files or [Path(file) for file in known_files]
        data = request.data or (Path(earlier["data"]) if earlier.get("data") else None)
        solvers = find_solvers(plugin_files)
        plan = make_plan(file, solvers, data, request.selection)
        facts = {
            "suite_text": file.text,
            "plugin_files": json.dumps([str(path.resolve()) for path in plugin_files]),
            "data": str(data.resolve()) if data else "",
        }
        n_stale, failed = 0, list[Mapping[str, Any]]()
        if request.resume:
            is_forced = solver_filter(request.force, solvers)

            def anew(row: Mapping[str, Any]) -> bool:
                if row["status"] in MEASURED_AGAIN:
                    failed.append(row)
                return row["status"] in MEASURED_AGAIN or is_forced(row)

            n_stale = update_plan(folder, store, plan, facts, anew)
        else:
            folder = request.out or new_folder(RUNS, file.suite.name)
            _make_folder(folder)
            stack.enter_context(running(folder))
            store = stack.enter_context(contextlib.closing(create_run(folder, plan, facts)))
        yield Benchmark(folder, store, plan, solvers, plugin_files, n_stale, len(failed))


def run(
    suite: str | os.PathLike[str],
    *,
    out: str | os.PathLike[str] | None = None,
    resume: bool = False,
    jobs: int | None = None,
    executor: str = "processes",
    scheduler: str | None = None,
    plugin_files: Sequence[str | os.PathLike[str]] = (),
    data: str | os.PathLike[str] | None = None,
    **selection: Any,
) -> Results:
    """Run a suite and return its results.

    Parameters
    ----------
    suite : str or path
        A shipped suite's name or a TOML file.
    out : path, optional
        The run folder; ``runs/SUITE-TIME`` by default.
    resume : bool
        Finish the run that is in the folder.
    jobs : int, optional
        Runs at a time; by default as many as half of the processors that may be used have room for.
    executor : {"processes", "serial", "dask"}
    scheduler : str, optional
        Address of a Dask scheduler.
    plugin_files : sequence of paths
        Files with solvers.
    data : path, optional
        Folder that the suite's paths start from.
    **selection
        Fields of ``Selection``: ``solvers``, ``datasets``, ``keyword``, ``repeats``, ``time_s``, ``seed``.

    Raises
    ------
    SuiteError, InstanceError, PluginError, StoreError, ExecutorError
        If something is not what it must be.
    ContradictionError
        If a verified placement lies above a bound claimed as proven.
    """
    check_executor(executor, scheduler)
    request = Request(
        os.fspath(suite),
        Selection(**selection),
        None if out is None else Path(out),
        resume,
        plugin_files=[Path(file) for file in plugin_files],
        data=None if data is None else Path(data),
    )
    with open_benchmark(request) as benchmark:
        benchmark.execute(jobs=jobs, executor=executor, scheduler=scheduler)
        folder = benchmark.folder
    return load_results(folder)


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(f"{folder}: cannot be made a run folder ({error.strerror})") from None
