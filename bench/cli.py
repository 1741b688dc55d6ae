"""The command line, ``slimbench``. It may look up to ``reports``, as nothing else in this folder may."""

from __future__ import annotations

import json
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from slimbench.bench.cli_instances import Data, InstanceFile, Json, instance_app, print_facts
from slimbench.bench.conformance import check_solver
from slimbench.bench.messages import Job
from slimbench.bench.plan import plan_run
from slimbench.bench.plugin import PluginError, Solver, parse_call
from slimbench.bench.registry import find_solvers
from slimbench.bench.results import load_results
from slimbench.bench.runner import default_jobs, execute, run_alone
from slimbench.bench.store import Store, StoreError
from slimbench.bench.suite import SuiteError, read_suite
from slimbench.bench.verification import verified, verify_run
from slimbench.formulations import ContradictionError
from slimbench.instances import (
    InstanceError,
    evaluate,
    read_instance,
    read_placement,
    write_placement,
)

RUN_FAILED, BAD_INPUT, NOTHING_MEASURED = 1, 2, 4

app = typer.Typer(
    help="Benchmark of Mixture-of-Experts placement: exact references, certified approximation ratios.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
app.add_typer(instance_app, name="instance")

Plugins = Annotated[
    list[Path] | None, typer.Option("--plugin", help="A Python file with solvers; repeatable.")
]
RunFolder = Annotated[Path, typer.Argument(help="Folder of a run.")]


def main() -> None:
    """Run the command line; bad input is one line and exit code 2."""
    try:
        app()
    except (InstanceError, SuiteError, PluginError, StoreError) as error:
        print(f"slimbench: {error}", file=sys.stderr)
        raise SystemExit(BAD_INPUT) from None
    except ContradictionError as error:
        print(f"slimbench: contradiction: {error}", file=sys.stderr)
        raise SystemExit(RUN_FAILED) from None


@app.command()
def run(
    suite: Annotated[
        str, typer.Argument(help="A shipped suite (quick, paper-small, real-routing) or a TOML file.")
    ],
    out: Annotated[Path | None, typer.Option(help="Run folder; default runs/SUITE-TIME.")] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Finish a run: that of --out, or the latest.")
    ] = False,
    data: Data = None,
    plugin: Plugins = None,
    jobs: Annotated[
        int, typer.Option(min=1, help="Runs at a time; default half of the cores.")
    ] = default_jobs(),
) -> None:
    """Run a suite, write its report, and print the ratio table."""
    definition, text, suite_folder = read_suite(suite)
    if resume:
        folder = out or _latest_run(definition.name)
        store = Store.open(folder)
        plugin_files = [Path(file) for file in json.loads(store.meta()["plugin_files"])]
        if store.meta()["suite_text"] != text:
            raise SuiteError(f"{suite}: is not the suite that {folder} was started with")
        solvers = find_solvers(plugin_files)
    else:
        plugin_files = list(plugin or [])
        solvers = find_solvers(plugin_files)
        folder = out or Path("runs") / f"{definition.name}-{datetime.now(UTC):%Y%m%d-%H%M%S}"
        store = plan_run(folder, definition, text, suite_folder, solvers, plugin_files, data)
    try:
        _execute_with_progress(folder, store, solvers, plugin_files, jobs)
    except KeyboardInterrupt:
        print(
            f"slimbench: stopped; go on with: slimbench run {suite} --out {folder} --resume", file=sys.stderr
        )
        raise SystemExit(130) from None
    else:
        _print_report(folder)
        raise SystemExit(_exit_code(store))
    finally:
        store.close()


