"""Measuring: what plugins are written with, and what makes and reads a run. The rest has its own modules."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from slimbench.bench.context import NoSolutionError, SolveContext
from slimbench.bench.plugin import Guarantee, PluginError, Solver, solver
from slimbench.bench.policy_plugin import Observation, Policy, policy

if TYPE_CHECKING:
    from slimbench.bench.benchmark import run
    from slimbench.bench.compare import compare_runs
    from slimbench.bench.export import export_run
    from slimbench.bench.merge import merge_runs
    from slimbench.bench.results import Results, load_results

__all__ = [
    "Guarantee",
    "NoSolutionError",
    "Observation",
    "PluginError",
    "Policy",
    "Results",
    "SolveContext",
    "Solver",
    "compare_runs",
    "export_run",
    "load_results",
    "merge_runs",
    "policy",
    "run",
    "solver",
]

_LATER = {
    "Results": "results",
    "compare_runs": "compare",
    "export_run": "export",
    "load_results": "results",
    "merge_runs": "merge",
    "run": "benchmark",
}


def __getattr__(name: str) -> Any:
    """Import what needs pandas only when it is asked for: every worker imports this package."""
    if name in _LATER:
        return getattr(importlib.import_module(f"slimbench.bench.{_LATER[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
