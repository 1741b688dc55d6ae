"""Measuring: what plugins are written with, and what reads a finished run. The rest has its own modules."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from slimbench.bench.context import NoSolutionError, SolveContext
from slimbench.bench.plugin import Guarantee, PluginError, Solver, solver

if TYPE_CHECKING:
    from slimbench.bench.results import Results, load_results

__all__ = [
    "Guarantee",
    "NoSolutionError",
    "PluginError",
    "Results",
    "SolveContext",
    "Solver",
    "load_results",
    "solver",
]


def __getattr__(name: str) -> Any:
    """Import what needs pandas only when it is asked for: every worker imports this package."""
    if name in {"Results", "load_results"}:
        from slimbench.bench import results  # noqa: PLC0415

        return getattr(results, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
