"""``slimbench report`` and ``verify``. It may look up to ``reports``."""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from slimbench.bench.cli.options import FAILED, RunFolder, console
from slimbench.bench.execution.verification import verify_run
from slimbench.bench.results.references import standing
from slimbench.bench.results.results import load_results


def print_report(folder: Path, out: Path | None = None, *, quiet: bool = False) -> int:
    """Write the report, to ``out`` if given, and print what a reader wants to know first.

    Broken promises, the ratio table, why runs failed, and where the report lies.

    Returns
    -------
    int
        ``FAILED`` if a promise is broken, else 0.
    """
    from slimbench.reports import ratio_table, violations, write_report
    from slimbench.reports.pages.summary import broken_promises, reasons_of_failures
    from slimbench.reports.tables.numbers import DASH, ratio_text, share_text

    results = load_results(folder)
    page = write_report(results, folder, out)
    broken = broken_promises(violations(results))
    for promise in broken:
        print(promise, file=sys.stderr if quiet else sys.stdout)
    for reason in reasons_of_failures(results):
        print(f"slimbench: {reason}", file=sys.stderr)
    if quiet:
        return FAILED if broken else 0
    aggregates = {"min": "min", "geometric mean": "gmean", "median": "median", "max": "max"}
    optima = Counter(standing(row) for row in results.references.to_dict("records"))
    known = ", ".join(f"{optima[name]} {name}" for name in ("proven", "claimed", "open") if optima[name])
    table = Table(title=f"saving / optimal saving; an interval where the optimum is open (optima: {known})")
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
    console().print(table)
    print(f"report: {page}")
    return FAILED if broken else 0


def report(
    folder: RunFolder,
    out: Annotated[
        Path | None, typer.Option("--out", "--output", help="Folder to write to; default that of the run.")
    ] = None,
) -> None:
    """Write the report of a run, finished or not; exit 1 if a promise is broken.

    Examples
    --------
    slimbench report runs/mine
    """
    raise SystemExit(print_report(folder, out))


def verify(folder: RunFolder) -> None:
    """Check every stored placement and reference of a run once more.

    Examples
    --------
    slimbench verify runs/mine
    """
    faults = verify_run(folder)
    for fault in faults:
        print(fault)
    if not faults:
        print(f"{folder}: every placement and reference verifies")
    raise SystemExit(FAILED if faults else 0)
