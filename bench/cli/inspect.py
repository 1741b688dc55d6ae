"""``slimbench inspect``: compare placements of an instance by user, server and layer."""

from __future__ import annotations

import json
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
        str | None, typer.Option("--instance", help="Name or hash of the instance in a run's folder.")
    ] = None,
    solver: Annotated[
        list[str] | None,
        typer.Option("--solver", "-s", help="In a run's folder: show its best placement too."),
    ] = None,
) -> None:
    """Show latency by user, storage by server and differences of placements; without any, the demand.

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
    """Read placements, named by the stem of the file if no other file has it, else by the path."""
    stems = [path.name.removesuffix(".gz").removesuffix(".json") for path in paths]
    found: dict[str, Placement] = {}
    for path, stem in zip(paths, stems, strict=True):
        name = stem if stems.count(stem) == 1 else str(path)
        if name in found:
            raise InstanceError("PLACEMENT", f"is {path} twice, expected different files")
        found[name] = read_placement(path, instance)
    return found


def _object(seen: inspection.Inspection) -> dict[str, Any]:
    """Return all tables as JSON."""
    frames = {
        "latency": inspection.overall(seen),
        "users": inspection.by_user(seen),
        "storage": inspection.storage(seen),
        "differences_by_server": inspection.differences_by_server(seen),
        "differences_by_layer": inspection.differences_by_layer(seen),
        "demand": inspection.demand(seen.instance),
        "places": inspection.places(seen.instance),
    }
    baseline = next(iter(seen.placements), None)
    tables = {name: _records(frame) for name, frame in frames.items()}
    return {"instance": facts_of(seen.instance), "baseline": baseline, **tables}


def _records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Return rows as JSON can hold them, to the last bit; null for missing values."""
    plain = frame.astype(object).where(frame.notna(), None)
    return [
        {str(key): value.item() if isinstance(value, np.generic) else value for key, value in row.items()}
        for row in plain.to_dict("records")
    ]
