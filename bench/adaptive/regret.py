"""What a course is measured against: the interval in which the offline optimum lies."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from slimbench.bench.adaptive.course import Course
from slimbench.formulations import ContradictionError
from slimbench.formulations.tolerances import AGREEMENT
from slimbench.instances.sequences.sequence import Sequence


@dataclass(frozen=True)
class OfflineOptimum:
    """Bracket of the least cost of a sequence, seconds of the horizon.

    Attributes
    ----------
    best_s : float
        The least verified cost of any course.
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


def offline_optimum(sequence: Sequence, courses: Iterable[Course]) -> OfflineOptimum:
    """The bracket that courses add up to: what anybody has done hindsight could have done too.

    Raises
    ------
    ContradictionError
        If a verified course costs less than a bound allows.
    """
    none_s = sequence.cost_none_s
    best_s, best_by, bound_s, bound_by = none_s, "nothing cached", 0.0, "no bound"
    for course in courses:
        if course.total_s < best_s:
            best_s, best_by = course.total_s, course.call.label
        if course.bound_s is not None and course.bound_s > bound_s:
            bound_s, bound_by = course.bound_s, course.call.label
    tolerance_s = AGREEMENT * none_s
    if best_s < bound_s - tolerance_s:
        raise ContradictionError(
            f"{sequence.name}: {best_by} has a verified cost of {best_s:.9g} s, "
            f"below the bound of {bound_s:.9g} s that {bound_by} claims"
        )
    return OfflineOptimum(best_s, min(bound_s, best_s), best_by, bound_by, best_s - bound_s <= tolerance_s)


def regret_s(course: Course, optimum: OfflineOptimum) -> tuple[float, float]:
    """Seconds above the offline optimum: at least, and at most; equal where it is closed."""
    low = course.total_s - optimum.best_s
    return low, low if optimum.closed else course.total_s - optimum.bound_s


def competitive_ratio(course: Course, optimum: OfflineOptimum) -> tuple[float, float]:
    """Cost ÷ cost of the offline optimum: at least, and at most; equal where it is closed."""
    low = _share(course.total_s, optimum.best_s)
    return low, low if optimum.closed else _share(course.total_s, optimum.bound_s)


def _share(cost_s: float, optimum_s: float) -> float:
    if optimum_s > 0:
        return cost_s / optimum_s
    return 1.0 if cost_s <= 0 else float("inf")
