"""``slimbench solvers``: the list of solvers."""

from __future__ import annotations

import json

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from slimbench.bench.cli.options import Json, Plugins
from slimbench.bench.plugins.registry import find_solvers


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
    Console().print(table)
