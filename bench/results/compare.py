"""Compare two runs: what became better or worse, tests of significance, and possible causes."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from slimbench.bench.results.change_causes import change_causes, changed_references
from slimbench.bench.results.ratio_intervals import with_ratios
from slimbench.bench.results.references import proves
from slimbench.bench.results.results import FINISHED_WELL, NOT_RUN, Results
from slimbench.bench.results.significance import fewest_pairs, holm, signed_rank_p, verdict
from slimbench.formulations.tolerances import AGREEMENT, agree, exceeds

FACTOR: Final = 1.1  # of runtimes, as asv's
QUALITY_FACTOR: Final = 1.01  # of saving ratios, which are re-computed and have no noise of their own
ALPHA: Final = 0.05
NOISE_S: Final = 1e-3  # runtimes that differ by less do not differ
MOST: Final = 1000.0  # factor that something against nothing counts as
MEASURES: Final = ("quality", "runtime")

_CELL: Final = ["solver", "instance_hash"]
_RANKS: Final = {
    "claimed optimal": 0, FINISHED_WELL: 1, "time_limit": 2, "memory_limit": 2, "time_limit, no placement": 3,
    "memory_limit, no placement": 3, "no_solution": 3,
}  # fmt: skip
_FAILED: Final = 4  # crashed, error, invalid_placement: worse than all others

SOLVER_COLUMNS: Final = (
    "solver", "measure", "n_instances", "before_low", "before_high", "after_low", "after_high", "factor",
    "p_value", "verdict", "n_worse", "n_better", "worst_instance", "worst_factor",
)  # fmt: skip
STATUS_COLUMNS: Final = ("solver", "instance", "instance_hash", "before", "after")


@dataclass(frozen=True)
class Comparison:
    """Differences between the common cells of two runs.

    Attributes
    ----------
    before, after : str
        Names of the two.
    solvers : DataFrame
        For each solver and each of ``quality`` and ``runtime``: geometric means over the instances before
        and after (of saving ratios as intervals against the joint reference, or of seconds), the geometric
        mean ``factor`` after / before, its corrected ``p_value``, the ``verdict``, on how many instances it
        is beyond the threshold, and where it is worst.
    cells : DataFrame
        For each solver and instance the medians over repeats, outcomes, and both factors.
    worse_statuses : DataFrame
        Cells whose runs end worse than before, by the worst of the repeats.
    change_causes : DataFrame
        For each solver what else differs: its code, the machine, its settings, the references.
    contradictions : tuple of str
        Instances on which one run refutes the bound of the other.
    """

    before: str
    after: str
    solvers: pd.DataFrame
    cells: pd.DataFrame
    worse_statuses: pd.DataFrame
    change_causes: pd.DataFrame
    contradictions: tuple[str, ...]

    @property
    def is_regression(self) -> bool:
        """Whether anything is worse: a verdict, or how a run ends."""
        return bool(self.solvers["verdict"].eq("worse").any()) or len(self.worse_statuses) > 0


def compare_runs(
    before: Results,
    after: Results,
    *,
    factor: float = FACTOR,
    quality_factor: float = QUALITY_FACTOR,
    alpha: float = ALPHA,
) -> Comparison:
    """Compare the cells (solver call and instance) that two runs have both measured.

    Ratios of both are taken against the best saving and the least bound of the two, so that a better
    reference is no change. A runtime, of runs that ended ``ok``, differs only by at least 1 ms and more than
    the interquartile range of its repeats.

    Parameters
    ----------
    factor, quality_factor : float
        How much runtimes, and saving ratios, may change to count as the same; at least 1.
    alpha : float
        Level of the paired test over instances, corrected over the solvers (Wilcoxon, Holm).

    Raises
    ------
    ValueError
        If a factor is below 1 or alpha not between 0 and 1.
    """
    if not (factor >= 1 and quality_factor >= 1 and 0 < alpha < 1):
        raise ValueError(f"factors {factor}, {quality_factor}, alpha {alpha}: expected >= 1, 0 < alpha < 1")
    references, contradictions = joint_references(before, after)
    sides = [_measured(replace(side, references=references)) for side in (before, after)]
    cells = _cells(*sides)
    thresholds = {"quality": quality_factor, "runtime": factor}
    verdicts = [row for m in MEASURES for row in _verdicts(cells, m, thresholds[m], alpha)]
    ends = zip(cells["before"], cells["after"], strict=True)
    worse = cells[np.array([_rank(new) > _rank(old) for old, new in ends], bool)]
    return Comparison(
        before=before.name,
        after=after.name,
        solvers=pd.DataFrame(verdicts, columns=pd.Index(SOLVER_COLUMNS)),
        cells=cells,
        worse_statuses=worse[list(STATUS_COLUMNS)].reset_index(drop=True),
        change_causes=change_causes(cells, sides, changed_references(before, after)),
        contradictions=contradictions,
    )


def joint_references(before: Results, after: Results) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """The bracket of every instance by the runs of both, and what contradicts itself there.

    A bound that a placement of the other run refutes is none.
    """
    both = pd.concat([before.references, after.references])
    aggregates = {"instance": "first", "latency_none_s": "first", "saving_s": "max", "bound_saving_s": "min"}
    joint = both.groupby("instance_hash", sort=False).agg(aggregates).reset_index()
    savings, bounds = joint["saving_s"].tolist(), joint["bound_saving_s"].tolist()
    none = joint["latency_none_s"].tolist()
    refuted = np.array([exceeds(*figures) for figures in zip(savings, bounds, none, strict=True)], bool)
    faults = tuple(
        f"{joint['instance'][i]}: a verified saving of {savings[i]:.9g} s in one run is above the bound of "
        f"{bounds[i]:.9g} s in the other"
        for i in np.flatnonzero(refuted)
    )
    joint["bound_saving_s"] = joint["bound_saving_s"].mask(refuted).clip(lower=joint["saving_s"])
    joint["closed"] = [
        agree(*figures) for figures in zip(savings, joint["bound_saving_s"].tolist(), none, strict=True)
    ]
    return joint, faults


def _measured(results: Results) -> pd.DataFrame:
    """Runs that are over, with their ratios and outcomes."""
    runs = with_ratios(results)
    runs = runs[runs["status"].ne(NOT_RUN)]
    return runs.assign(outcome=[_outcome(row) for row in runs.to_dict("records")])


def _outcome(run: dict[Any, Any]) -> str:
    """The status of a run, with a claimed optimum or a missing placement."""
    if run["status"] == FINISHED_WELL and proves(run) and run["termination"] == "optimal":
        return "claimed optimal"
    stopped = f"{run['status']}, no placement"
    return stopped if stopped in _RANKS and np.isnan(run["saving_s"]) else str(run["status"])


def _rank(outcome: str) -> int:
    return _RANKS.get(outcome, _FAILED)


def _cells(before: pd.DataFrame, after: pd.DataFrame) -> pd.DataFrame:
    """A row for each cell of both sides, with the factors after / before; NaN where a side has no figure."""
    cells = _medians(before).merge(_medians(after), on=_CELL, suffixes=("_before", "_after"))
    cells = cells.rename(
        columns={"outcome_before": "before", "outcome_after": "after", "instance_before": "instance"}
    ).drop(columns="instance_after")
    old, new = (cells[f"ratio_high_{side}"].to_numpy(float) for side in ("before", "after"))
    cells["quality_factor"] = _factors(old, new, np.abs(new - old) <= AGREEMENT)
    old, new = (cells[f"runtime_s_{side}"].to_numpy(float) for side in ("before", "after"))
    spread = cells[["spread_s_before", "spread_s_after"]].max(axis=1).to_numpy(float)
    cells["runtime_factor"] = _factors(old, new, np.abs(new - old) <= np.maximum(NOISE_S, spread))
    return cells


def _medians(runs: pd.DataFrame) -> pd.DataFrame:
    """One row for each cell: medians over the repeats, the spread of the runtimes, and the worst outcome."""
    times = runs["runtime_s"].where(runs["status"].eq(FINISHED_WELL))
    repeats = runs.assign(runtime_s=times).groupby(_CELL, sort=False)
    runtimes = repeats["runtime_s"]
    return pd.concat(
        [
            repeats["instance"].first(),
            repeats["outcome"].agg(lambda outcomes: max(outcomes, key=_rank)),
            repeats[["ratio_low", "ratio_high", "runtime_s"]].median(),
            (runtimes.quantile(0.75) - runtimes.quantile(0.25)).rename("spread_s"),
        ],
        axis=1,
    ).reset_index()


def _factors(
    before: npt.NDArray[np.float64], after: npt.NDArray[np.float64], is_same: npt.NDArray[np.bool_]
) -> npt.NDArray[np.float64]:
    """After / before, from 1 / 1000 to 1000; exactly 1 where the two count as the same."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(is_same, 1.0, np.clip(after / before, 1 / MOST, MOST))


