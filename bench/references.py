"""What each instance's ratio is measured against: the best verified saving and the least proven bound."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from slimbench.formulations import ContradictionError

Level = Literal["none", "claimed", "cross-checked", "certified"]
AGREEMENT: Final = 1e-6  # relative; optima of two exact methods agree to this
ENUMERATION: Final = "brute-force"  # our own code base, which looks at every placement


@dataclass(frozen=True)
class Reference:
    """Bracket of an instance's optimal saving, seconds per token.

    Attributes
    ----------
    saving_s : float
        Best verified saving of any run; NaN without one.
    bound_saving_s : float
        Least bound of the exact solvers; NaN without one.
    proven : bool
        The two agree to 1e-6.
    level : str
        ``claimed``: one code base; ``cross-checked``: two that share nothing agree; ``certified``: every
        placement was looked at.
    solver, best_by : str
        Who gave the bound, who the saving.
    runtime_s : float
        Of the run that gave the bound.
    """

    saving_s: float
    bound_saving_s: float
    proven: bool
    level: Level
    solver: str
    best_by: str
    runtime_s: float
    time_limit_s: float
    latency_none_s: float


def reference_of(runs: Sequence[Mapping[str, Any]]) -> Reference:
    """The reference that one instance's finished runs of all roles add up to.

    Raises
    ------
    ContradictionError
        If a verified placement saves more than an exact solver's bound allows.
    """
    placed = [run for run in runs if run["saving_s"] is not None]
    bounded = [run for run in runs if run["exact"] and run["bound_saving_s"] is not None]
    best = max(placed, key=lambda run: run["saving_s"], default=None)
    least = min(bounded, key=lambda run: run["bound_saving_s"], default=None)
    saving = best["saving_s"] if best else math.nan
    bound = least["bound_saving_s"] if least else math.nan
    if best and least and exceeds(saving, bound):
        raise ContradictionError(
            f"{best['instance']}: {best['solver']} has a verified saving of {saving:.9g} s, "
            f"above the bound of {bound:.9g} s that {least['solver']} claims"
        )
    return Reference(
        saving_s=saving,
        bound_saving_s=max(bound, saving) if least else math.nan,
        proven=bool(best and least and bound - saving <= AGREEMENT * abs(bound)),
        level=_level(bounded),
        solver=least["solver"] if least else "",
        best_by=best["solver"] if best else "",
        runtime_s=least["runtime_s"] if least else math.nan,
        time_limit_s=least["time_limit_s"] if least else math.nan,
        latency_none_s=best["latency_none_s"] if best else math.nan,
    )


def exceeds(saving: float, bound: float) -> bool:
    """Whether a saving lies above a bound by more than two exact methods may differ."""
    return saving > bound + AGREEMENT * abs(bound) + 1e-300


def _level(bounded: Sequence[Mapping[str, Any]]) -> Level:
    proofs = {frozenset(run["library"].split("+")) for run in bounded if run["termination"] == "optimal"}
    if frozenset({ENUMERATION}) in proofs:
        return "certified"
    if any(a.isdisjoint(b) for a, b in itertools.combinations(proofs, 2)):
        return "cross-checked"
    return "claimed" if bounded else "none"
