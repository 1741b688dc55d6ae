"""What commands share: options, exit codes, and how facts and tables are printed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress

FAILED: Final = 1  # a run failed, a placement does not fit, a promise is broken, something does not verify
BAD_INPUT: Final = 2
REGRESSION: Final = 3  # a comparison found something worse
NOTHING_MEASURED: Final = 4
INTERRUPTED: Final = 130

WIDE_ENOUGH: Final = 170  # columns of a table in a file or a pipe
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


def clock_text(seconds: float) -> str:
    """Hours and minutes, or minutes and seconds."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s"


def console(columns: int = WIDE_ENOUGH) -> Console:
    """The terminal; in a file or a pipe as wide as tables need."""
    from rich.console import Console

    return Console(width=None if Console().is_terminal else columns, highlight=False)


def progress_bar(quiet: bool) -> Progress:
    """On the standard error stream; its tasks have a field ``last``, what was done last."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (
        TextColumn("[bold]{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(),
        TextColumn("{task.fields[last]}", markup=False),
    )  # fmt: skip
    return Progress(*columns, console=Console(stderr=True, quiet=quiet))


def print_result(facts: dict[str, Any], as_json: bool) -> None:
    """One JSON object, or one line a fact."""
    print(json.dumps(facts)) if as_json else print_facts(facts)


def print_facts(facts: dict[str, Any]) -> None:
    """One line a fact, aligned."""
    width = max(map(len, facts))
    for key, value in facts.items():
        print(f"{key:<{width}}  {value}")
