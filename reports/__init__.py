"""Reports of benchmark runs.

The names in ``__all__`` are the public API; everything else may change without notice. ``write_report``
writes the report of a run. The other functions take the ``Results`` of a run, which
``slimbench.bench.load_results`` reads, and return a frame; ``pair_summary`` takes the frame of
``solver_pair``, and ``friedman_test`` returns a record.
"""

from slimbench.bench.results.ratio_intervals import with_ratios
from slimbench.reports.pages.page import write_report
from slimbench.reports.statistics.aggregates import aggregate_table, pareto_front
from slimbench.reports.statistics.anytime import anytime_curves
from slimbench.reports.statistics.audit import guarantee_audit, violations
from slimbench.reports.statistics.comparisons import average_ranks, cliques, friedman_test, pairwise
from slimbench.reports.statistics.exact_methods import exact_table, reduction_effects
from slimbench.reports.statistics.profiles import ratio_profile, time_profile
from slimbench.reports.statistics.ratios import by_top_k, per_instance, ratio_table, runtime_table
from slimbench.reports.statistics.robustness import observations_needed, robustness, robustness_summary
from slimbench.reports.statistics.runtime_fits import runtime_fits
from slimbench.reports.statistics.solver_pairs import pair_summary, solver_pair
from slimbench.reports.statistics.sweeps import sweep_table
from slimbench.reports.statistics.worst_cases import worst_cases

__all__ = [
    "aggregate_table",
    "anytime_curves",
    "average_ranks",
    "by_top_k",
    "cliques",
    "exact_table",
    "friedman_test",
    "guarantee_audit",
    "observations_needed",
    "pair_summary",
    "pairwise",
    "pareto_front",
    "per_instance",
    "ratio_profile",
    "ratio_table",
    "reduction_effects",
    "robustness",
    "robustness_summary",
    "runtime_fits",
    "runtime_table",
    "solver_pair",
    "sweep_table",
    "time_profile",
    "violations",
    "with_ratios",
    "worst_cases",
    "write_report",
]
