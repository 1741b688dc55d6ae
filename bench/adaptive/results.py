"""Results of an adaptive suite: tables of sequences, policies and periods, and their files."""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd

from slimbench.bench.adaptive.regret import SequenceResult, competitive_ratio, regret_s
from slimbench.bench.isolation.messages import PackedPlacement
from slimbench.bench.results.export import csv_of, write_files
from slimbench.bench.store.store import StoreError

FILE_NAME: Final = "adaptive.json"
TABLES: Final = ("sequences", "policies", "periods")


@dataclass(frozen=True)
class AdaptiveResults:
    """Tables of an adaptive suite, with the columns of docs/ADAPTIVE.md.

    Attributes
    ----------
    name : str
        Of the suite.
    sequences, policies, periods : DataFrame
    provenance : dict of str
    """

    name: str
    sequences: pd.DataFrame
    policies: pd.DataFrame
    periods: pd.DataFrame
    provenance: dict[str, str]

    @classmethod
    def of(cls, name: str, done: Sequence[SequenceResult], provenance: dict[str, str]) -> AdaptiveResults:
        """The tables of these sequences."""
        return cls(name, _sequence_table(done), _policy_table(done), _period_table(done), provenance)


def refuse_adaptive_results(folder: Path) -> None:
    """Raise ``StoreError`` if a folder has results."""
    if (folder / FILE_NAME).exists():
        raise StoreError(f"{folder}: has results already, expected another folder")


def write_results(results: AdaptiveResults, done: Sequence[SequenceResult], folder: Path) -> None:
    """Write ``sequences.csv``, ``policies.csv``, ``periods.csv`` and ``adaptive.json``, each atomically.

    Raises
    ------
    StoreError
        If the folder cannot be written.
    """
    content = {
        "format": "slimbench.adaptive",
        "version": 1,
        "name": results.name,
        "provenance": results.provenance,
        **{name: _rows(getattr(results, name)) for name in TABLES},
        "placements": [
            {
                "sequence": one.named.sequence.name,
                "policy": episode.call.label,
                "bits": [
                    base64.b64encode(PackedPlacement.pack(step.placement).bits).decode("ascii")
                    for step in episode.steps
                ],
            }
            for one in done
            for episode in one.episodes
        ],
    }
    texts = {f"{name}.csv": csv_of(getattr(results, name)) for name in TABLES}
    texts[FILE_NAME] = json.dumps(content, indent=1)
    write_files(folder, {name: text.encode("utf-8", errors="replace") for name, text in texts.items()})


def _rows(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Rows as JSON can hold them, to the last bit; null for what is not a finite number."""
    plain = frame.replace([np.inf, -np.inf], np.nan).astype(object)
    return [
        {str(key): value for key, value in row.items()}
        for row in plain.where(plain.notna(), None).to_dict("records")
    ]


def _sequence_table(done: Sequence[SequenceResult]) -> pd.DataFrame:
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


def _policy_table(done: Sequence[SequenceResult]) -> pd.DataFrame:
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


def _period_table(done: Sequence[SequenceResult]) -> pd.DataFrame:
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
