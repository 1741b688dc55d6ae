"""``slimbench instance``: make instances from scenarios and traces, describe and draw them."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from slimbench.bench.cli.options import Data, InstanceFile, Json, Settings, print_facts
from slimbench.instances import Instance, InstanceError, read_instance, write_instance
from slimbench.instances.files.files import SUFFIXES, naming_file, write_atomically
from slimbench.instances.generators.generate import make_instance, read_recipe, wires_of
from slimbench.instances.generators.scenario import read_scenario, recipe_fields, shipped_scenarios
from slimbench.instances.network import WiredGraph
from slimbench.reports.placement.facts import facts_of

PICTURES: Final = (".svg", ".pdf", ".png")

app = typer.Typer(no_args_is_help=True, add_completion=False)


def instance() -> None:
    """Make, describe and draw instances."""


def _drawable(picture: Path | None) -> Path | None:
    if picture is not None and picture.suffix not in PICTURES:
        raise InstanceError("--picture", f"is {str(picture)!r}, expected {', '.join(PICTURES)}")
    return picture


Picture = Annotated[
    Path | None,
    typer.Option("--picture", help="Draw servers, users and wires: .svg, .pdf or .png.", callback=_drawable),
]


@app.command()
def new(
    scenario: Annotated[
        str,
        typer.Argument(
            help="A shipped scenario: see `slimbench instance scenarios`.",
            autocompletion=lambda: list(shipped_scenarios()),
        ),
    ],
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="File to write: .json, .json.gz or .npz; default SCENARIO.json.gz."),
    ] = None,
    settings: Settings = None,
    data: Data = None,
    picture: Picture = None,
) -> None:
    """Make an instance: random --out cells.json.gz --set layers=4 --set network.servers=5."""
    if scenario.endswith(SUFFIXES):
        raise InstanceError("SCENARIO", f"is {scenario}, expected such as: random --out {scenario}")
    file = out or Path(f"{scenario}.json.gz")
    with recipe_fields(
        with_settings({"scenario": scenario, "name": file.name.split(".")[0]}, settings)
    ) as fields:
        _write_new(fields, data, file, picture)


@app.command()
def scenarios(as_json: Json = False) -> None:
    """List the shipped scenarios with their descriptions."""
    print_facts({name: read_scenario(name).description for name in shipped_scenarios()}, as_json)


@app.command(name="from-trace")
def from_trace(
    trace: Annotated[Path, typer.Argument(help="Routing trace: .parquet, .csv or .jsonl, or packed .gz.")],
    out: Annotated[Path, typer.Argument(help="File to write: .json, .json.gz or .npz.")],
    model: Annotated[
        list[str] | None,
        typer.Option(
            "--model",
            help="A model of the zoo that the trace names, repeatable; by default those that it names first.",
        ),
    ] = None,
    settings: Settings = None,
    picture: Picture = None,
) -> None:
    """Make an instance from a routing trace and a radio network (--set network.servers=5)."""
    routing = {"kind": "trace", "path": str(trace)}
    name = out.name.split(".")[0]
    fields = {"name": name, "dispatch": "single", "models": model or [], "routing": routing}
    _write_new(with_settings(fields, settings), None, out, picture)


@app.command()
def show(instance: InstanceFile, as_json: Json = False, picture: Picture = None) -> None:
    """Print sizes, capacities, latencies and hash of an instance."""
    read = read_instance(instance)
    print_facts({**facts_of(read), **_drawn(read, None, picture)}, as_json)


def _write_new(fields: Mapping[str, Any], data: Path | None, out: Path, picture: Path | None) -> None:
    recipe = read_recipe(fields)
    instance, note = make_instance(recipe, data)
    write_instance(instance, out)
    drawn = _drawn(instance, wires_of(recipe), picture)
    print_facts({"file": str(out), **facts_of(instance), "note": note, **drawn})


def _drawn(instance: Instance, wires: WiredGraph | None, picture: Path | None) -> dict[str, str]:
    """Draw the instance if a file is given, and return the line that says so."""
    if picture is None:
        return {}
    from slimbench.reports.charts.chart import renderings
    from slimbench.reports.placement.network_map import network_map

    chart = network_map(instance, wires)
    if chart is None:
        raise InstanceError(
            "servers.position_m", "is not known for servers and users, expected it to draw them"
        )
    with naming_file(picture):
        write_atomically(picture, renderings(chart)[picture.suffix.removeprefix(".")])
    return {"picture": str(picture)}


def with_settings(fields: dict[str, Any], settings: list[str] | None) -> dict[str, Any]:
    """Put the values of ``--set`` into the fields of a recipe.

    Raises
    ------
    InstanceError
        If a setting is not of the form key=value.
    """
    for setting in settings or []:
        key, equals, value = setting.partition("=")
        if not equals:
            raise InstanceError("--set", f"is {setting!r}, expected key=value")
        *tables, name = key.strip().split(".")
        table = fields
        for step in tables:
            table = table.setdefault(step, {})
            if not isinstance(table, dict):
                raise InstanceError("--set", f"is {setting!r}, but {step} has no fields")
        try:
            table[name] = tomllib.loads(f"value = {value}")["value"]
        except tomllib.TOMLDecodeError:  # a text without quotes
            table[name] = value
        if name == "models" and not value.startswith("["):
            table[name] = [value]
    return fields
