"""``slimbench instance``: make instances from recipes and traces, and look at them."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Annotated, Any

import typer

from slimbench.bench.instance_facts import facts_of
from slimbench.instances import InstanceError, read_instance, write_instance
from slimbench.instances.generate import make_instance, read_recipe

instance_app = typer.Typer(help="Make and look at instances.", no_args_is_help=True)

Data = Annotated[Path | None, typer.Option("--data", help="Folder that data paths start from.")]
InstanceFile = Annotated[Path, typer.Argument(help="Instance file: .json, .json.gz or .npz.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")]
Settings = Annotated[list[str] | None, typer.Option("--set", help="key=value, such as network.servers=5.")]


@instance_app.command()
def new(
    out: Annotated[Path, typer.Argument(help="File to write: .json, .json.gz or .npz.")],
    settings: Settings = None,
    data: Data = None,
) -> None:
    """Make an instance: --set models=mixtral-8x7b --set layers=4 --set network.servers=5."""
    _write_new({"name": out.name.split(".")[0]}, settings, data, out)


@instance_app.command(name="from-trace")
def from_trace(
    trace: Annotated[Path, typer.Argument(help="Routing trace: .parquet, .csv or .jsonl, or packed .gz.")],
    out: Annotated[Path, typer.Argument(help="File to write: .json, .json.gz or .npz.")],
    model: Annotated[
        list[str] | None,
        typer.Option(
            "--model",
            help="A model of the zoo that the trace names, repeatable; of a recorded one not needed.",
        ),
    ] = None,
    settings: Settings = None,
) -> None:
    """Make an instance from a routing trace and a radio network (--set network.servers=5)."""
    routing = {"kind": "trace", "path": str(trace)}
    _write_new(
        {"name": out.name.split(".")[0], "models": model or [], "routing": routing}, settings, None, out
    )


def _write_new(fields: dict[str, Any], settings: list[str] | None, data: Path | None, out: Path) -> None:
    fields = {"dispatch": "single", **fields}
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
        table[name] = [value] if name == "models" and not value.startswith("[") else _toml_value(value)
    instance, note = make_instance(read_recipe(fields), data)
    write_instance(instance, out)
    print_facts({"file": str(out), **facts_of(instance), "note": note})


def _toml_value(text: str) -> Any:
    """A TOML value, or the text itself where it is none."""
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text


@instance_app.command()
def show(instance: InstanceFile, as_json: Json = False) -> None:
    """Say what an instance is: sizes, capacities, latencies, hash."""
    facts = facts_of(read_instance(instance))
    print(json.dumps(facts)) if as_json else print_facts(facts)


def print_facts(facts: dict[str, Any]) -> None:
    """One line a fact, aligned."""
    width = max(map(len, facts))
    for key, value in facts.items():
        print(f"{key:<{width}}  {value}")