def _verdicts(cells: pd.DataFrame, measure: str, threshold: float, alpha: float) -> list[dict[str, Any]]:
    """A row of one measure for each solver."""
    more_is_better = measure == "quality"
    rows = [
        _summary(str(solver), own, measure, threshold, more_is_better)
        for solver, own in cells.groupby("solver", sort=False)
    ]
    tested = [row for row in rows if row["n_instances"] >= fewest_pairs(alpha)]
    for row, p_value in zip(tested, holm([row["p_value"] for row in tested]), strict=True):
        row["p_value"] = p_value
    for row in rows:
        row["verdict"] = verdict(
            row["factor"], row["p_value"], row["n_instances"],
            threshold=threshold, alpha=alpha, more_is_better=more_is_better,
        )  # fmt: skip
        if row["verdict"] == "too few to test":
            row["p_value"] = np.nan
    return rows


def _summary(
    solver: str, cells: pd.DataFrame, measure: str, threshold: float, more_is_better: bool
) -> dict[str, Any]:
    own = cells[cells[f"{measure}_factor"].notna()]
    factors = own[f"{measure}_factor"].to_numpy(float)
    gains = factors if more_is_better else 1 / factors
    worst = int(gains.argmin()) if len(own) else None
    row: dict[str, Any] = {
        "solver": solver,
        "measure": measure,
        "n_instances": len(own),
        "factor": _gmean(factors),
        "p_value": signed_rank_p(np.log(factors)),
        "n_worse": int((gains < 1 / threshold).sum()),
        "n_better": int((gains > threshold).sum()),
        "worst_instance": own["instance"].iloc[worst] if worst is not None else "",
        "worst_factor": factors[worst] if worst is not None else np.nan,
    }
    for side in ("before", "after"):
        for end in ("low", "high"):
            column = f"ratio_{end}_{side}" if measure == "quality" else f"runtime_s_{side}"
            row[f"{side}_{end}"] = _gmean(own[column].to_numpy(float))
    return row


def _gmean(values: npt.NDArray[np.float64]) -> float:
    """(product of x_i) ** (1 / n), 0 as soon as one is 0; NaN of nothing."""
    if not len(values):
        return float("nan")
    return float(np.exp(np.log(values).mean())) if np.all(values > 0) else 0.0
