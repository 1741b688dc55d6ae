"""``slimbench solvers``, ``check``, ``sys-info``, ``schema``: what is installed here and can be written."""

from __future__ import annotations

import json
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from slimbench.bench.cli.options import CALL_HELP, FAILED, Json, Plugins, console, print_facts
from slimbench.bench.plugins.plugin import parse_call
from slimbench.bench.plugins.policy_plugin import parse_policy
from slimbench.bench.plugins.registry import find_policies, find_solvers


def solvers(plugin: Plugins = None, as_json: Json = False) -> None:
    """List the solvers with their parameters and declared guarantees."""
    found = find_solvers(plugin or [])
    rows = [
        {
            "solver": name,
            "parameters": {p.name: p.default for p in s.parameters.values()},
            "guarantee": s.guarantee.claim if s.guarantee else None,
            "conditions": s.guarantee.conditions if s.guarantee else None,
            "source": s.guarantee.source if s.guarantee else None,
            "exact": s.exact,
            "bounds": s.bounds,
            "summary": s.summary,
        }
        for name, s in found.items()
    ]
    if as_json:
        print(json.dumps(rows))
        return
    table = Table("solver", "parameters", "guarantee", "summary")
    for name, s in found.items():
        parameters = ", ".join(f"{p.name}={p.default}" for p in s.parameters.values())
        own = "exact" if s.exact else "its own bound" if s.bounds else "none"
        guarantee = s.guarantee.claim if s.guarantee else own
        table.add_row(name, *map(escape, (parameters, guarantee, s.summary)))
    console().print(table)


def check(
    solver: Annotated[str, typer.Argument(help=CALL_HELP)],
    plugin: Plugins = None,
    policy: Annotated[bool, typer.Option("--policy", help="It is a policy, not a solver.")] = False,
) -> None:
    """Run a plugin against the conformance kit and say what fails."""
    files = plugin or []
    if policy:
        from slimbench.bench.adaptive.conformance import check_policy

        checks = check_policy(parse_policy(solver, find_policies(files)), files)
    else:
        from slimbench.bench.execution.conformance import check_solver

        checks = check_solver(parse_call(solver, find_solvers(files)), files)
    for item in checks:
        verdict = "FAIL" if item.failures else "--  " if item.not_shown else "ok  "
        print(f"{verdict} {item.demand}{f': not shown, {item.not_shown}' * (verdict == '--  ')}")
        for failure in item.failures:
            print(f"       {failure}")
    raise SystemExit(FAILED if any(item.failures for item in checks) else 0)


def sys_info() -> None:
    """Say what machine, interpreter and versions a run here would be made with."""
    from slimbench.bench.execution.machine import describe_machine

    print_facts(describe_machine())


def schema() -> None:
    """Print the JSON schema of suites, for editors."""
    from slimbench.bench.suites.schema import suite_schema

    print(json.dumps(suite_schema(), indent=2))
