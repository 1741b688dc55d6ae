"""The results of an adaptive suite as tables, in the columns that docs/ADAPTIVE.md lists."""

from __future__ import annotations

import numpy as np
import pandas as pd

from slimbench.bench.adaptive.regret import SequenceResult, competitive_ratio, regret_s


def sequence_table(done: list[SequenceResult]) -> pd.DataFrame:
    """A row for each sequence: sizes, and the bracket of its offline optimum."""
    rows = []
    for one in done:
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


def policy_table(done: list[SequenceResult]) -> pd.DataFrame:
    """A row for each policy on each sequence."""
    rows = []
    for one in done:
        for episode in one.episodes:
            regret, ratio = regret_s(episode, one.optimum), competitive_ratio(episode, one.optimum)
            costs = [step.cost for step in episode.steps]
            failed = episode.failed
            message = ""
            if failed:
                step = episode.steps[failed[0]]
                message = f"period {failed[0]}: " + ": ".join(filter(None, (step.status, step.message)))
            rows.append(
                {
                    "sequence": one.named.sequence.name,
                    "policy": episode.call.label,
                    "sees": episode.call.policy.sees,
                    "seed": episode.seed,
                    "status": "failed" if failed else "ok",
                    "periods": len(costs),
                    "periods_failed": len(failed),
                    "message": message,
                    "total_s": episode.total_s,
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
                    "decision_median_s": float(np.nanmedian([step.decision_s for step in episode.steps])),
                }
            )
    return pd.DataFrame(rows)


def period_table(done: list[SequenceResult]) -> pd.DataFrame:
    """A row for each period of each policy on each sequence."""
    rows = []
    for one in done:
        sequence = one.named.sequence
        for episode in one.episodes:
            cumulative_s = 0.0
            for t, step in enumerate(episode.steps):
                cumulative_s += step.cost.total_s
                rows.append(
                    {
                        "sequence": sequence.name,
                        "policy": episode.call.label,
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
