"""What every backend returns: why it ended, what it found, and what it proved."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from slimbench.instances.problem.arrays import FloatArray

Termination = Literal["optimal", "feasible", "none"]

RELATIVE_GAP = 1e-9  # what "optimal" has to mean to every backend; the absolute gap is 0
FEASIBILITY_TOLERANCE = 1e-9  # at the usual 1e-6 a row of small weights leaks more saving than we compare


@dataclass(frozen=True)
class MilpResult:
    """Outcome of one solve, in objective units.

    Attributes
    ----------
    termination : {"optimal", "feasible", "none"}
        ``optimal`` only when the library proved it; a time-limited solve is ``feasible`` or ``none``.
    raw_status : str
        The library's own words.
    values : (V,) float64 or None
        The incumbent.
    objective : float or None
        The library's objective of the incumbent: a claim, to be checked against the placement's.
    bound : float or None
        Upper bound that the library claims; None when it gives none. Never a primal objective.
    root_bound : float or None
        The same when the root node was done, or as far as it got; None where the library does not tell.
    multipliers : (R,) float64 or None
        Of the rows, of a model without integer columns; ``solve_milp`` makes its bound of them.
    figures : dict
        Other figures of the solve, such as ``nodes`` (for CP-SAT, branches).
    """

    termination: Termination
    raw_status: str
    values: FloatArray | None
    objective: float | None
    bound: float | None
    root_bound: float | None = None
    multipliers: FloatArray | None = None
    figures: dict[str, float] = field(default_factory=dict)
