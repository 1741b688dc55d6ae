"""A plugin for benchmarks of the harness: solvers that place nothing, and cost nothing or a fixed work."""

from __future__ import annotations

from slimbench.bench import SolveContext, solver
from slimbench.instances import Instance, Placement


@solver("nothing")
def place_nothing(instance: Instance, context: SolveContext) -> Placement:
    """Return at once."""
    return Placement.empty(instance)


@solver("spin")
def spin(instance: Instance, context: SolveContext, *, steps: int = 1000) -> Placement:
    """Draw ``steps`` numbers of a linear congruential generator, in plain Python."""
    number = 1
    for _ in range(steps):
        number = (1103515245 * number + 12345) % 2147483648
    return Placement.empty(instance)
