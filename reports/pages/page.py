"""The report of a run: an HTML page that works offline, Markdown, figures and their data."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

from slimbench.bench.results.export import spreadsheet_safe
from slimbench.bench.results.results import Results
from slimbench.bench.store.store import StoreError
from slimbench.instances.files.files import write_atomically
from slimbench.reports.charts import charts
from slimbench.reports.charts.chart import Chart, renderings
from slimbench.reports.pages.interactive import interactive
from slimbench.reports.pages.section import FIGURES, Section
from slimbench.reports.pages.sections import sections
from slimbench.reports.pages.summary import summary
from slimbench.reports.pages.worst_placement import worst_placement
from slimbench.reports.statistics.frames import statistics_of
from slimbench.reports.statistics.once import remembering
from slimbench.reports.tables.latex import latex_table
from slimbench.reports.tables.shown import provenance
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
    results = remembering(results)
    try:
        out.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=out):  # rather than find out after all the work
            pass
        figures = [*charts(results), *worst_placement(results, folder)]
        parts = sections(results)
        content = {
            "name": results.name,
            "summary": summary(results),
            "sections": [part for part in parts if part.id != FIGURES or figures],
            "interactive": interactive(results, figures, out),
            "provenance": provenance(results.provenance),
        }
        return write_pages(out, figures, statistics_of(results), parts, content)
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
            _encoded(spreadsheet_safe(frame).to_csv(index=False, lineterminator="\n")),
        )
    for part in (part for section in parts for part in section.parts if part.table.rows):
        text = latex_table(part.table, part.caption, part.table.data)
        write_atomically(folder / "tables" / f"{part.table.data}.tex", text.encode("ascii"))
    environment = page_environment()
    for name in ("report.html", "report.md"):
        text = environment.get_template(f"{name}.j2").render({**content, "charts": figures})
        write_atomically(folder / name, _encoded(text))
    return folder / "report.html"


def _encoded(text: str) -> bytes:
    return text.encode("utf-8", errors="replace")
