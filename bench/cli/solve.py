"""``slimbench solve``: one solver on one instance, without a run folder."""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path
from typing import Annotated

import typer

from slimbench.bench.cli.options import CALL_HELP, FAILED, InstanceFile, Json, Plugins, print_facts
from slimbench.bench.execution.run_once import run_once
from slimbench.bench.isolation.workers import Workers
from slimbench.bench.plugins.plugin import parse_call
from slimbench.bench.plugins.registry import find_solvers
from slimbench.bench.results.references import ENUMERATION
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
    """Run one solver on one instance, isolated and verified as in a suite.

    $ slimbench solve cells.json.gz --solver exact --json
    """
    problem = read_instance(instance)
    call = parse_call(solver, find_solvers(plugin or []))
    with tempfile.TemporaryDirectory() as folder, Workers(forked=True) as workers:
        row, outcome = run_once(
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
    if out is not None and row["placement"] is not None and outcome.placement is not None:
        write_placement(outcome.placement.unpack(), problem, out)
    claimed = "certified" if call.solver.name == ENUMERATION else "claimed"
    first = {
        "instance": problem.name,
        "instance_hash": problem.sha256,
        "solver": call.label,
        "status": row["status"],
        "termination": row["termination"],
        "level": claimed if row["termination"] == "optimal" else "none",
    }
    left_out = {*first, "placement", "trajectory", "figures"}  # a suite keeps placement and trajectory
    rest = {column: value for column, value in row.items() if column not in left_out}
    result = {**first, **rest, "figures": json.loads(row["figures"])}
    print_facts(result, as_json)
    if result["status"] in {"crashed", "error"} and log:
        print(log, file=sys.stderr, end="")
    raise SystemExit(0 if result["status"] == "ok" else FAILED)
