"""``slimbench solve``, ``evaluate``, ``solvers``, ``check``: one solver at a time, no run folder."""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from slimbench.bench.cli_instances import InstanceFile, Json, print_facts
from slimbench.bench.conformance import check_solver
from slimbench.bench.exit_codes import FAILED
from slimbench.bench.messages import Job
from slimbench.bench.plugin import parse_call
from slimbench.bench.registry import find_solvers
from slimbench.bench.runner import run_alone
from slimbench.bench.verification import verified
from slimbench.instances import evaluate, read_instance, read_placement, write_placement

CALL_HELP = r"name or name\[parameter=value,...]"  # what stands in brackets alone would be markup
Plugins = Annotated[
    list[Path] | None, typer.Option("--plugin", help="A Python file with solvers; repeatable.")
]


def solve(
    instance: InstanceFile,
    solver: Annotated[str, typer.Option("--solver", "-s", help=CALL_HELP)],
    as_json: Json = False,
    out: Annotated[Path | None, typer.Option(help="Write the placement here.")] = None,
    time_limit: Annotated[float, typer.Option(min=0.0, help="Seconds.")] = 60.0,
    memory_limit: Annotated[float, typer.Option(min=1.0, help="MiB of resident memory.")] = 8192.0,
    seed: Annotated[int, typer.Option(min=0)] = 0,
    plugin: Plugins = None,
) -> None:
    """Run one solver on one instance, isolated and verified as in a suite."""
    problem = read_instance(instance)
    call = parse_call(solver, find_solvers(plugin or []))
    with tempfile.TemporaryDirectory() as folder:
        job = Job(
            key=0,
            instance_file=str(instance),
            solver=call.label,
            plugin_files=tuple(str(path) for path in plugin or []),
            seed=seed,
            time_limit_s=time_limit,
            memory_limit_mb=memory_limit,
            threads=1,
            log_file=str(Path(folder, "log")),
        )
        outcome = run_alone(job)
        log = Path(folder, "log").read_text("utf-8", "replace") if Path(folder, "log").exists() else ""
    result = verified(problem, call, outcome)
    placed = result.pop("placement") is not None
    del result["trajectory"]  # pages of numbers; a suite keeps them
    if out is not None and placed and outcome.placement is not None:
        write_placement(outcome.placement.unpack(), problem, out)
    figures = json.loads(result.pop("figures"))
    result = {
        "instance": problem.name,
        "instance_hash": problem.sha256,
        "solver": call.label,
        **result,
        **{"figures": figures},
    }
    if as_json:
        print(json.dumps(result))
    else:
        print_facts(result)
    if result["status"] in {"crashed", "error"} and log:
        print(log, file=sys.stderr, end="")
    raise SystemExit(0 if result["status"] == "ok" else FAILED)


def evaluate_placement(
    instance: InstanceFile,
    placement: Annotated[Path, typer.Argument(help="Placement file.")],
    as_json: Json = False,
) -> None:
    """Say what a placement is worth and whether it fits."""
    problem = read_instance(instance)
    cached = read_placement(placement, problem)
    worth, violation = evaluate(problem, cached), cached.violation(problem)
    facts = {
        "latency_s": worth.latency_s,
        "latency_none_s": worth.latency_none_s,
        "saving_s": worth.saving_s,
        "feasible": violation is None,
        "violation": violation,
    }
    if as_json:
        print(json.dumps(facts))
    else:
        print_facts(facts)
    raise SystemExit(FAILED if violation else 0)


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
        guarantee = s.guarantee.claim if s.guarantee else "exact" if s.exact else "none"
        table.add_row(name, *map(escape, (parameters, guarantee, s.summary)))
    Console().print(table)


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
