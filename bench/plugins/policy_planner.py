"""A solver as the planner within a policy."""

from __future__ import annotations

from slimbench.bench.plugins.context import SolveContext
from slimbench.bench.plugins.plugin import parse_call
from slimbench.bench.plugins.registry import find_solvers
from slimbench.instances import Instance, Placement


def plan(solver: str, instance: Instance, context: SolveContext) -> Placement:
    """The placement of a shipped or installed solver, within the policy's own deadline.

    What the solver tells on the way is of ``instance``, not of the sequence, so nobody is told.

    Raises
    ------
    PluginError
        If there is no such solver.
    """
    call = parse_call(solver, find_solvers())
    own = SolveContext(context.rng, context.deadline, context.threads)
    if call.solver.prepare is not None:
        call.solver.prepare(call.parameters)
    return call.solver(instance, own, **call.parameters)
