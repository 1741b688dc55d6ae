"""HTML page of placements of one instance, which works offline."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Final

from slimbench.bench.results.export import spreadsheet_safe
from slimbench.instances.files.files import naming_file, write_atomically
from slimbench.reports.charts.chart import Chart, plain, records
from slimbench.reports.placement.facts import facts_of
from slimbench.reports.placement.inspection import Inspection, places
from slimbench.reports.placement.view import charts_of, rows_left_out, tables_of
from slimbench.reports.templates.templating import page_environment

MAX_CSV_BYTES: Final = 2**20  # that a page carries of one figure's data


def write_placement_page(seen: Inspection, path: Path) -> None:
    """Write what ``slimbench inspect`` shows as one HTML file; equal placements give equal bytes.

    Raises
    ------
    InstanceError
        If the file cannot be written.
    """
    charts = charts_of(seen)
    sources = {name: records(frame) for chart in charts for name, frame in chart.sources.items()}
    text = (
        page_environment()
        .get_template("placement.html.j2")
        .render(
            name=plain(seen.instance.name) or "instance without a name",
            placements=[plain(name) for name in seen.placements],
            facts=facts_of(seen.instance),
            charts=[(chart, _csv(chart)) for chart in charts],
            has_map=not places(seen.instance).empty,
            tables=tables_of(seen),
            note=rows_left_out(seen),
            specifications={chart.name: chart.specification for chart in charts},
            sources=sources,
        )
    )
    with naming_file(path):
        write_atomically(path, text.encode("utf-8", errors="replace"))


def _csv(chart: Chart) -> str:
    """The figure's data as an address to load them from; empty where they are too large."""
    text = spreadsheet_safe(chart.data).to_csv(index=False, lineterminator="\n")
    content = text.encode("utf-8", errors="replace")
    if len(content) > MAX_CSV_BYTES:
        return ""
    return f"data:text/csv;base64,{base64.b64encode(content).decode('ascii')}"
