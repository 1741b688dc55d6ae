"""How far a sum that was computed may lie from the true one, so that bounds stay bounds."""

from __future__ import annotations

from typing import Final

UNIT: Final = 2.0**-53  # one rounding changes a number by at most this, relatively


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

    References
    ----------
    Higham, Accuracy and Stability of Numerical Algorithms, 2nd ed., 2002, sections 3.1 and 4.2.
    """
    return value + slack(operations) * magnitude
