"""Figures of the best heuristic's worst placement beside the best known one."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from slimbench.bench.results.results import Results
from slimbench.bench.results.stored_placements import stored_placements
from slimbench.bench.store.store import FILE_NAME, StoreError
from slimbench.instances import InstanceError
from slimbench.reports.charts.chart import Chart
from slimbench.reports.pages.summary import best_worst_case
from slimbench.reports.placement.view import placement_charts
from slimbench.reports.statistics.ratios import per_instance


def worst_placement(results: Results, folder: Path) -> list[Chart]:
    """Charts of one instance of the run folder; none where no heuristic has a placement.

    Nor are there any where the folder, an instance in it or a placement is not what it must be: that is for
    ``verify`` to say, and no reason to have no report.
    """
    best, kind = best_worst_case(results)
    if best is None or kind != "heuristic" or not (folder / FILE_NAME).is_file():
        return []
    table = per_instance(results)
    own = table[table["solver"].eq(best["solver"]) & table["n_placed"].gt(0)]
    worst = own.sort_values(["ratio_low", "ratio_high"], kind="stable").iloc[0]
    try:
        instance, placements = stored_placements(folder, worst["instance_hash"], [best["solver"]])
        charts = placement_charts(instance, placements)
    except (StoreError, InstanceError):
        return []
    return [replace(chart, title=f"{chart.title}: {worst['instance']}") for chart in charts]
