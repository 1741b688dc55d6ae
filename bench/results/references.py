"""References of instances: the best verified saving, the least proven bound, and how far they are trusted."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from slimbench.formulations import ContradictionError
from slimbench.formulations.tolerances import agree, exceeds

Level = Literal["none", "claimed", "cross-checked", "certified"]
CHECKED: Final = frozenset({"cross-checked", "certified"})
ENUMERATION: Final = "brute-force"  # our own code base, which looks at every placement


@dataclass(frozen=True)
class Reference:
    """Bracket of an instance's optimal saving, seconds per token.

    Attributes
    ----------
    saving_s : float
        Best verified saving of any run; NaN without one.
    bound_saving_s : float
        Least bound of the solvers whose bounds are proofs; NaN without one.
    closed : bool
        The two are the same to ``tolerance``: the optimum is known if the bound is one.
    proven : bool
        Closed, and not on the word of one code base alone.
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
    closed: bool
    proven: bool
    level: Level
    solver: str
    best_by: str
    runtime_s: float
    time_limit_s: float
    latency_none_s: float


class Bracket:
    """The bracket of an instance's optimum; takes its runs one by one, in constant time."""

    def __init__(self) -> None:
        self._best: Mapping[str, Any] | None = None  # the run of the best verified saving
        self._least: Mapping[str, Any] | None = None  # that of the least bound that is a proof
        self._proofs: set[frozenset[str]] = set()  # the code bases of each proof of optimality

    def add(self, run: Mapping[str, Any]) -> Reference:
        """Take a finished run; returns the reference as it now is.

        Raises
        ------
        ContradictionError
            If a verified placement saves more than an exact solver's bound allows (``exceeds``).
        """
        saving, bound = run["saving_s"], run["bound_saving_s"]
        if saving is not None and (self._best is None or saving > self._best["saving_s"]):
            self._best = run
        if bound is not None and proves(run):
            if self._least is None or bound < self._least["bound_saving_s"]:
                self._least = run
            if run["termination"] == "optimal":
                self._proofs.add(frozenset(run["library"].split("+")))
        return self.reference()

    def reference(self) -> Reference:
        """The reference that the runs so far add up to; raises as ``add`` does."""
        best, least = self._best, self._least
        saving = best["saving_s"] if best else math.nan
        bound = least["bound_saving_s"] if least else math.nan
        if best and least and exceeds(saving, bound, best["latency_none_s"]):
            raise ContradictionError(
                f"{best['instance']}: {best['solver']} has a verified saving of {saving:.9g} s, "
                f"above the bound of {bound:.9g} s that {least['solver']} claims"
            )
        closed, level = False, self._level()
        if best and least:
            closed = agree(saving, bound, best["latency_none_s"])
        return Reference(
            saving_s=saving,
            bound_saving_s=max(bound, saving) if least else math.nan,
            closed=closed,
            proven=closed and level in CHECKED,
            level=level,
            solver=least["solver"] if least else "",
            best_by=best["solver"] if best else "",
            runtime_s=least["runtime_s"] if least else math.nan,
            time_limit_s=least["time_limit_s"] if least else math.nan,
            latency_none_s=best["latency_none_s"] if best else math.nan,
        )

    def _level(self) -> Level:
        if frozenset({ENUMERATION}) in self._proofs:
            return "certified"
        if any(a.isdisjoint(b) for a, b in itertools.combinations(self._proofs, 2)):
            return "cross-checked"
        return "claimed" if self._least else "none"


def standing(reference: Mapping[Any, Any]) -> str:
    """``proven``, ``claimed`` by one code base, or ``open``: ``closed`` and ``proven`` in one word."""
    return "proven" if reference["proven"] else "claimed" if reference["closed"] else "open"


def proves(run: Mapping[str, Any]) -> bool:
    """Whether a run's bound may close a reference; a run stored by an earlier version has no ``bounds``."""
    return bool(run["exact"] or run.get("bounds"))


def reference_of(runs: Iterable[Mapping[str, Any]]) -> Reference:
    """The reference that one instance's finished runs add up to.

    Raises
    ------
    ContradictionError
        If a verified placement saves more than an exact solver's bound allows.
    """
    bracket = Bracket()
    for run in runs:
        bracket.add(run)
    return bracket.reference()
