"""The best of what a library tells while it solves, handed on only as it improves."""

from __future__ import annotations

import math
from typing import Final

from slimbench.formulations.backends.options import SolveOptions
from slimbench.instances.arrays import FloatArray

BOUND_STEP: Final = 1e-9  # relative; a bound that improved by less is not told
NO_BOUND: Final = 1e20  # what libraries say before they have one


class Progress:
    """Incumbent and bound of a solve under way, in objective units.

    Attributes
    ----------
    values : (V,) float64 or None
    objective : float
        Of the best incumbent; -inf without one.
    bound : float
        Least bound told; inf without one.
    root_bound : float
        The same while no more than the root node was done.
    """

    def __init__(self, options: SolveOptions) -> None:
        self.values: FloatArray | None = None
        self.objective = -math.inf
        self.bound = math.inf
        self.root_bound = math.inf
        self._told = math.inf
        self._options: SolveOptions | None = options

    def found(self, values: FloatArray, objective: float, bound: float, nodes: float) -> None:
        """Take an incumbent, with the bound and the number of nodes done when it was found."""
        self._take(bound, nodes)
        if self._options is None or objective <= self.objective:
            return
        self.values, self.objective = values, objective
        if self._options.on_incumbent is not None:
            self._told = self.bound
            self._options.on_incumbent(values, self.bound)

    def proved(self, bound: float, nodes: float) -> None:
        """Take a bound, with the number of nodes done."""
        self._take(bound, nodes)
        if self._options is None or not self._told - self.bound > BOUND_STEP * abs(self.bound):
            return
        if self._options.on_bound is not None:
            self._told = self.bound
            self._options.on_bound(self.bound)

    def close(self) -> None:
        """Hand nothing on any more: the library goes on, but nobody waits for it."""
        self._options = None

    def _take(self, bound: float, nodes: float) -> None:
        if bound < NO_BOUND:  # false for NaN
            self.bound = min(self.bound, bound)
            if nodes <= 1:
                self.root_bound = self.bound


def finite(bound: float) -> float | None:
    """A bound, or None where it is none."""
    return bound if bound < NO_BOUND else None
