"""Options, exit codes and printing of facts and tables, as commands share them."""

from __future__ import annotations

import json
from collections.abc import Container, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

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
PolicyPlugins = Annotated[
    list[Path] | None, typer.Option("--plugin", help="A Python file with policies; repeatable.")
]
RunFolder = Annotated[Path, typer.Argument(help="Folder of a run.")]
Settings = Annotated[list[str] | None, typer.Option("--set", help="key=value, such as network.servers=5.")]


def duration_s(text: str) -> float:
    """Return the seconds of ``90``, ``90s``, ``10m`` or ``1h30m``."""
    from pytimeparse.timeparse import timeparse

    try:
        seconds = float(text)
    except ValueError:
        seconds = float(timeparse(text) or 0)
    if not 0 < seconds < float("inf"):
        raise typer.BadParameter(f"{text!r} is no duration, expected such as 90, 10m or 1h30m")
    return seconds


def console(columns: int = WIDE_ENOUGH) -> Console:
    """Return the terminal; in a file or a pipe it is as wide as tables need."""
    from rich.console import Console

    return Console(width=None if Console().is_terminal else columns, highlight=False)


def progress_bar(quiet: bool = False) -> Progress:
    """Return a progress bar on stderr; the field ``last`` of its tasks is text at the end of the line."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    name, last = TextColumn("[bold]{task.description}"), TextColumn("{task.fields[last]}", markup=False)
    columns = (name, BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), last)
    return Progress(*columns, console=Console(stderr=True, quiet=quiet))


def print_table(
    headers: Sequence[str], rows: Iterable[Sequence[str]], numbers: Container[str] = (), title: str = ""
) -> None:
    """Print rows of texts; the columns of ``numbers`` are aligned to the right."""
    from rich.markup import escape
    from rich.table import Table

    table = Table(title=title or None)
    for header in headers:
        justify: Literal["left", "right"] = "right" if header in numbers else "left"
        table.add_column(header, no_wrap=header == headers[0], justify=justify)
    for row in rows:
        table.add_row(*map(escape, row))
    console().print(table)


def print_facts(facts: Mapping[str, Any], as_json: bool = False) -> None:
    """Print one JSON object, or an aligned line for each fact."""
    if as_json:
        print(json.dumps(facts))
        return
    width = max(map(len, facts))
    for key, value in facts.items():
        print(f"{key:<{width}}  {value}")
