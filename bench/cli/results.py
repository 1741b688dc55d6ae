"""``slimbench export``, ``merge`` and ``compare``: tables, union and comparison of run folders."""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path
from typing import Annotated

import typer

from slimbench.bench.cli.options import FAILED, NOTHING_MEASURED, REGRESSION, RunFolder, console
from slimbench.bench.results.compare import ALPHA, FACTOR, QUALITY_FACTOR, compare_runs
from slimbench.bench.results.export import export_run
from slimbench.bench.results.merge import merge_runs
from slimbench.bench.results.results import load_results
from slimbench.bench.store.store import Store
from slimbench.reports.tables import compared_runs as tables


def export(
    folder: RunFolder,
    out: Annotated[Path | None, typer.Option("--out", "--output", help="Default RUN/export.")] = None,
) -> None:
    """Write a run's tables as Parquet and CSV; docs/RESULTS.md lists their columns.

    $ slimbench export runs/mine --out tables
    """
    for path in export_run(folder, out):
        print(path)


def merge(
    folders: Annotated[list[Path], typer.Argument(help="Folders of at least two runs.")],
    out: Annotated[Path, typer.Option("--out", "--output", help="Run folder to make.")],
    keep: Annotated[str, typer.Option(help="Of equal runs: the last, or all as repeats.")] = "last",
) -> None:
    """Merge run folders of several machines, or of parts of a suite, into one.

    $ slimbench merge runs/laptop runs/server --out runs/both
    """
    merge_runs(folders, out, keep)
    with contextlib.closing(Store.snapshot(out)) as store:
        stale = sum(row["n"] for row in store.stale_runs())
        n_finished = len(store.runs("status != 'planned'")) + stale
    print(f"{out}: {n_finished} results of {len(folders)} runs, {stale} of them stale")


def compare(
    before: RunFolder,
    after: RunFolder,
    factor: Annotated[float, typer.Option(min=1, help="Runtimes within this factor are equal.")] = FACTOR,
    quality_factor: Annotated[float, typer.Option(min=1, help="The same for ratios.")] = QUALITY_FACTOR,
    alpha: Annotated[float, typer.Option(help="Level of the paired test over instances.")] = ALPHA,
    only_changed: Annotated[bool, typer.Option("--only-changed", help="Hide equal and untested.")] = False,
    sort: Annotated[
        str, typer.Option(help=f"By {', '.join(tables.SORTS)}.", autocompletion=lambda: sorted(tables.SORTS))
    ] = "verdict",
    markdown: Annotated[bool, typer.Option("--markdown", help="Print Markdown.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Compare two runs: what is better or worse in AFTER; exit code 3 if anything is worse.

    $ slimbench compare runs/before runs/after --factor 1.1
    """
    if not (factor >= 1 and quality_factor >= 1 and 0 < alpha < 1):  # nor any of them NaN
        raise typer.BadParameter("factors are at least 1, alpha is between 0 and 1")
    if sort not in tables.SORTS:
        raise typer.BadParameter(f"{sort!r}: expected one of {', '.join(tables.SORTS)}", param_hint="--sort")
    if markdown and json:
        raise typer.BadParameter("one of them", param_hint="--markdown, --json")
    runs = (load_results(before), load_results(after))
    comparison = compare_runs(*runs, factor=factor, quality_factor=quality_factor, alpha=alpha)
    for contradiction in comparison.contradictions:
        print(f"slimbench: contradiction: {contradiction}", file=sys.stderr)
    rows = tables.shown_rows(comparison, sort, only_changed)
    if json:
        print(tables.as_json(comparison, rows))
    elif markdown:
        print(tables.as_markdown(comparison, rows))
    else:
        console().print(tables.as_table(comparison, rows))
        print(*tables.further_lines(comparison), sep="\n")
    if comparison.cells.empty:
        print("slimbench: no solver has measured any instance in both", file=sys.stderr)
        raise SystemExit(NOTHING_MEASURED)
    if comparison.is_regression:
        raise SystemExit(REGRESSION)
    raise SystemExit(FAILED if comparison.contradictions else 0)
