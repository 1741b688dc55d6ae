"""What a backend returns, and what it tells while it solves: incumbents, bounds and the lines of its log."""

from __future__ import annotations

import contextlib
import math
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import TracebackType
from typing import Final, Literal, Self

import numpy as np

from slimbench.formulations.backends.request import SolveOptions
from slimbench.formulations.milp.model import MilpModel
from slimbench.formulations.tolerances import BOUND_STEP
from slimbench.instances.problem.arrays import FloatArray

Termination = Literal["optimal", "feasible", "none"]
WriteLines = Callable[[Iterable[str]], None]

NO_BOUND: Final = 1e20  # what libraries say before they have one


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


def termination(optimal: bool, found: bool) -> Termination:
    """How a solve ended that proved its incumbent optimal, or has one."""
    return "optimal" if optimal else "feasible" if found else "none"


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


@contextlib.contextmanager
def solver_log(file: Path | None) -> Iterator[WriteLines | None]:
    """A function that appends lines to the file at once, or None without a file.

    It is called from within a library, which an exception would harm: what a full disk does not take is lost.
    """
    if file is None:
        yield None
        return
    with file.open("a", encoding="utf-8", buffering=1) as stream:  # what a killed run told is kept

        def write(lines: Iterable[str]) -> None:
            with contextlib.suppress(OSError):
                for line in lines:
                    stream.write(f"{line}\n")

        yield write


def completed(
    milp: MilpModel, options: SolveOptions, solve: Callable[[MilpModel, SolveOptions], MilpResult]
) -> FloatArray | None:
    """Column values (V,) of a start, for libraries that take whole solutions only; None without a solution.

    Columns that the start leaves open are solved for, with the integer columns fixed; what is left of the
    model stands for no placement.
    """
    if options.start is None:
        return None
    values = np.zeros(milp.n_columns)
    values[options.start.columns] = options.start.values
    free = np.flatnonzero(~milp.integer)
    rows = milp.rows[:, free]
    kept = np.flatnonzero(np.diff(rows.indptr))
    rest = replace(
        milp,
        objective=milp.objective[free],
        rows=rows[kept],
        row_upper=(milp.row_upper - milp.rows @ values)[kept],
        integer=milp.integer[free],
        implied_integer=milp.implied_integer[free],
    )
    if free.size:
        found = solve(rest, SolveOptions(options.time_limit_s, options.threads)).values
        if found is None:
            return None
        values[free] = found
    return values
