"""``slimbench inspect``: look inside placements of an instance. It may look up to ``reports``."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pandas as pd
import typer

from slimbench.bench.cli.options import FAILED, Json, console
from slimbench.bench.results.stored_placements import stored_placements
from slimbench.instances import Instance, InstanceError, Placement, read_instance, read_placement
from slimbench.reports.placement import inspection
from slimbench.reports.placement import text as inspection_text
from slimbench.reports.placement.facts import facts_of

WIDE_TEXT = 120  # columns, in a file or a pipe


def inspect(
    source: Annotated[
        Path,
        typer.Argument(metavar="INSTANCE", help="Instance file: .json, .json.gz or .npz; or a run's folder."),
    ],
    placements: Annotated[
        list[Path] | None,
        typer.Argument(metavar="[PLACEMENT]...", help="Placement files; the first is the baseline."),
    ] = None,
    html: Annotated[Path | None, typer.Option(help="Write the same as a page that works offline.")] = None,
    as_json: Json = False,
    instance_name: Annotated[
        str | None, typer.Option("--instance", help="Of a run's folder: name or hash of the instance.")
    ] = None,
    solver: Annotated[
        list[str] | None,
        typer.Option("--solver", "-s", help="Of a run's folder: its best placement, beside the best known."),
    ] = None,
) -> None:
    """Look inside placements: who pays, what lies where, where two differ; without any, at the demand.

    $ slimbench inspect cells.json.gz optimum.json placement.json --html inside.html
    $ slimbench inspect runs/mine --instance cells -s slim-dp
    """
    if source.is_dir():
        if placements:
            raise InstanceError("PLACEMENT", f"is {placements[0]}, expected --solver with a run's folder")
        instance, found = stored_placements(source, instance_name, solver or [])
    elif instance_name is not None or solver:
        option = "--solver" if solver else "--instance"
        raise InstanceError(option, f"is given for the file {source}, expected a run's folder")
    else:
        instance = read_instance(source)
        found = _read(placements or [], instance)
    seen = inspection.inspect_placements(instance, found)
    if html is not None:
        from slimbench.reports.placement.page import write_placement_page

        write_placement_page(seen, html)
    if as_json:
        print(json.dumps(_object(seen)))
    else:
        inspection_text.print_inspection(seen, console(WIDE_TEXT))
        if html is not None:
            print(f"page: {html}")
    fits = all(placement.violation(instance) is None for placement in found.values())
    raise SystemExit(0 if fits else FAILED)


def _read(paths: Sequence[Path], instance: Instance) -> dict[str, Placement]:
    """Placements by the shortest names that tell them apart."""
    stems = Counter(_stem(path) for path in paths)
    found: dict[str, Placement] = {}
    for path in paths:
        name = _stem(path) if stems[_stem(path)] == 1 else str(path)
        if name in found:
            raise InstanceError("PLACEMENT", f"is {path} twice, expected different files")
        found[name] = read_placement(path, instance)
    return found


def _stem(path: Path) -> str:
    return path.name.removesuffix(".gz").removesuffix(".json")


def _object(seen: inspection.Inspection) -> dict[str, Any]:
    """Everything, for programs."""
    instance = seen.instance
    places = inspection.places(instance)
    return {
        "instance": facts_of(instance),
        "baseline": next(iter(seen.placements), None),
        "latency": _records(inspection.overall(seen)),
        "users": _records(inspection.by_user(seen)),
        "storage": _records(inspection.storage(seen)),
        "differences_by_server": _records(inspection.differences_by_server(seen)),
        "differences_by_layer": _records(inspection.differences_by_layer(seen)),
        "demand": _records(inspection.demand(instance)),
        "places": _records(places),
    }


def _records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Rows as JSON can hold them, to the last bit; null for what is not a number."""
    plain = frame.astype(object).where(frame.notna(), None)
    return [
        {str(key): value.item() if isinstance(value, np.generic) else value for key, value in row.items()}
        for row in plain.to_dict("records")
    ]