def _execute_with_progress(
    folder: Path, store: Store, solvers: dict[str, Solver], plugin_files: list[Path], jobs: int
) -> None:
    planned = store.runs()
    console = Console(stderr=True)
    columns = (
        TextColumn("[bold]{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(),
        TextColumn("{task.fields[last]}", markup=False),
    )  # fmt: skip
    with Progress(*columns, console=console) as progress:
        done = sum(row["status"] != "planned" for row in planned)
        task = progress.add_task(folder.name, total=len(planned), completed=done, last="")

        def on_finish(row: Any, reference: Any) -> None:
            saving = row["saving_s"]
            ratio = f"{saving / reference.saving_s:.4f} of best" if saving and reference.saving_s else ""
            last = f"{row['instance']} {row['solver']} {row['status']} {ratio}"
            progress.update(task, advance=1, last=last)

        execute(folder, store, solvers, plugin_files, jobs, on_finish)


def _latest_run(suite: str) -> Path:
    found = sorted(Path("runs").glob(f"{suite}-*/results.sqlite"), key=lambda path: path.stat().st_mtime)
    if not found:
        raise StoreError(f"runs: has no run of suite {suite}, expected --out with the folder to resume")
    return found[-1].parent


def _exit_code(store: Store) -> int:
    """Of a finished run; failed references are named here, since no table counts them."""
    rows = store.runs()
    failed = [row for row in rows if row["status"] != "ok"]
    for row in failed:
        if row["role"] != "measure":
            fault = f"{row['instance']}: {row['role']} {row['solver']}: {row['status']}: {row['message']}"
            print(f"slimbench: {fault}", file=sys.stderr)
    if not any(row["role"] == "measure" and row["status"] == "ok" for row in rows):
        return NOTHING_MEASURED
    return RUN_FAILED if failed else 0


def _print_report(folder: Path) -> None:
    from slimbench.reports import ratio_table, write_report
    from slimbench.reports.numbers import ratio_text, share_text

    results = load_results(folder)
    page = write_report(results, folder)
    aggregates = {"min": "min", "geometric mean": "gmean", "median": "median", "max": "max"}
    table = Table(title="saving / optimal saving; an interval where the optimum is not proven")
    table.add_column("solver", no_wrap=True)
    for header in (*aggregates, "optimal", "ok / planned", "lowest on"):
        table.add_column(header, justify="left" if header == "lowest on" else "right", no_wrap=True)
    for row in ratio_table(results).to_dict("records"):
        table.add_row(
            escape(row["solver"]),
            *(ratio_text(row[f"{name}_low"], row[f"{name}_high"]) for name in aggregates.values()),
            share_text(row["optimal_low"], row["optimal_high"]),
            f"{row['n_ok']} / {row['n_planned']}",
            escape(str(row["worst_instance"])),
        )
    terminal = Console()
    Console(width=max(terminal.width, 120) if not terminal.is_terminal else None).print(table)
    print(f"report: {page}")


@app.command()
def report(folder: RunFolder) -> None:
    """Write the report of a run, finished or not."""
    _print_report(folder)


@app.command()
def verify(folder: RunFolder) -> None:
    """Check every stored placement and reference of a run once more."""
    faults = verify_run(folder)
    for fault in faults:
        print(fault)
    if not faults:
        print(f"{folder}: every placement and reference verifies")
    raise SystemExit(RUN_FAILED if faults else 0)


@app.command()
def solve(
    instance: InstanceFile,
    solver: Annotated[str, typer.Option("--solver", "-s", help="name or name[parameter=value,...]")],
    as_json: Json = False,
    out: Annotated[Path | None, typer.Option(help="Write the placement here.")] = None,
    time_limit: Annotated[float, typer.Option(min=0.0, help="Seconds.")] = 60.0,
    memory_limit: Annotated[float, typer.Option(min=1.0, help="MiB of resident memory.")] = 8192.0,
    seed: Annotated[int, typer.Option(min=0)] = 0,
    plugin: Plugins = None,
) -> None:
    """Run one solver on one instance, isolated and verified as in a suite."""
    problem = read_instance(instance)
    call = parse_call(solver, find_solvers(plugin or []))
    with tempfile.TemporaryDirectory() as folder:
        job = Job(
            key=0,
            instance_file=str(instance),
            solver=call.label,
            plugin_files=tuple(str(path) for path in plugin or []),
            seed=seed,
            time_limit_s=time_limit,
            memory_limit_mb=memory_limit,
            threads=1,
            log_file=str(Path(folder, "log")),
        )
        outcome = run_alone(job)
        log = Path(folder, "log").read_text("utf-8", "replace") if Path(folder, "log").exists() else ""
    result = verified(problem, call, outcome)
    placed = result.pop("placement") is not None
    if out is not None and placed and outcome.placement is not None:
        write_placement(outcome.placement.unpack(), problem, out)
    figures = json.loads(result.pop("figures"))
    result = {
        "instance": problem.name,
        "instance_hash": problem.sha256,
        "solver": call.label,
        **result,
        **{"figures": figures},
    }
    if as_json:
        print(json.dumps(result))
    else:
        print_facts(result)
    if result["status"] in {"crashed", "error"} and log:
        print(log, file=sys.stderr, end="")
    raise SystemExit(0 if result["status"] == "ok" else RUN_FAILED)


@app.command(name="evaluate")
def evaluate_placement(
    instance: InstanceFile,
    placement: Annotated[Path, typer.Argument(help="Placement file.")],
    as_json: Json = False,
) -> None:
    """Say what a placement is worth and whether it fits."""
    problem = read_instance(instance)
    cached = read_placement(placement, problem)
    worth, violation = evaluate(problem, cached), cached.violation(problem)
    facts = {
        "latency_s": worth.latency_s,
        "latency_none_s": worth.latency_none_s,
        "saving_s": worth.saving_s,
        "feasible": violation is None,
        "violation": violation,
    }
    if as_json:
        print(json.dumps(facts))
    else:
        print_facts(facts)
    raise SystemExit(RUN_FAILED if violation else 0)


@app.command()
def solvers(plugin: Plugins = None, as_json: Json = False) -> None:
    """List the solvers with their parameters and declared guarantees."""
    found = find_solvers(plugin or [])
    rows = [
        {
            "solver": name,
            "parameters": {p.name: p.default for p in s.parameters.values()},
            "guarantee": s.guarantee.claim if s.guarantee else None,
            "conditions": s.guarantee.conditions if s.guarantee else None,
            "source": s.guarantee.source if s.guarantee else None,
            "exact": s.exact,
            "summary": s.summary,
        }
        for name, s in found.items()
    ]
    if as_json:
        print(json.dumps(rows))
        return
    table = Table("solver", "parameters", "guarantee", "summary")
    for row in rows:
        parameters = ", ".join(f"{k}={v}" for k, v in row["parameters"].items())  # type: ignore[union-attr]
        guarantee = row["guarantee"] or ("exact" if row["exact"] else "none")
        table.add_row(str(row["solver"]), parameters, str(guarantee), str(row["summary"]))
    Console().print(table)


@app.command()
def check(
    solver: Annotated[str, typer.Argument(help="name or name[parameter=value,...]")], plugin: Plugins = None
) -> None:
    """Run a plugin against the conformance kit and say what fails."""
    call = parse_call(solver, find_solvers(plugin or []))
    checks = check_solver(call, plugin or [])
    for item in checks:
        print(f"{'FAIL' if item.failures else 'ok  '} {item.demand}")
        for failure in item.failures:
            print(f"       {failure}")
    raise SystemExit(RUN_FAILED if any(item.failures for item in checks) else 0)


if __name__ == "__main__":
    main()
