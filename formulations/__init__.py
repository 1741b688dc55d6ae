"""The placement problem solved: AND-terms, one-server subproblems, MILP formulations, bounds and heuristics.

What a plugin is written with is imported from here; everything else may change without notice:

- ``and_terms``, ``AndTerms``: what one server's cache saves once all others are fixed;
- ``best_cache``, ``ServerCache``: that subproblem solved;
- ``fill_servers``, ``sweep_servers``, ``PrimalDualSearch``: placements, and bounds with them;
- ``build_milp``, ``MilpModel``: the exact formulations as arrays;
- ``solve_milp``, ``SolveOptions``, ``Start``, ``MilpResult``: handing a model to a solver library;
- ``SolverError``, ``ContradictionError``: what they raise.

>>> from slimbench.formulations import build_milp, solve_milp
>>> solve_milp(build_milp(instance), "highs").termination  # doctest: +SKIP
'optimal'
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from slimbench.formulations.errors import ContradictionError, SolverError

if TYPE_CHECKING:
    from slimbench.formulations.backends import solve_milp
    from slimbench.formulations.backends.request import SolveOptions, Start
    from slimbench.formulations.backends.result import MilpResult
    from slimbench.formulations.heuristics.decomposition import fill_servers, sweep_servers
    from slimbench.formulations.heuristics.primal_dual import PrimalDualSearch
    from slimbench.formulations.milp.build import build_milp
    from slimbench.formulations.milp.model import MilpModel
    from slimbench.formulations.single_server.solve import ServerCache, best_cache
    from slimbench.formulations.terms.and_terms import AndTerms, and_terms

_MODULES = {
    "AndTerms": "terms.and_terms",
    "MilpModel": "milp.model",
    "MilpResult": "backends.result",
    "PrimalDualSearch": "heuristics.primal_dual",
    "ServerCache": "single_server.solve",
    "SolveOptions": "backends.request",
    "Start": "backends.request",
    "and_terms": "terms.and_terms",
    "best_cache": "single_server.solve",
    "build_milp": "milp.build",
    "fill_servers": "heuristics.decomposition",
    "solve_milp": "backends",
    "sweep_servers": "heuristics.decomposition",
}

__all__ = [
    "AndTerms",
    "ContradictionError",
    "MilpModel",
    "MilpResult",
    "PrimalDualSearch",
    "ServerCache",
    "SolveOptions",
    "SolverError",
    "Start",
    "and_terms",
    "best_cache",
    "build_milp",
    "fill_servers",
    "solve_milp",
    "sweep_servers",
]


def __getattr__(name: str) -> Any:
    """Import what is asked for: errors and tolerances are wanted in processes that solve nothing."""
    if name in _MODULES:
        return getattr(importlib.import_module(f"{__name__}.{_MODULES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
