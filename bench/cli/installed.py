"""``slimbench solvers``, ``check``, ``sys-info`` and ``schema``: solvers, machine and suite format."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from slimbench.bench.cli.options import CALL_HELP, FAILED, Json, Plugins, print_facts, print_table
from slimbench.bench.plugins.plugin import parse_call
from slimbench.bench.plugins.registry import find_solvers


def solvers(plugin: Plugins = None, as_json: Json = False) -> None:
    """List the solvers with their parameters and declared guarantees.

    $ slimbench solvers --plugin busiest.py
    """
    found = find_solvers(plugin or [])
    rows = [
        {
            "solver": name,
            "parameters": {p.name: p.default for p in s.parameters.values()},
            "guarantee": s.guarantee and s.guarantee.claim,
            "conditions": s.guarantee and s.guarantee.conditions,
            "source": s.guarantee and s.guarantee.source,
            "exact": s.exact,
            "bounds": s.bounds,
            "summary": s.summary,
        }
        for name, s in found.items()
    ]
    if as_json:
        print(json.dumps(rows))
        return
    print_table(
        ("solver", "parameters", "guarantee", "summary"),
        [
            (
                name,
                ", ".join(f"{p.name}={p.default}" for p in s.parameters.values()),
                s.guarantee.claim if s.guarantee
                else "exact" if s.exact else "its own bound" if s.bounds else "none",
                s.summary,
            )
            for name, s in found.items()
        ],
    )  # fmt: skip


def check(solver: Annotated[str, typer.Argument(help=CALL_HELP)], plugin: Plugins = None) -> None:
    """Run the conformance kit on a plugin, and print what fails.

    $ slimbench check busiest-first --plugin busiest.py
    """
    from slimbench.bench.execution.conformance import check_solver

    call = parse_call(solver, find_solvers(plugin or []))
    checks = check_solver(call, plugin or [])
    for item in checks:
        if item.not_shown and not item.failures:
            print(f"--   {item.demand}: not shown, {item.not_shown}")
        else:
            print(f"{'FAIL' if item.failures else 'ok  '} {item.demand}")
        for failure in item.failures:
            print(f"       {failure}")
    raise SystemExit(FAILED if any(item.failures for item in checks) else 0)


def sys_info() -> None:
    """Print the machine, interpreter and versions that a run would have here.

    $ slimbench sys-info
    """
    from slimbench.bench.execution.machine import describe_machine

    print_facts(describe_machine())


def schema() -> None:
    """Print the JSON schema of suites, for editors.

    $ slimbench schema > suite.schema.json
    """
    from slimbench.bench.suites.schema import suite_schema

    print(json.dumps(suite_schema(), indent=2))
