"""``slimbench run``: a suite from start to end, and what is shown of it on the way."""

from __future__ import annotations

import re
import shlex
import signal
import sys
import warnings
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from slimbench.bench.cli.options import (
    FAILED,
    INTERRUPTED,
    NOTHING_MEASURED,
    Data,
    Plugins,
    duration_s,
    progress_bar,
)
from slimbench.bench.cli.report import print_report
from slimbench.bench.execution.executor import EXECUTORS, check_executor
from slimbench.bench.execution.runner import OnFinish, Row
from slimbench.bench.isolation.processors import crowding, default_jobs
from slimbench.bench.plugins.registry import find_solvers
from slimbench.bench.results.references import Reference
from slimbench.bench.store.store import Store
from slimbench.bench.suites.benchmark import Benchmark, Request, open_benchmark, plan_only
from slimbench.bench.suites.estimate import estimate
from slimbench.bench.suites.plan import Plan
from slimbench.bench.suites.selection import Selection
from slimbench.bench.suites.suite import SHIPPED, shipped_suites
from slimbench.formulations.tolerances import share_of


def run(
    suite: Annotated[
        str,
        typer.Argument(
            help="A shipped suite or a TOML file.", autocompletion=lambda: shipped_suites(SHIPPED)
        ),
    ],
    out: Annotated[
        Path | None, typer.Option("--out", "--output", help="Run folder; default runs/SUITE-TIME.")
    ] = None,
    resume: Annotated[
        bool,
        typer.Option(
            "--resume", help="Finish a run: that of --out, or the latest; anew: what failed or changed."
        ),
    ] = False,
    force: Annotated[
        list[str] | None,
        typer.Option("--force", "-f", help="With --resume: run this solver's runs again; repeatable."),
    ] = None,
    solver: Annotated[
        list[str] | None,
        typer.Option(
            "--solver",
            "-s",
            help=r"Instead of the suite's: name or name\[p=v]; repeatable.",
            autocompletion=lambda: sorted(find_solvers()),
        ),
    ] = None,
    dataset: Annotated[
        list[str] | None,
        typer.Option(
            "--dataset", "-d", help="Only instances whose name matches, such as 'switch-*'; repeatable."
        ),
    ] = None,
    keyword: Annotated[
        str, typer.Option("-k", help="Only runs whose solver, instance or dispatch: 'slim and not parallel'.")
    ] = "",
    repeats: Annotated[
        int | None, typer.Option("--n-repetitions", "-r", min=1, help="Instead of the suite's.")
    ] = None,
    timeout: Annotated[
        float | None,
        typer.Option(
            parser=duration_s, metavar="TIME", help="Of each run, instead of the suite's: 90, 10m, 1h."
        ),
    ] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="Instead of the suite's.")] = None,
    data: Data = None,
    plugin: Plugins = None,
    jobs: Annotated[
        int | None,
        typer.Option(
            "--jobs", "-j", "--n-jobs", min=1, help="Runs at a time; default for half of the processors."
        ),
    ] = None,
    executor: Annotated[
        str, typer.Option(help=f"Where runs go: {', '.join(EXECUTORS)}.", autocompletion=lambda: EXECUTORS)
    ] = EXECUTORS[0],
    scheduler: Annotated[
        str | None, typer.Option(help="Address of a Dask scheduler, tcp://...; means --executor dask.")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print the plan and how long it may take; write nothing.")
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Only errors.")] = False,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="A line for every run.")] = False,
) -> None:
    """Run a suite, write its report, and print the ratio table.

    $ slimbench run quick -k "single and not k4" -r 3
    $ slimbench run mine.toml -s slim-dp --timeout 10m --dry-run
    $ slimbench run mine.toml --out runs/mine --resume -f slim-dp
    """
    if force and not resume:
        raise typer.BadParameter("goes with --resume", param_hint="--force")
    chosen = Selection(tuple(solver or ()), tuple(dataset or ()), keyword, repeats, timeout, seed)
    request = Request(suite, chosen, out, resume, tuple(force or ()), tuple(plugin or ()), data)
    if dry_run:
        plan = plan_only(request)
        _print_plan(plan, jobs or default_jobs(plan.suite.limits.threads))
        return
    where = "dask" if scheduler else executor
    check_executor(where, scheduler)
    with _warnings_in_a_line(), open_benchmark(request) as benchmark:
        if not quiet:
            _print_anew(benchmark)
        threads = benchmark.plan.suite.limits.threads
        jobs = jobs or default_jobs(threads)
        if where == "processes" and not quiet and (crowded := crowding(jobs, threads)):
            print(f"slimbench: {crowded}", file=sys.stderr)
        try:
            with _interruptible(), _shown(benchmark, quiet, verbose) as on_finish:
                benchmark.execute(on_finish, jobs=jobs, executor=where, scheduler=scheduler)
        except KeyboardInterrupt:
            print(f"slimbench: stopped; go on with: {_resuming(benchmark.folder)}", file=sys.stderr)
            raise SystemExit(INTERRUPTED) from None
        broken = print_report(benchmark.folder, quiet=quiet)
        raise SystemExit(_exit_code(benchmark.store) or broken)


