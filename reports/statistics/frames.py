"""All statistics of a run, by the names of their CSV files."""

from __future__ import annotations

import pandas as pd

from slimbench.bench.results.results import Results
from slimbench.reports.statistics.aggregates import aggregate_table, pareto_front
from slimbench.reports.statistics.audit import guarantee_audit, violations
from slimbench.reports.statistics.comparisons import average_ranks, pairwise
from slimbench.reports.statistics.exact_methods import exact_table, reduction_effects
from slimbench.reports.statistics.once import once, transfers_with_ratios, with_ratios
from slimbench.reports.statistics.ratios import by_top_k, per_instance, ratio_table, runtime_table
from slimbench.reports.statistics.robustness import observations_needed, robustness, robustness_summary
from slimbench.reports.statistics.runtime_fits import runtime_fits
from slimbench.reports.statistics.solver_pairs import pair_summary, solver_pair
from slimbench.reports.statistics.worst_cases import worst_cases


@once
def statistics_of(results: Results) -> dict[str, pd.DataFrame]:
    """The statistics of a run, by the names of their CSV files."""
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
