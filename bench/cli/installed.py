"""``slimbench solvers``, ``policies``, ``check``, ``sys-info``, ``schema``: plugins, machine and suites."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Annotated, Any

import typer

from slimbench.bench.cli.options import (
    CALL_HELP,
    FAILED,
    Json,
    Plugins,
    PolicyPlugins,
    print_facts,
    print_table,
)
from slimbench.bench.plugins.plugin import parse_call
from slimbench.bench.plugins.registry import find_policies, find_solvers


def solvers(plugin: Plugins = None, as_json: Json = False) -> None:
    """List the solvers with their parameters and declared guarantees.

    $ slimbench solvers --plugin busiest.py
    """
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
        for name, s in find_solvers(plugin or []).items()
    ]
    _print_plugins(rows, ("solver", "parameters", "guarantee", "summary"), as_json)


def policies(plugin: PolicyPlugins = None, as_json: Json = False) -> None:
    """List the policies of ``slimbench adapt`` with what they see and their parameters.

    $ slimbench policies --plugin mine.py
    """
    rows = [
        {
            "policy": name,
            "sees": p.sees,
            "parameters": {q.name: q.default for q in p.parameters.values()},
            "exact": p.exact,
            "bounds": p.bounds,
            "summary": p.summary,
        }
        for name, p in find_policies(plugin or []).items()
    ]
    _print_plugins(rows, ("policy", "sees", "parameters", "summary"), as_json)


def _print_plugins(rows: Sequence[dict[str, Any]], headers: Sequence[str], as_json: bool) -> None:
    if as_json:
        print(json.dumps(rows))
        return
    for row in rows:
        row["parameters"] = ", ".join(f"{name}={value}" for name, value in row["parameters"].items())
        own = "exact" if row["exact"] else "its own bound" if row["bounds"] else "none"
        row["guarantee"] = row.get("guarantee") or own
    print_table(headers, [[row[header] for header in headers] for row in rows])


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
