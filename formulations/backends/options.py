"""What a solve is asked for besides its model."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from slimbench.formulations.backends.start import Start
from slimbench.instances.problem.arrays import FloatArray

OnIncumbent = Callable[[FloatArray, float], None]  # column values and bound, in objective units
OnBound = Callable[[float], None]  # bound, in objective units


@dataclass(frozen=True)
class SolveOptions:
    """Limits of a solve, where it starts, and who is told of its progress.

    Attributes
    ----------
    time_limit_s : float
    threads : int
    start : Start or None
        A start that the model's rows forbid is ignored.
    log_file : Path or None
        Where the library's own log goes, after what the file has; CBC's replaces that.
    on_incumbent, on_bound : callable or None
        Told of every better incumbent, and of bounds that improve by more than 1e-9, relatively.
    """

    time_limit_s: float = math.inf
    threads: int = 1
    start: Start | None = None
    log_file: Path | None = None
    on_incumbent: OnIncumbent | None = None
    on_bound: OnBound | None = None
