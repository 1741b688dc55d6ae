"""Regret and competitive ratio of episodes against the offline optimum, or against bounds on it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from slimbench.bench.adaptive.episode import Episode
from slimbench.bench.adaptive.suite import NamedSequence
from slimbench.formulations import ContradictionError
from slimbench.formulations.tolerances import AGREEMENT
from slimbench.instances.sequences.sequence import Sequence


@dataclass(frozen=True)
class OfflineOptimum:
    """Bracket of the least cost of a sequence, seconds of the horizon.

    Attributes
    ----------
    best_s : float
        The least verified cost of any episode.
    bound_s : float
        The largest lower bound; 0, or what serving takes at least, without one.
    best_by, bound_by : str
    closed : bool
        The two agree to 1e-6, relative to the cost of caching nothing. The bound is the claim of one code
        base, so is the optimum then.
    """

    best_s: float
    bound_s: float
    best_by: str
    bound_by: str
    closed: bool


@dataclass(frozen=True)
class SequenceResult:
    """A sequence, the episodes of all policies on it, and its offline optimum.

    Attributes
    ----------
    episodes : tuple of Episode
        Of the suite's policies, in their order; the references' are not among them.
    """

    named: NamedSequence
    episodes: tuple[Episode, ...]
    optimum: OfflineOptimum


def offline_optimum(sequence: Sequence, episodes: Iterable[Episode]) -> OfflineOptimum:
    """Bracket of the offline optimum by the costs and the bounds of episodes.

    Raises
    ------
    ContradictionError
        If a verified episode costs less than a bound allows.
    """
    none_s = sequence.cost_none_s
    best_s, best_by, bound_s, bound_by = none_s, "nothing cached", 0.0, "no bound"
    for episode in episodes:
        if episode.total_s < best_s:
            best_s, best_by = episode.total_s, episode.call.label
        if episode.bound_s is not None and episode.bound_s > bound_s:
            bound_s, bound_by = episode.bound_s, episode.call.label
    tolerance_s = AGREEMENT * none_s
    if best_s < bound_s - tolerance_s:
        raise ContradictionError(
            f"{sequence.name}: {best_by} has a verified cost of {best_s:.9g} s, "
            f"below the bound of {bound_s:.9g} s that {bound_by} claims"
        )
    return OfflineOptimum(best_s, min(bound_s, best_s), best_by, bound_by, best_s - bound_s <= tolerance_s)


def regret_s(episode: Episode, optimum: OfflineOptimum) -> tuple[float, float]:
    """Seconds above the offline optimum: at least, and at most; equal where it is closed."""
    low = episode.total_s - optimum.best_s
    return low, low if optimum.closed else episode.total_s - optimum.bound_s


def competitive_ratio(episode: Episode, optimum: OfflineOptimum) -> tuple[float, float]:
    """Cost ÷ cost of the offline optimum: at least, and at most; equal where it is closed."""
    low = _share(episode.total_s, optimum.best_s)
    return low, low if optimum.closed else _share(episode.total_s, optimum.bound_s)


def _share(cost_s: float, optimum_s: float) -> float:
    if optimum_s > 0:
        return cost_s / optimum_s
    return 1.0 if cost_s <= 0 else float("inf")
