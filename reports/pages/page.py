"""The report of a run: one HTML page that needs nothing else, Markdown, figures, and the data behind them."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

from slimbench.bench.results.export import csv_of
from slimbench.bench.results.ratio_intervals import transfers_with_ratios, with_ratios
from slimbench.bench.results.results import Results
from slimbench.bench.store.store import StoreError
from slimbench.instances.files.files import write_atomically
from slimbench.reports.charts import charts
from slimbench.reports.charts.chart import Chart, renderings
from slimbench.reports.pages.interactive import interactive
from slimbench.reports.pages.section import FIGURES, Section
from slimbench.reports.pages.sections import sections
from slimbench.reports.pages.summary import summary
from slimbench.reports.pages.worst_placement import inside
from slimbench.reports.statistics.aggregates import aggregate_table
from slimbench.reports.statistics.audit import guarantee_audit, violations
from slimbench.reports.statistics.by_top_k import by_top_k
from slimbench.reports.statistics.comparisons import average_ranks, pairwise
from slimbench.reports.statistics.exact_methods import exact_table
from slimbench.reports.statistics.pareto import pareto_front
from slimbench.reports.statistics.ratios import per_instance, ratio_table, runtime_table
from slimbench.reports.statistics.reductions import reduction_effects
from slimbench.reports.statistics.robustness import observations_needed, robustness, robustness_summary
from slimbench.reports.statistics.runtime_fits import runtime_fits
from slimbench.reports.statistics.solver_pairs import pair_summary, solver_pair
from slimbench.reports.statistics.worst_cases import worst_cases
from slimbench.reports.tables.latex import write_latex
from slimbench.reports.tables.tables import provenance
from slimbench.reports.templates.templating import page_environment


def write_report(results: Results, folder: Path, out: Path | None = None) -> Path:
    """Write ``report.html``, ``report.md``, ``figures`` (SVG, PDF, PNG) and ``tables`` (CSV, LaTeX).

    Every file is replaced as a whole; equal results give equal bytes.

    Parameters
    ----------
    folder : Path
        Of the run.
    out : Path, optional
        Folder to write to, that of the run by default.

    Returns
    -------
    Path
        Of ``report.html``, which shows everything on its own, without a network.

    Raises
    ------
    StoreError
        If a file cannot be written.
    """
    out = out or folder
    try:
        out.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=out):  # rather than find out after all the work
            pass
        figures = [*charts(results), *inside(results, folder)]
        parts = sections(results)
        content = {
            "name": results.name,
            "summary": summary(results),
            "sections": [part for part in parts if part.id != FIGURES or figures],
            "interactive": interactive(results, figures, out),
            "provenance": provenance(results),
        }
        return write_pages(out, figures, _data(results), parts, content)
    except OSError as error:
        problem = f"the report cannot be written ({error.strerror or error}), expected --out FOLDER"
        raise StoreError(f"{out}: {problem}") from None


def write_pages(
    folder: Path,
    figures: Sequence[Chart],
    data: Mapping[str, pd.DataFrame],
    parts: Sequence[Section],
    content: Mapping[str, object],
) -> Path:
    """Write a report's folder; returns the path of its page.

    Parameters
    ----------
    data : dict of DataFrame
        Written as CSV beside those of the figures.
    parts : sequence of Section
        Their tables are written as LaTeX.
    content : dict
        What the templates are filled with, besides the figures.
    """
    for inner in ("figures", "tables"):
        (folder / inner).mkdir(parents=True, exist_ok=True)
    for figure in figures:
        for suffix, drawn in renderings(figure).items():
            write_atomically(folder / "figures" / f"{figure.name}.{suffix}", drawn)
    for name, frame in {**data, **{chart.name: chart.data for chart in figures}}.items():
        write_atomically(
            folder / "tables" / f"{name}.csv",
            _encoded(csv_of(frame)),
        )
    write_latex(
        {
            part.table.data: (part.caption, part.table)
            for section in parts
            for part in section.parts
            if part.table.rows
        },
        folder / "tables",
    )
    environment = page_environment()
    for name in ("report.html", "report.md"):
        text = environment.get_template(f"{name}.j2").render({**content, "charts": figures})
        write_atomically(folder / name, _encoded(text))
    return folder / "report.html"


def _data(results: Results) -> dict[str, pd.DataFrame]:
    pair = solver_pair(results)
    return {
        "worst_cases": worst_cases(results),
        "ratios": ratio_table(results),
        "aggregates": aggregate_table(results),
        "runtimes": runtime_table(results),
        "runtime_fits": runtime_fits(results),
        "pareto_front": pareto_front(results),
        "by_top_k": by_top_k(results),
        "solver_pair": pair,
        "solver_pair_summary": pair_summary(pair),
        "pairwise": pairwise(results),
        "average_ranks": average_ranks(results),
        "guarantee_audit": guarantee_audit(results),
        "violations": violations(results),
        "per_instance": per_instance(results),
        "references": results.references,
        "instances": results.instances,
        "runs": with_ratios(results).drop(columns="figures", errors="ignore"),
        "exact_methods": exact_table(results),
        "reductions": reduction_effects(results),
        "trajectories": results.trajectories,
        "transfers": transfers_with_ratios(results).drop(columns="figures", errors="ignore"),
        "robustness": robustness(results),
        "robustness_summary": robustness_summary(results),
        "observations_needed": observations_needed(results),
    }


def _encoded(text: str) -> bytes:
    return text.encode("utf-8", errors="replace")
