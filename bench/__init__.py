"""Public API of the benchmark: decorators of plugins, running a suite, and reading its results.

Names are imported when they are used; everything else in this package may change without notice.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from slimbench.bench.plugins.context import NoSolutionError, SolveContext
    from slimbench.bench.plugins.plugin import Guarantee, PluginError, Solver, solver
    from slimbench.bench.plugins.policy_plugin import Observation, Policy, policy
    from slimbench.bench.results.compare import compare_runs
    from slimbench.bench.results.export import export_run
    from slimbench.bench.results.merge import merge_runs
    from slimbench.bench.results.results import Results, load_results
    from slimbench.bench.suites.benchmark import run

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
    "Guarantee": "plugins.plugin",
    "NoSolutionError": "plugins.context",
    "Observation": "plugins.policy_plugin",
    "PluginError": "plugins.plugin",
    "Policy": "plugins.policy_plugin",
    "Results": "results.results",
    "SolveContext": "plugins.context",
    "Solver": "plugins.plugin",
    "compare_runs": "results.compare",
    "export_run": "results.export",
    "load_results": "results.results",
    "merge_runs": "results.merge",
    "policy": "plugins.policy_plugin",
    "run": "suites.benchmark",
    "solver": "plugins.plugin",
}


def __getattr__(name: str) -> Any:
    """Import a public name; the command line and every worker import this package without any."""
    if name in _MODULES:
        return getattr(importlib.import_module(f"slimbench.bench.{_MODULES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
