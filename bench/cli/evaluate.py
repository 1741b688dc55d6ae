"""``slimbench evaluate``: latency, saving and feasibility of a placement."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from slimbench.bench.cli.options import FAILED, InstanceFile, Json, print_facts
from slimbench.instances import evaluate as evaluated
from slimbench.instances import read_instance, read_placement


def evaluate(
    instance: InstanceFile,
    placement: Annotated[Path, typer.Argument(help="Placement file.")],
    as_json: Json = False,
) -> None:
    """Evaluate a placement: latency, saving, and whether it fits.

    $ slimbench evaluate cells.json.gz placement.json
    """
    problem = read_instance(instance)
    cached = read_placement(placement, problem)
    worth, violation = evaluated(problem, cached), cached.violation(problem)
    facts = {
        "latency_s": worth.latency_s,
        "latency_none_s": worth.latency_none_s,
        "saving_s": worth.saving_s,
        "feasible": violation is None,
        "violation": violation,
    }
    print_facts(facts, as_json)
    raise SystemExit(FAILED if violation else 0)
