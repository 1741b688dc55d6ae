"""The figures of the report, each with a line that says how to read it and the data that it draws."""

from __future__ import annotations

from slimbench.bench.results.results import FINISHED_WELL, NOT_RUN, Results
from slimbench.reports.charts.anytime import anytime
from slimbench.reports.charts.by_size import latency_by_size, ratio_by_size, scaling
from slimbench.reports.charts.cells import cells, labels
from slimbench.reports.charts.chart import Chart
from slimbench.reports.charts.comparison import against, critical_differences
from slimbench.reports.charts.heat_map import heat_map
from slimbench.reports.charts.profiles import ratio_profiles, time_distributions, time_profiles
from slimbench.reports.charts.robustness import generalisation
from slimbench.reports.charts.sweeps import sweeps
from slimbench.reports.charts.trade_off import trade_off
from slimbench.reports.statistics.ratios import ratio_table
from slimbench.reports.statistics.runtime_fits import runtime_fits
from slimbench.reports.tables.numbers import count_text

__all__ = ["charts"]


def charts(results: Results) -> list[Chart]:
    """All figures; none of a plan in which no run has ended yet."""
    if results.runs.empty or results.runs["status"].eq(NOT_RUN).all():
        return []
    rows = cells(results)
    names = labels(results.runs["solver"])
    solvers = list(names.values())
    worst_first = [names[solver] for solver in ratio_table(results)["solver"][::-1]]
    extent = _extent(results)
    fits = runtime_fits(results)
    drawn = (
        trade_off(rows, solvers, extent),
        ratio_profiles(results, rows, solvers, extent),
        time_profiles(results, rows, solvers, extent),
        time_distributions(results, rows, solvers, extent),
        *sweeps(results, names),
        ratio_by_size(rows, solvers, extent),
        latency_by_size(rows, solvers, extent),
        scaling(fits, fits.assign(solver=fits["solver"].map(names)), rows, solvers, extent),
        anytime(results, solvers, extent),
        against(results),
        critical_differences(results, names),
        heat_map(rows, worst_first, extent),
        *generalisation(results, names),
    )
    return [chart for chart in drawn if chart is not None]


def _extent(results: Results) -> str:
    runs = results.runs
    ended = int(runs["status"].ne(NOT_RUN).sum())
    failed = ended - int(runs["status"].eq(FINISHED_WELL).sum())
    limits = sorted(set(runs["time_limit_s"]))
    return (
        f"{count_text(runs['instance_hash'].nunique(), 'instance')}, "
        f"{count_text(runs['solver'].nunique(), 'solver')}, {count_text(ended, 'run')} ({failed:,} failed), "
        f"limit {' to '.join(f'{s:g} s' for s in dict.fromkeys([limits[0], limits[-1]]))}"
    )
