"""``slimbench report`` and ``verify``: the report of a run folder, and checks of its rows."""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path
from typing import Annotated

import typer

from slimbench.bench.cli.options import FAILED, RunFolder, print_table
from slimbench.bench.execution.verification import verify_run
from slimbench.bench.results.references import standing
from slimbench.bench.results.results import load_results


def print_report(folder: Path, out: Path | None = None, *, quiet: bool = False) -> int:
    """Write the report, and print broken promises, reasons of failures, the ratio table and the page.

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
    numbers = (*aggregates, "optimal", "ok / planned")
    rows = [
        (
            row["solver"],
            *(
                ratio_text(row[f"{name}_low"], row[f"{name}_high"]).replace(DASH, f" {DASH} ").strip()
                for name in aggregates.values()  # spaces let a narrow terminal break the line
            ),
            share_text(row["optimal_low"], row["optimal_high"]),
            f"{row['n_ok']} / {row['n_planned']}",
            str(row["worst_instance"]),
        )
        for row in ratio_table(results).to_dict("records")
    ]
    title = f"saving / optimal saving; an interval where the optimum is open (optima: {known})"
    print_table(("solver", *numbers, "lowest on"), rows, numbers, title)
    print(f"report: {page}")
    return FAILED if broken else 0


def report(
    folder: RunFolder,
    out: Annotated[Path | None, typer.Option("--out", "--output", help="Default: the run's folder.")] = None,
) -> None:
    """Write the report of a run, finished or not; exit code 1 if a promise is broken.

    $ slimbench report runs/mine
    """
    raise SystemExit(print_report(folder, out))


def verify(folder: RunFolder) -> None:
    """Verify every stored placement and reference of a run.

    $ slimbench verify runs/mine
    """
    faults = verify_run(folder)
    for fault in faults:
        print(fault)
    if not faults:
        print(f"{folder}: every placement and reference verifies")
    raise SystemExit(FAILED if faults else 0)