@contextmanager
def _interruptible() -> Iterator[None]:
    """Stop cleanly at SIGTERM too, as batch systems send it."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@contextmanager
def _warnings_in_a_line() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.showwarning = lambda message, *_: print(f"slimbench: warning: {message}", file=sys.stderr)
        yield


def _print_anew(benchmark: Benchmark) -> None:
    """What --resume measures once more although it was measured."""
    if n_changed := benchmark.n_stale - benchmark.n_failed:
        print(f"slimbench: {n_changed} results are stale and are measured anew", file=sys.stderr)
    if benchmark.n_failed:
        print(f"slimbench: {benchmark.n_failed} runs that failed are measured again", file=sys.stderr)


def _resuming(folder: Path) -> str:
    """The command that goes on with this run. What --force made stale is planned already."""
    given, words = [], iter(sys.argv[1:])
    for word in words:
        short = re.fullmatch("(-[qv]*)f(.*)", word)  # flags may stand before it, and its value behind it
        if word == "--force" or (short and not short[2]):
            next(words, None)
        if short and short[1] != "-":
            given.append(short[1])
        if not short and word != "--resume" and word.split("=")[0] != "--force":
            given.append(word)
    if not any(word.split("=")[0] in {"--out", "--output"} for word in given):
        given += ["--out", str(folder)]
    return shlex.join(["slimbench", *given, "--resume"])


@contextmanager
def _shown(benchmark: Benchmark, quiet: bool, verbose: bool) -> Iterator[OnFinish]:
    """Progress on the terminal, or a line for every run."""
    rows = [row for row in benchmark.store.runs() if benchmark.plan.wanted(row)]
    with progress_bar(quiet) as progress:
        done = sum(row["status"] != "planned" for row in rows)
        task = progress.add_task(benchmark.folder.name, total=len(rows), completed=done, last="")

        def on_finish(row: Row, reference: Reference) -> None:
            saving, none = row["saving_s"], reference.latency_none_s
            ratio = "" if saving is None else f"{share_of(saving, reference.saving_s, none):.4f} of best"
            last = f"{row['instance']} {row['solver']} {row['status']} {ratio}"
            progress.update(task, advance=1, last=last)
            if verbose:
                line = " ".join(filter(None, (last, f"{row['runtime_s']:.3g} s", row["message"])))
                progress.console.print(line, markup=False, highlight=False)

        yield on_finish


def _print_plan(plan: Plan, jobs: int) -> None:
    runs = Counter((row["role"], row["solver"]) for row in plan.runs)
    for named in plan.instances:
        instance = named.instance
        facts = [instance.name, instance.dispatch, f"{instance.n_activations} activations", named.note]
        if named.plannings:
            facts.insert(3, f"planned on {len(named.plannings)} others as well")
        print("  ".join(facts))
    for (role, solver), count in runs.items():
        print(f"{count:6d}  {role}  {solver}")
    expected_s, n_known, limit_s = estimate(plan, Path("runs"))
    print(f"{len(plan.runs)} runs on {len(plan.instances)} instances, {jobs} at a time")
    print(f"at most {_clock(limit_s / jobs)} by their limits")
    if n_known:
        print(f"about {_clock(expected_s / jobs)}: {n_known} of them took part in earlier runs")


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s"


def _exit_code(store: Store) -> int:
    """Of a finished run."""
    rows: list[dict[str, Any]] = store.runs()
    if not any(row["role"] == "measure" and row["status"] == "ok" for row in rows):
        return NOTHING_MEASURED
    return FAILED if any(row["status"] not in {"ok", "planned"} for row in rows) else 0
