"""Public API of the benchmark: declaring and calling plugins, running a suite, and reading its results.

Names are imported when they are used; everything else in this package may change without notice.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from slimbench.bench.plugins.context import NoSolutionError, SolveContext
    from slimbench.bench.plugins.plugin import Guarantee, PluginError, Solver, parse_call, solver
    from slimbench.bench.plugins.policy_plugin import Observation, Policy, policy
    from slimbench.bench.plugins.registry import find_policies, find_solvers
    from slimbench.bench.results.compare import compare_runs
    from slimbench.bench.results.export import export_run
    from slimbench.bench.results.merge import merge_runs
    from slimbench.bench.results.results import Results, load_results
    from slimbench.bench.suites.benchmark import run

__all__ = [
    "Guarantee", "NoSolutionError", "Observation", "PluginError", "Policy", "Results", "SolveContext",
    "Solver", "compare_runs", "export_run", "find_policies", "find_solvers", "load_results", "merge_runs",
    "parse_call", "policy", "run", "solver",
]  # fmt: skip

_NAMES = {
    "plugins.context": ("NoSolutionError", "SolveContext"),
    "plugins.plugin": ("Guarantee", "PluginError", "Solver", "parse_call", "solver"),
    "plugins.policy_plugin": ("Observation", "Policy", "policy"),
    "plugins.registry": ("find_policies", "find_solvers"),
    "results.compare": ("compare_runs",),
    "results.export": ("export_run",),
    "results.merge": ("merge_runs",),
    "results.results": ("Results", "load_results"),
    "suites.benchmark": ("run",),
}


def __getattr__(name: str) -> Any:
    """Import a public name; the command line and every worker import this package without any."""
    for module, names in _NAMES.items():
        if name in names:
            return getattr(importlib.import_module(f"slimbench.bench.{module}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
