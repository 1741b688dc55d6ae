"""``slimbench adapt``: adaptive placement by policies on sequences of instances."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from slimbench.bench.adaptive.episode import Episode
from slimbench.bench.adaptive.results import AdaptiveResults, refuse_adaptive_results
from slimbench.bench.adaptive.run import AdaptiveRun
from slimbench.bench.cli.options import (
    FAILED,
    INTERRUPTED,
    Data,
    PolicyPlugins,
    clock_text,
    console,
    duration_s,
    progress_bar,
)
from slimbench.bench.plugins.registry import find_policies
from slimbench.bench.store.run_folder import new_folder
from slimbench.bench.suites.selection import Selection
from slimbench.bench.suites.suite import shipped_suites
from slimbench.bench.suites.suite_sequences import has_sequences, read_adaptive_suite

WIDE_ENOUGH = 150  # columns, for the table in a file or a pipe


def adapt(
    suite: Annotated[
        str,
        typer.Argument(
            help="A shipped suite of sequences or a TOML file.",
            autocompletion=lambda: list(filter(has_sequences, shipped_suites())),
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
    timeout: Annotated[
        float | None,
        typer.Option(
            parser=duration_s, metavar="TIME", help="Of each decision, instead of the suite's: 90, 10m, 1h."
        ),
    ] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="Instead of the suite's.")] = None,
    data: Data = None,
    plugin: PolicyPlugins = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print what would be run; write nothing.")
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Only errors.")] = False,
) -> None:
    """Send policies through sequences of instances, against the offline optimum, and write a report.

    The same as ``slimbench run`` of a suite of sequences.

    $ slimbench adapt adaptive
    $ slimbench adapt adaptive -d "drift-*" -p static -p "pay-off[lookahead=5]" --out drift
    """
    chosen = Selection(tuple(policy or ()), tuple(dataset or ()), time_s=timeout, seed=seed)
    run_sequences(suite, chosen, out, data, plugin or (), dry_run=dry_run, quiet=quiet)


def run_sequences(
    suite: str,
    selection: Selection,
    out: Path | None,
    data: Path | None,
    plugin_files: Sequence[Path],
    *,
    dry_run: bool,
    quiet: bool,
    verbose: bool = False,
) -> None:
    """Run a suite of sequences, write its report, and exit."""
    run = AdaptiveRun(read_adaptive_suite(suite), selection, plugin_files, data)
    if dry_run:
        _print_plan(run)
        return
    if out:
        refuse_adaptive_results(out)
    folder = out or new_folder(Path("adaptive"), run.suite.name)
    try:
        with progress_bar(quiet) as progress:
            task = progress.add_task(run.suite.name, total=len(run.episodes()), last="")

            def on_episode(sequence: str, episode: Episode) -> None:
                n_failed, n_periods = len(episode.failed), len(episode.steps)
                status = f"{n_failed} of {n_periods} periods failed" if n_failed else "ok"
                last = f"{sequence} {episode.call.label} {status}"
                progress.update(task, advance=1, last=last)
                if verbose:
                    line = f"{last} {episode.total_s:.6g} s"
                    progress.console.print(line, markup=False, highlight=False)

            results = run.execute(folder, on_episode)
    except KeyboardInterrupt:
        print(f"slimbench: stopped; finished sequences lie in {folder}", file=sys.stderr)
        raise SystemExit(INTERRUPTED) from None
    from slimbench.reports.pages.adaptive_page import write_adaptive_report

    page = write_adaptive_report(results, folder)
    if not quiet:
        _print_table(results)
        print(f"report: {page}")
    raise SystemExit(FAILED if results.policies["periods_failed"].any() else 0)


def _print_plan(run: AdaptiveRun) -> None:
    for named, _ in run.plan:
        sequence = named.sequence
        first = sequence.periods[0]
        print(f"{sequence.name}  {first.dispatch}  {sequence.n_periods} periods  {named.note}")
    episodes = run.episodes()
    references = {call.label for call in run.references}
    for label, count in Counter(call.label for _, call in episodes).items():
        print(f"{count:6d}  {'reference' if label in references else 'measure'}  {label}")
    print(f"{len(episodes)} episodes on {len(run.plan)} sequences")
    print(f"at most {clock_text(run.limit_s())} by their limits")


def _print_table(results: AdaptiveResults) -> None:
    from slimbench.reports.tables.adaptive_tables import policies_in_short

    shown = policies_in_short(results)
    table = Table(title="cost of the horizon against the offline optimum; an interval where it is open")
    for title, cell in zip(shown.titles, shown.rows[0], strict=True):
        table.add_column(title, justify="right" if cell.kind.startswith("number") else "left")
    for row in shown.rows:
        table.add_row(*(escape(cell.text) for cell in row))
    console(WIDE_ENOUGH).print(table)
