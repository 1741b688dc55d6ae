"""Incumbents and bounds of a run over time, in bounded memory; primal integral and gap integral."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final, TypeVar

from slimbench.bench.isolation.messages import PackedPlacement
from slimbench.formulations.tolerances import AGREEMENT

T = TypeVar("T")

POINTS: Final = 200  # of each kind that are kept of a run
PLACEMENT_BYTES: Final = 2**24  # that are kept of a run
CLOCK_STEP_S: Final = 1e-3  # what lies closer together counts as simultaneous
IMPROVEMENT: Final = 1e-6  # relative; smaller ones are not points of their own

Step = tuple[float, float | None, float | None]  # seconds, best saving, least bound


@dataclass
class IncumbentLog:
    """Reported placements and bounds, thinned as the log grows.

    Attributes
    ----------
    placements : list of (seconds since the start, PackedPlacement)
    bounds : list of (seconds since the start, seconds per token), falling
    """

    placements: list[tuple[float, PackedPlacement]] = field(default_factory=list)
    bounds: list[tuple[float, float]] = field(default_factory=list)

    @property
    def placement(self) -> PackedPlacement | None:
        """The last one."""
        return self.placements[-1][1] if self.placements else None

    @property
    def bound(self) -> float | None:
        """The least one."""
        return self.bounds[-1][1] if self.bounds else None

    def add(self, seconds: float, placement: PackedPlacement | None, bound: float | None) -> None:
        """Keep a report; a bound that is not finite is ignored."""
        if placement is not None and placement != self.placement:
            self.placements.append((seconds, placement))
            most = min(POINTS, max(3, PLACEMENT_BYTES // max(1, len(placement.bits))))
            if len(self.placements) > most:
                self.placements = thinned(self.placements, most * 3 // 4)
        if bound is not None and math.isfinite(bound) and (self.bound is None or bound < self.bound):
            self.bounds.append((seconds, bound))
            if len(self.bounds) > POINTS:
                self.bounds = thinned(self.bounds, POINTS * 3 // 4)


def thinned(points: Sequence[tuple[float, T]], count: int) -> list[tuple[float, T]]:
    """Drop the points whose neighbours are closest in log time; ``count`` >= 2 stay, first and last too.

    No two neighbours are dropped in one round, so no stretch of time is emptied.
    """
    kept = list(points)
    while len(kept) > count:
        clock = [math.log(max(seconds, CLOCK_STEP_S)) for seconds, _ in kept]
        holes = {i: clock[i + 1] - clock[i - 1] for i in range(1, len(kept) - 1)}
        gone: set[int] = set()
        for i in sorted(holes, key=holes.__getitem__):
            if len(kept) - len(gone) > count and i - 1 not in gone and i + 1 not in gone:
                gone.add(i)
        kept = [point for i, point in enumerate(kept) if i not in gone]
    return kept


def best_so_far(savings: Sequence[tuple[float, float]], bounds: Sequence[tuple[float, float]]) -> list[Step]:
    """Best saving and least bound over time, a step for each improvement; ``None`` before the first.

    Parameters
    ----------
    savings, bounds : (seconds since the start, seconds per token), in any order
    """
    events: list[Step] = [(seconds, saving, None) for seconds, saving in savings]
    events += [(seconds, None, bound) for seconds, bound in bounds]
    steps: list[Step] = []
    for seconds, saving, bound in sorted(events, key=lambda event: event[0]):
        _, best, least = steps[-1] if steps else (0.0, None, None)
        better = saving is not None and (best is None or saving > best)
        tighter = bound is not None and (least is None or bound < least)
        if better or tighter:
            if steps and (steps[-1][0] == seconds or _is_small(steps)):
                steps.pop()
            steps.append((seconds, saving if better else best, bound if tighter else least))
    return steps


def _is_small(steps: Sequence[Step]) -> bool:
    """Whether the last step improves little on the one before it."""
    if len(steps) < 2:
        return False
    (_, *old), (_, *new) = steps[-2:]
    return all(
        (a is None and b is None)
        or (a is not None and b is not None and abs(b - a) <= IMPROVEMENT * max(abs(a), abs(b)))
        for a, b in zip(old, new, strict=True)
    )


def primal_integral(steps: Sequence[Step], best_s: float, limit_s: float) -> float:
    """Primal integral: the integral over [0, limit] of 1 - saving(t) / best known saving.

    The integrand is 1 before the first incumbent and 0 from 1e-6 on; the last incumbent holds to the limit.
    The integral is 0 where nothing can be saved.

    Parameters
    ----------
    steps : sequence of (seconds, best saving, least bound)
        As ``best_so_far`` makes them.
    best_s : float
        Best known saving, seconds per token; NaN without one.
    limit_s : float

    Returns
    -------
    float
        Seconds, from 0 to ``limit_s``.

    References
    ----------
    Berthold, Measuring the impact of primal heuristics, Operations Research Letters 41, 2013.
    """

    def gap(saving: float | None, _: float | None) -> float:
        return 1.0 if saving is None else 1 - saving / best_s

    return 0.0 if best_s <= 0 else _integral(steps, gap, limit_s)


def gap_integral(steps: Sequence[Step], best_s: float, limit_s: float) -> float:
    """Integral over [0, limit] of the gap (bound(t) - saving(t)) / bound(t).

    The gap is 1 before there are both and 0 up to 1e-6; a bound below the best known saving is refuted, and
    counts as that saving. Parameters, result and source are those of ``primal_integral``.
    """

    def gap(saving: float | None, bound: float | None) -> float:
        if bound is None or saving is None:
            return 1.0
        least = bound if math.isnan(best_s) else max(bound, best_s)
        return 0.0 if least <= 0 else (least - saving) / least

    return _integral(steps, gap, limit_s)


def _integral(
    steps: Sequence[Step], gap: Callable[[float | None, float | None], float], limit_s: float
) -> float:
    """Integral of a gap that is 1 at first and changes with each step, clipped to [0, 1]."""
    total, since, height = 0.0, 0.0, 1.0
    for seconds, saving, bound in steps:
        now = min(seconds, limit_s)
        total += height * (now - since)
        value = gap(saving, bound)
        since, height = now, 0.0 if value <= AGREEMENT else min(value, 1.0)
    return total + height * (limit_s - since)
