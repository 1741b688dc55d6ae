"""``slimbench solve``: one solver on one instance, without a run folder."""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path
from typing import Annotated

import typer

from slimbench.bench.cli.options import CALL_HELP, FAILED, InstanceFile, Json, Plugins, print_result
from slimbench.bench.execution.run_once import run_once
from slimbench.bench.isolation.workers import Workers
from slimbench.bench.plugins.plugin import parse_call
from slimbench.bench.plugins.registry import find_solvers
from slimbench.bench.results.references import ENUMERATION, Level
from slimbench.instances import read_instance, write_placement


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
    with tempfile.TemporaryDirectory() as folder, Workers(forked=True) as workers:
        result, outcome = run_once(
            workers,
            Path(folder),
            problem,
            call,
            time_limit_s=time_limit,
            memory_limit_mb=memory_limit,
            seed=seed,
            plugin_files=plugin or (),
            instance_file=instance,
        )
        log = Path(folder, "log").read_text("utf-8", "replace") if Path(folder, "log").exists() else ""
    placed = result.pop("placement") is not None
    del result["trajectory"]  # pages of numbers; a suite keeps them
    if out is not None and placed and outcome.placement is not None:
        write_placement(outcome.placement.unpack(), problem, out)
    figures = json.loads(result.pop("figures"))
    head = {"instance": problem.name, "instance_hash": problem.sha256, "solver": call.label}
    for column in ("status", "termination"):
        head[column] = result.pop(column)
    result = {**head, "level": _level(head["termination"], call.solver.name), **result, "figures": figures}
    print_result(result, as_json)
    if result["status"] in {"crashed", "error"} and log:
        print(log, file=sys.stderr, end="")
    raise SystemExit(0 if result["status"] == "ok" else FAILED)


def _level(termination: str, solver: str) -> Level:
    """How far an optimum of this one run is to be trusted."""
    if termination != "optimal":
        return "none"
    return "certified" if solver == ENUMERATION else "claimed"
