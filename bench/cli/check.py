"""``slimbench check``: the conformance kit for a solver."""

from __future__ import annotations

from typing import Annotated

import typer

from slimbench.bench.cli.exit_codes import FAILED
from slimbench.bench.cli.options import CALL_HELP, Plugins
from slimbench.bench.execution.conformance import check_solver
from slimbench.bench.plugins.plugin import parse_call
from slimbench.bench.plugins.registry import find_solvers


def check(solver: Annotated[str, typer.Argument(help=CALL_HELP)], plugin: Plugins = None) -> None:
    """Run a plugin against the conformance kit and say what fails."""
    call = parse_call(solver, find_solvers(plugin or []))
    checks = check_solver(call, plugin or [])
    for item in checks:
        verdict = "FAIL" if item.failures else "--  " if item.not_shown else "ok  "
        print(f"{verdict} {item.demand}{f': not shown, {item.not_shown}' * (verdict == '--  ')}")
        for failure in item.failures:
            print(f"       {failure}")
    raise SystemExit(FAILED if any(item.failures for item in checks) else 0)
