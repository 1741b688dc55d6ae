"""The command line, ``slimbench``. It may look up to ``reports``, as nothing else in this folder may."""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from slimbench.bench.cli_attack import NOTHING_MEASURED, attack
from slimbench.bench.cli_instances import Data, instance_app
from slimbench.bench.cli_solvers import FAILED, Plugins, check, evaluate_placement, solve, solvers
from slimbench.bench.plan import plan_run
from slimbench.bench.plugin import PluginError, Solver
from slimbench.bench.registry import find_solvers
from slimbench.bench.results import load_results
from slimbench.bench.runner import default_jobs, execute
from slimbench.bench.store import Store, StoreError
from slimbench.bench.suite import SuiteError, read_suite
from slimbench.bench.verification import verify_run
from slimbench.formulations import ContradictionError
from slimbench.instances import InstanceError

BAD_INPUT = 2  # exit code beside FAILED and NOTHING_MEASURED
WIDE_ENOUGH = 170  # columns, for the ratio table in a file or a pipe

app = typer.Typer(
    help="Benchmark of Mixture-of-Experts placement: exact references, certified approximation ratios.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)

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
        raise SystemExit(FAILED) from None


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
    return FAILED if failed else 0


def _print_report(folder: Path) -> None:
    from slimbench.reports import ratio_table, write_report
    from slimbench.reports.numbers import DASH, ratio_text, share_text

    results = load_results(folder)
    page = write_report(results, folder)
    aggregates = {"min": "min", "geometric mean": "gmean", "median": "median", "max": "max"}
    table = Table(title="saving / optimal saving; an interval where the optimum is not proven")
    table.add_column("solver", no_wrap=True)
    for header in (*aggregates, "optimal", "ok / planned", "lowest on"):
        table.add_column(header, justify="left" if header == "lowest on" else "right")
    for row in ratio_table(results).to_dict("records"):
        table.add_row(
            escape(row["solver"]),
            *(
                ratio_text(row[f"{name}_low"], row[f"{name}_high"]).replace(DASH, f" {DASH} ").strip()
                for name in aggregates.values()  # spaces let a narrow terminal break the line
            ),
            share_text(row["optimal_low"], row["optimal_high"]),
            f"{row['n_ok']} / {row['n_planned']}",
            escape(str(row["worst_instance"])),
        )
    terminal = Console()
    Console(width=None if terminal.is_terminal else WIDE_ENOUGH).print(table)
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
    raise SystemExit(FAILED if faults else 0)


for command in (solve, solvers, check, attack):
    app.command()(command)
app.command(name="evaluate")(evaluate_placement)
app.add_typer(instance_app, name="instance")


if __name__ == "__main__":
    main()
