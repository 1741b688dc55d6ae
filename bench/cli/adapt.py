"""``slimbench adapt``: adaptive placement by policies on sequences of instances."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from slimbench.bench.adaptive.episode import Episode
from slimbench.bench.adaptive.results import AdaptiveResults, refuse_adaptive_results
from slimbench.bench.adaptive.run import AdaptiveRun
from slimbench.bench.adaptive.suite import SHIPPED, read_adaptive_suite
from slimbench.bench.cli.options import FAILED, INTERRUPTED, Data, PolicyPlugins
from slimbench.bench.plugins.registry import find_policies
from slimbench.bench.store.run_folder import new_folder
from slimbench.bench.suites.suite import shipped_suites

WIDE_ENOUGH = 150  # columns, for the table in a file or a pipe


def adapt(
    suite: Annotated[
        str,
        typer.Argument(
            help="A shipped suite or a TOML file.", autocompletion=lambda: shipped_suites(SHIPPED)
        ),
    ],
    policy: Annotated[
        list[str] | None,
        typer.Option(
            "--policy",
            "-p",
            help=r"Instead of the suite's: name or name\[p=v]; repeatable.",
            autocompletion=lambda: sorted(find_policies()),
        ),
    ] = None,
    dataset: Annotated[
        list[str] | None,
        typer.Option("--dataset", "-d", help="Only sequences whose name matches, such as 'drift-*'."),
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", "--output", help="Folder; default adaptive/SUITE-TIME.")
    ] = None,
    data: Data = None,
    plugin: PolicyPlugins = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Only errors.")] = False,
) -> None:
    """Send policies through sequences of instances, against the offline optimum, and write a report.

    $ slimbench adapt adaptive
    $ slimbench adapt adaptive -d "drift-*" -p static -p "pay-off[lookahead=5]" --out drift
    """
    run = AdaptiveRun(read_adaptive_suite(suite), policy or (), dataset or (), plugin or (), data)
    if out:
        refuse_adaptive_results(out)
    folder = out or new_folder(Path("adaptive"), run.suite.name)
    try:
        results = _with_progress(run, folder, quiet)
    except KeyboardInterrupt:
        print(f"slimbench: stopped; finished sequences lie in {folder}", file=sys.stderr)
        raise SystemExit(INTERRUPTED) from None
    page = _report(results, folder)
    if not quiet:
        _print_table(results)
        print(f"report: {page}")
    raise SystemExit(FAILED if results.policies["periods_failed"].any() else 0)


def _report(results: AdaptiveResults, folder: Path) -> Path:
    from slimbench.reports.pages.adaptive_page import write_adaptive_report

    return write_adaptive_report(results, folder)


def _with_progress(run: AdaptiveRun, folder: Path, quiet: bool) -> AdaptiveResults:
    columns = (
        TextColumn("[bold]{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(),
        TextColumn("{task.fields[last]}", markup=False),
    )  # fmt: skip
    with Progress(*columns, console=Console(stderr=True, quiet=quiet)) as progress:
        task = progress.add_task(run.suite.name, total=run.n_episodes, last="")

        def on_episode(sequence: str, episode: Episode) -> None:
            progress.update(task, advance=1, last=f"{episode.call.label} on {sequence}")

        return run.execute(folder, on_episode)


def _print_table(results: AdaptiveResults) -> None:
    from slimbench.reports.tables.adaptive_tables import policies_in_short

    shown = policies_in_short(results)
    table = Table(title="cost of the horizon against the offline optimum; an interval where it is open")
    for title, cell in zip(shown.titles, shown.rows[0], strict=True):
        table.add_column(title, justify="right" if cell.kind.startswith("number") else "left")
    for row in shown.rows:
        table.add_row(*(escape(cell.text) for cell in row))
    terminal = Console()
    Console(width=None if terminal.is_terminal else WIDE_ENOUGH).print(table)
