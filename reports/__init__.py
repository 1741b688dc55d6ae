"""What the numbers say: ratios, guarantees, profiles, figures, and the page that shows them."""

from slimbench.bench.ratio_intervals import with_ratios
from slimbench.reports.aggregates import aggregate_table
from slimbench.reports.anytime import anytime_curves
from slimbench.reports.audit import guarantee_audit, violations
from slimbench.reports.by_top_k import by_top_k
from slimbench.reports.comparisons import average_ranks, cliques, friedman_test, pairwise
from slimbench.reports.exact_methods import exact_table
from slimbench.reports.page import write_report
from slimbench.reports.pareto import pareto_front
from slimbench.reports.profiles import ratio_profile, time_profile
from slimbench.reports.ratios import per_instance, ratio_table, runtime_table
from slimbench.reports.reductions import reduction_effects
from slimbench.reports.robustness import observations_needed, robustness, robustness_summary
from slimbench.reports.runtime_fits import runtime_fits
from slimbench.reports.solver_pairs import pair_summary, solver_pair
from slimbench.reports.sweeps import sweep_table
from slimbench.reports.worst_cases import worst_cases

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
