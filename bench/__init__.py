"""Measuring: what plugins are written with, and what makes and reads a run. The rest has its own modules."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from slimbench.bench.benchmark import run
    from slimbench.bench.compare import compare_runs
    from slimbench.bench.context import NoSolutionError, SolveContext
    from slimbench.bench.export import export_run
    from slimbench.bench.merge import merge_runs
    from slimbench.bench.plugin import Guarantee, PluginError, Solver, solver
    from slimbench.bench.policy_plugin import Observation, Policy, policy
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

_MODULES = {
    "Guarantee": "plugin",
    "NoSolutionError": "context",
    "Observation": "policy_plugin",
    "PluginError": "plugin",
    "Policy": "policy_plugin",
    "Results": "results",
    "SolveContext": "context",
    "Solver": "plugin",
    "compare_runs": "compare",
    "export_run": "export",
    "load_results": "results",
    "merge_runs": "merge",
    "policy": "policy_plugin",
    "run": "benchmark",
    "solver": "plugin",
}


def __getattr__(name: str) -> Any:
    """Import what is asked for: the command line and every worker import this package."""
    if name in _MODULES:
        return getattr(importlib.import_module(f"slimbench.bench.{_MODULES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
