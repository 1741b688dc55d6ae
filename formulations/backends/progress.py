"""The best of what a library tells while it solves, handed on only as it improves."""

from __future__ import annotations

import contextlib
import math
import threading
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Final, Self

from slimbench.formulations.backends.options import SolveOptions
from slimbench.instances.problem.arrays import FloatArray

BOUND_STEP: Final = 1e-9  # relative; a bound that improved by less is not told
NO_BOUND: Final = 1e20  # what libraries say before they have one


class Progress:
    """Incumbent and bound of a solve under way, in objective units; a context manager around the solve.

    Libraries call back from threads of their own, and may go on when nobody waits for them any more. One lock
    makes each call whole. After the block nothing changes and nothing is handed on. What a listener raised in
    a callback is raised at the end of the block, as libraries lose it or crash of it.

    Parameters
    ----------
    interrupt : callable
        Asks the library to stop, from within a callback of it, as a listener has raised something.

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

    def __init__(self, options: SolveOptions, interrupt: Callable[[], None] = lambda: None) -> None:
        self.values: FloatArray | None = None
        self.objective = -math.inf
        self.bound = math.inf
        self.root_bound = math.inf
        self._told = math.inf
        self._options = options
        self._interrupt = interrupt
        self._error: BaseException | None = None
        self._closed = False
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._lock:
            self._closed = True
        if self._error is not None:
            raise self._error from None

    @property
    def failed(self) -> bool:
        """Whether a listener has raised something."""
        return self._error is not None

    @contextlib.contextmanager
    def callback(self) -> Iterator[None]:
        """Around the body of a callback: no exception gets into the library."""
        try:
            yield
        except BaseException as error:  # an interrupt of the user too
            self._error = self._error or error
            self._interrupt()

    def found(self, values: FloatArray, objective: float, bound: float, nodes: float) -> None:
        """Take an incumbent, with the bound and the number of nodes done when it was found."""
        with self._lock:
            if self._closed or self.failed:
                return
            self._take(bound, nodes)
            if objective <= self.objective:
                return
            self.values, self.objective = values, objective
            if self._options.on_incumbent is not None:
                self._told = self.bound
                self._options.on_incumbent(values, self.bound)

    def proved(self, bound: float, nodes: float) -> None:
        """Take a bound, with the number of nodes done."""
        with self._lock:
            if self._closed or self.failed:
                return
            self._take(bound, nodes)
            if not self._told - self.bound > BOUND_STEP * abs(self.bound):
                return
            if self._options.on_bound is not None:
                self._told = self.bound
                self._options.on_bound(self.bound)

    def _take(self, bound: float, nodes: float) -> None:
        if bound < NO_BOUND:  # false for NaN
            self.bound = min(self.bound, bound)
            if nodes <= 1:
                self.root_bound = self.bound


def finite(bound: float) -> float | None:
    """A bound, or None where it is none."""
    return bound if bound < NO_BOUND else None
