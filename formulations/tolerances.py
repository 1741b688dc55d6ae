"""Numeric tolerances with their reasons, when two figures are the same, and what sums of doubles are off by.

References
----------
Higham, Accuracy and Stability of Numerical Algorithms, 2nd ed., 2002, sections 3.1 and 4.2.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

# Figures that are compared
AGREEMENT: Final = 1e-6  # relative; optima of two exact methods agree to this
ZERO_SAVING: Final = 1e-9  # of the latency without caches; solvers cannot tell less from nothing
PROOF_GAP: Final = AGREEMENT / 2  # relative; a bound this near to the incumbent proves it optimal
JUST_BELOW: Final = 1e-9  # relative; a cutoff this far below the incumbent leaves it feasible as a start

# What solver libraries are asked for
RELATIVE_GAP: Final = 1e-9  # what "optimal" has to mean to every backend; the absolute gap is 0
FEASIBILITY: Final = 1e-9  # at the usual 1e-6 a row of small weights leaks more saving than we compare
BOUND_STEP: Final = 1e-9  # relative; a bound that improved by less is not reported
TINY_COEFFICIENT: Final = 2.0**-29  # of a row's largest; HiGHS and SCIP take less than 1e-9 for 0

# Decisions in sums of doubles
IMPROVEMENT: Final = 1e-12  # relative; 40 times what a sum of changes is off by (``AndTerms.improves``)
CONCAVITY: Final = 1e-12  # of the largest increment; sorted savings are concave but for rounding, bounds not
SPLIT_MOVE: Final = 1e-9  # of the largest share; a split whose shares move by less has converged
UNIT: Final = 2.0**-53  # one rounding changes a number by at most this, relatively

# Experts of a layer in groups of which every subset is looked at
EXACT_EXPERTS: Final = 16  # 2^16 sums of 8 bytes, 0.5 MB, stay in a processor's cache; wider layers are split
MAX_EXACT_EXPERTS: Final = 20  # 2^20 sums: 8 MB a layer


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


def slack(operations: int) -> float:
    """What n roundings of each summand change a sum by at most, relative to its summands' absolute values."""
    return 2.0 * (operations + 2) * UNIT


def raised(value: float, magnitude: float, operations: int) -> float:
    """A number that the true value of a computed sum does not exceed.

    A sum in which every summand takes part in at most n roundings, in whatever order it is added up, is off
    by at most gamma M, with gamma = n u / (1 - n u), u = 2^-53, and M the sum of the summands' absolute
    values. What is added here is 2 (n + 2) u M: for n u <= 1/8, which holds below 10^15 operations, that
    covers gamma M, what M itself and this very line are off by, and M where it is computed as well.

    The same holds for the largest of many such sums. Let V' be the largest as computed, V(S) the true sum of
    any S, and no summand negative, so that M(S) = V(S): then V(S) <= V'(S) + gamma V(S) <= V' + gamma V(S),
    so V(S) <= V' / (1 - gamma) <= V' + 2 gamma V'. With negative summands of total N, M(S) <= V(S) + 2 N.

    Parameters
    ----------
    value : float
        The computed sum.
    magnitude : float
        At least M, computed in no more roundings.
    operations : int
        n.
    """
    return value + slack(operations) * magnitude
