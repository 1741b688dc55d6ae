"""Context of a solver's run: random generator, deadline, threads, log, and reports of incumbents."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from slimbench.instances import Placement

Figure = float | int | str | bool


class NoSolutionError(Exception):
    """A solver ended within its limits without a placement."""


@dataclass
class SolveContext:
    """The context of one run.

    Attributes
    ----------
    rng : numpy.random.Generator
        Seeded by the run; the only source of randomness a solver may use.
    deadline : float
        When to return, on the clock of ``time.monotonic``; the process is killed soon after it.
    threads : int
        Threads the run may keep busy.
    log_file : Path or None
        Where a library may append its own log; kept when the run fails or proves less than it should.
    """

    rng: np.random.Generator
    deadline: float = math.inf
    threads: int = 1
    log_file: Path | None = None
    on_report: Callable[[Placement | None, float | None], None] | None = None
    figures: dict[str, Any] = field(default_factory=dict)
    proven_optimal: bool = False

    @property
    def time_left_s(self) -> float:
        """Seconds until the deadline, at least 0."""
        return max(0.0, self.deadline - time.monotonic())

    def expired(self) -> bool:
        """Return True once the deadline has passed."""
        return time.monotonic() >= self.deadline

    def report(
        self, placement: Placement | None, bound: float | None = None, *, optimal: bool = False
    ) -> None:
        """Report an incumbent, a proven upper bound on the saving, or both.

        A run that is killed at its limit counts with the last placement reported.

        Parameters
        ----------
        placement : Placement or None
        bound : float, optional
            Seconds per token that no placement saves more than.
        optimal : bool
            The placement is proven to be optimal; ``bound`` is then its saving.
        """
        self.proven_optimal = self.proven_optimal or optimal
        if self.on_report is not None:
            self.on_report(placement, bound)

    def record(self, **figures: Figure) -> None:
        """Store figures of the run, such as ``nodes`` or ``raw_status``, with its result."""
        self.figures.update(figures)
