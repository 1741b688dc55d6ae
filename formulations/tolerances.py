"""When two figures of one instance are the same: the one rule for all that is compared."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

AGREEMENT: Final = 1e-6  # relative; optima of two exact methods agree to this
PROOF_GAP: Final = AGREEMENT / 2  # relative; a bound this near to the incumbent proves it optimal
ZERO_SAVING: Final = 1e-9  # of the latency without caches; solvers cannot tell less from nothing


def tolerance(saving: npt.ArrayLike, latency_none: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """By how much two figures for one saving may differ and still be the same, seconds per token.

    The one rule for all that is compared: 1e-6 of the saving, and never less than 1e-9 of the latency without
    caches, which is about what MILP solvers tell from 0 (docs/RESULTS.md, section on tolerances). So the
    claim that nothing can be saved is not refuted by a placement that saves 1e-10 of the latency, the
    placement counts, and where no more than that can be saved every ratio is 1. NaN is as good as 0: a run
    without a placement has no latency.
    """
    return np.fmax(AGREEMENT * np.abs(saving), ZERO_SAVING * np.asarray(latency_none))


def exceeds(saving: float, bound: float, latency_none: float) -> bool:
    """Whether a saving refutes a bound: it lies above it by more than the ``tolerance``."""
    return bool(saving - bound > tolerance(bound, latency_none))


def agree(saving: float, bound: float, latency_none: float) -> bool:
    """Whether a saving is the optimum by a bound: it lies below it by no more than the ``tolerance``."""
    return bool(bound - saving <= tolerance(bound, latency_none))


def saves_nothing(saving: float, latency_none: float) -> bool:
    """Whether a saving is none to the ``tolerance``."""
    return saving <= ZERO_SAVING * latency_none


def share_of(saving: float, best: float, latency_none: float) -> float:
    """Return saving / best, at most 1; 1 where the best saves nothing."""
    return 1.0 if saves_nothing(best, latency_none) else min(1.0, saving / best)
