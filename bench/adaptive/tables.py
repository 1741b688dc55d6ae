"""The results of an adaptive suite as tables, in the columns that docs/ADAPTIVE.md lists."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from slimbench.bench.adaptive.course import Course
from slimbench.bench.adaptive.regret import (
    OfflineOptimum,
    competitive_ratio,
    offline_optimum,
    regret_s,
)
from slimbench.bench.adaptive.suite import NamedSequence


@dataclass(frozen=True)
class Played:
    """A sequence, how every policy fared on it, and what hindsight could have done.

    Attributes
    ----------
    courses : tuple of Course
        Of the suite's policies, in their order; the references' are not among them.
    """

    named: NamedSequence
    courses: tuple[Course, ...]
    optimum: OfflineOptimum


def played(named: NamedSequence, references: list[Course], courses: list[Course]) -> Played:
    """Put courses beside the offline optimum that all of them together bracket.

    Raises
    ------
    ContradictionError
        If a verified course costs less than a reference's bound allows.
    """
    optimum = offline_optimum(named.sequence, [*references, *courses])
    return Played(named, tuple(courses), optimum)


def sequence_table(all_played: list[Played]) -> pd.DataFrame:
    """A row for each sequence: sizes, and the bracket of its offline optimum."""
    rows = []
    for one in all_played:
        sequence, optimum = one.named.sequence, one.optimum
        first = sequence.periods[0]
        rows.append(
            {
                "sequence": sequence.name,
                "sequence_hash": sequence.sha256,
                "dispatch": first.dispatch,
                "periods": sequence.n_periods,
                "servers": first.n_servers,
                "users": first.n_users,
                "experts": first.n_experts,
                "top_k": max(model.top_k for model in first.models),
                "tokens": float(sequence.tokens.sum()),
                "cost_none_s": sequence.cost_none_s,
                "optimum_low_s": optimum.bound_s,
                "optimum_high_s": optimum.best_s,
                "closed": optimum.closed,
                "bound_by": optimum.bound_by,
                "best_by": optimum.best_by,
                "note": one.named.note,
            }
        )
    return pd.DataFrame(rows)


def policy_table(all_played: list[Played]) -> pd.DataFrame:
    """A row for each policy on each sequence."""
    rows = []
    for one in all_played:
        for course in one.courses:
            regret, ratio = regret_s(course, one.optimum), competitive_ratio(course, one.optimum)
            costs = [step.cost for step in course.steps]
            failed = course.failed
            rows.append(
                {
                    "sequence": one.named.sequence.name,
                    "policy": course.call.label,
                    "sees": course.call.policy.sees,
                    "seed": course.seed,
                    "status": "failed" if failed else "ok",
                    "periods": len(costs),
                    "periods_failed": len(failed),
                    "message": f"period {failed[0]}: {_reason(course, failed[0])}" if failed else "",
                    "total_s": course.total_s,
                    "serving_s": sum(cost.serving_s for cost in costs),
                    "fetching_s": sum(cost.fetching_s for cost in costs),
                    "regret_low_s": regret[0],
                    "regret_high_s": regret[1],
                    "ratio_low": ratio[0],
                    "ratio_high": ratio[1],
                    "first_bytes": costs[0].moved_bytes,
                    "moved_bytes": sum(cost.moved_bytes for cost in costs),
                    "cloud_bytes": sum(cost.cloud_bytes for cost in costs),
                    "neighbour_bytes": sum(cost.neighbour_bytes for cost in costs),
                    "decision_median_s": float(np.nanmedian([step.decision_s for step in course.steps])),
                }
            )
    return pd.DataFrame(rows)


def period_table(all_played: list[Played]) -> pd.DataFrame:
    """A row for each period of each policy on each sequence."""
    rows = []
    for one in all_played:
        sequence = one.named.sequence
        for course in one.courses:
            cumulative_s = 0.0
            for t, step in enumerate(course.steps):
                cumulative_s += step.cost.total_s
                rows.append(
                    {
                        "sequence": sequence.name,
                        "policy": course.call.label,
                        "period": t,
                        "status": step.status,
                        "message": step.message,
                        "tokens": float(sequence.tokens[t]),
                        "servers_down": int((sequence.periods[t].capacities_bytes == 0).sum()),
                        "latency_s": step.cost.latency_s,
                        "serving_s": step.cost.serving_s,
                        "fetching_s": step.cost.fetching_s,
                        "cumulative_s": cumulative_s,
                        "cloud_bytes": step.cost.cloud_bytes,
                        "neighbour_bytes": step.cost.neighbour_bytes,
                        "decision_s": step.decision_s,
                    }
                )
    return pd.DataFrame(rows)


def _reason(course: Course, period: int) -> str:
    step = course.steps[period]
    return f"{step.status}: {step.message}" if step.message else step.status
