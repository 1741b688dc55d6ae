"""Possible causes of a difference between two runs: code, machine, settings, references."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import pandas as pd

from slimbench.bench.results.results import Results
from slimbench.formulations.tolerances import tolerance

SETTINGS: Final = ("parameters", "seed", "time_limit_s", "cpu_limit_s", "memory_limit_mb", "threads")
CAUSE_COLUMNS: Final = (
    "solver", "n_instances", "code_before", "code_after", "machines_before", "machines_after",
    "settings_changed", "n_references_changed",
)  # fmt: skip


def changed_references(before: Results, after: Results) -> set[str]:
    """Hashes of the instances whose best saving or bound differs by more than the ``tolerance``."""
    columns = ["saving_s", "bound_saving_s", "latency_none_s"]
    sides = [side.references.set_index("instance_hash")[columns].astype(float) for side in (before, after)]
    old, new = sides[0].align(sides[1], join="inner")
    none, figures = new["latency_none_s"].to_numpy()[:, None], columns[:2]
    differ = (old[figures] - new[figures]).abs().to_numpy() > tolerance(new[figures].to_numpy(), none)
    differ |= (old[figures].isna() != new[figures].isna()).to_numpy()
    return {str(instance_hash) for instance_hash in old.index.to_numpy()[differ.any(axis=1)]}


def change_causes(cells: pd.DataFrame, sides: Sequence[pd.DataFrame], changed: set[str]) -> pd.DataFrame:
    """What else differs between the runs of each solver's common cells, a row for each solver.

    Parameters
    ----------
    cells : DataFrame
        With ``solver`` and ``instance_hash``.
    sides : two of DataFrame
        The runs before and after.
    changed : set of str
        Hashes of the instances whose reference differs.
    """
    rows = []
    for solver, own in cells.groupby("solver", sort=False):
        common = [
            side[side["solver"].eq(solver) & side["instance_hash"].isin(own["instance_hash"])]
            for side in sides
        ]
        row: dict[str, Any] = {"solver": solver, "n_instances": len(own)}
        for name, column in (("code", "code_version"), ("machines", "machine_id")):
            for end, side in zip(("before", "after"), common, strict=True):
                row[f"{name}_{end}"] = "; ".join(sorted({str(value) for value in side[column]}))
        row["settings_changed"] = ", ".join(c for c in SETTINGS if _differ(*(side[c] for side in common)))
        row["n_references_changed"] = int(own["instance_hash"].isin(changed).sum())
        rows.append(row)
    return pd.DataFrame(rows, columns=pd.Index(CAUSE_COLUMNS))


def _differ(before: pd.Series, after: pd.Series) -> bool:
    """Whether values differ otherwise than by further repeats."""
    old, new = set(before.map(str)), set(after.map(str))
    return not (old <= new or new <= old)
