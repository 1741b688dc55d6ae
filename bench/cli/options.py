"""Arguments and options that several commands take, and how facts are printed."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

CALL_HELP = r"name or name\[parameter=value,...]"  # what stands in brackets alone would be markup

Data = Annotated[Path | None, typer.Option("--data", help="Folder that data paths start from.")]
InstanceFile = Annotated[Path, typer.Argument(help="Instance file: .json, .json.gz or .npz.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")]
Plugins = Annotated[
    list[Path] | None, typer.Option("--plugin", help="A Python file with solvers; repeatable.")
]
RunFolder = Annotated[Path, typer.Argument(help="Folder of a run.")]
Settings = Annotated[list[str] | None, typer.Option("--set", help="key=value, such as network.servers=5.")]


def duration_s(text: str) -> float:
    """Seconds of ``90``, ``90s``, ``10m`` or ``1h30m``."""
    from pytimeparse.timeparse import timeparse

    try:
        seconds = float(text)
    except ValueError:
        seconds = float(timeparse(text) or 0)
    if not 0 < seconds < float("inf"):
        raise typer.BadParameter(f"{text!r} is no duration, expected such as 90, 10m or 1h30m")
    return seconds


def print_facts(facts: dict[str, Any]) -> None:
    """One line a fact, aligned."""
    width = max(map(len, facts))
    for key, value in facts.items():
        print(f"{key:<{width}}  {value}")
