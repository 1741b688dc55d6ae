"""``slimbench library``: list, make, verify, improve and extend a library of instances."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from slimbench.bench.cli.instances import with_settings
from slimbench.bench.cli.options import (
    CALL_HELP,
    FAILED,
    Json,
    Plugins,
    Settings,
    duration_s,
    print_facts,
    print_table,
)
from slimbench.bench.library.records import Status, best_of, described, new_entry, refutations, with_best
from slimbench.bench.library.update import update
from slimbench.bench.library.verification import faults_of
from slimbench.bench.plugins.plugin import parse_call
from slimbench.bench.plugins.registry import find_solvers
from slimbench.instances import Dispatch, InstanceError, read_placement, write_instance, write_placement
from slimbench.instances.library.changes import add_entry, change_entry, new_library
from slimbench.instances.library.index import Entry, Size
from slimbench.instances.library.library import SHIPPED, Library, read_library

app = typer.Typer(no_args_is_help=True, add_completion=False)

COLUMNS: Final = {
    "instance": "name", "size": "size", "servers": "servers", "users": "users", "layers": "layers",
    "K": "top_k", "activations": "activations", "saving ms": "saving_s", "bound ms": "bound_saving_s",
    "gap": "gap", "status": "status", "level": "level", "found by": "found_by",
}  # fmt: skip
NUMBERS: Final = tuple(COLUMNS)[2:10]

Folder = Annotated[
    Path, typer.Option("--library", help="Folder of a library; default: the shipped one.", show_default=False)
]
Name = Annotated[str, typer.Argument(help="Name of an instance of the library.")]
Names = Annotated[
    list[str] | None, typer.Argument(help="Names or patterns, such as 'small/*' or '*-serial'; default all.")
]


def library() -> None:
    """Named instances with their best known placements and bounds.

    $ slimbench library list --size large --status open
    $ slimbench library verify 'small/*' --solve
    $ slimbench library submit mixtral22-n30-u100-single better.json.gz --by 'A. Name' --library mine
    """


@app.command(name="list")
def list_instances(
    patterns: Names = None,
    size: Annotated[Size | None, typer.Option()] = None,
    status: Annotated[Status | None, typer.Option()] = None,
    dispatch: Annotated[Dispatch | None, typer.Option()] = None,
    as_json: Json = False,
    folder: Folder = SHIPPED,
) -> None:
    """List instances with their size, status, best known saving and bound."""
    library = read_library(folder)
    rows = [
        row
        for entry in _chosen(library, patterns)
        if size in {None, entry.size} and dispatch in {None, entry.facts.dispatch}
        for row in [described(entry)]
        if status in {None, row["status"]}
    ]
    if as_json:
        print(json.dumps({"release": library.index.release, "instances": rows}))
        return
    cells = [[_cell(row, key) for key in COLUMNS.values()] for row in rows]
    print_table(tuple(COLUMNS), cells, NUMBERS, f"library {library.index.release}, {len(rows)} instances")


@app.command()
def show(name: Name, as_json: Json = False, folder: Folder = SHIPPED) -> None:
    """Print facts, records and history of an instance."""
    entry = read_library(folder).entry(name)
    history = [f"{found.saving_s:.9g} s by {found.by}" for found in entry.history]
    facts = {**described(entry), "history": history}
    lines = {key: ", ".join(value) if isinstance(value, list) else value for key, value in facts.items()}
    print_facts(facts if as_json else lines, as_json)


@app.command()
def make(
    name: Name,
    out: Annotated[Path | None, typer.Argument(help=".json, .json.gz or .npz; default NAME.npz.")] = None,
    placement: Annotated[Path | None, typer.Option(help="Write the best known placement here.")] = None,
    folder: Folder = SHIPPED,
) -> None:
    """Make an instance, check its hash and write it as a file."""
    library = read_library(folder)
    entry = library.entry(name)
    instance = library.instance(entry)
    best = library.placement(entry, instance) if placement else None
    if placement and best is None:
        raise InstanceError("library", f"has no placement of {name} yet")
    out = Path(f"{name}.npz") if out is None else out
    write_instance(instance, out)
    print(out)
    if placement and best:
        write_placement(best, instance, placement)
        print(placement)


@app.command()
def verify(
    patterns: Names = None,
    solve: Annotated[bool, typer.Option("--solve", help="Solve small instances again and compare.")] = False,
    folder: Folder = SHIPPED,
) -> None:
    """Make instances again, check their hashes, and compare placements with records and bounds."""
    library = read_library(folder)
    entries = _chosen(library, patterns)
    verifies = True
    for fault in faults_of(library, entries, solve=solve):
        print(fault, flush=True)
        verifies = False
    if verifies:
        print(f"library {library.index.release}: {len(entries)} instances verify")
    raise SystemExit(0 if verifies else FAILED)


@app.command()
def submit(
    name: Name,
    placement: Annotated[Path, typer.Argument(help="Placement file.")],
    by: Annotated[str, typer.Option("--by", help="Who found it.")],
    folder: Folder = SHIPPED,
) -> None:
    """Submit a placement: it is kept if it fits and saves more than the best known one."""
    library = read_library(folder)
    entry = library.entry(name)
    instance = library.instance(entry)
    cached = read_placement(placement, instance)
    best = best_of(instance, cached, by)
    before, after = change_entry(folder, name, lambda now: with_best(now, best), instance, cached)
    if after is before:
        known = before.best.saving_s if before.best else 0.0
        raise InstanceError(
            "placement",
            f"saves {best.saving_s:.9g} s, expected more than the best known, {known:.9g} s",
            placement,
        )
    print(f"{name}: {best.saving_s:.9g} s by {by} is the best known saving")
    _print_contradictions(refutations(before, after))


@app.command(name="update")
def improve(
    patterns: Names = None,
    solver: Annotated[
        list[str] | None, typer.Option("--solver", "-s", help=f"{CALL_HELP}; repeatable; default exact.")
    ] = None,
    time: Annotated[
        float,
        typer.Option(parser=duration_s, metavar="TIME", help="Of each run: 90, 10m, 1h."),
    ] = 60.0,
    seed: Annotated[int, typer.Option(min=0)] = 0,
    plugin: Plugins = None,
    folder: Folder = SHIPPED,
) -> None:
    """Run solvers and keep better placements and bounds; several exact solvers check each other."""
    found = find_solvers(plugin or [])
    calls = [parse_call(text, found) for text in solver or ["exact"]]
    library = read_library(folder)
    contradictions: list[str] = []
    for attempt in update(library, _chosen(library, patterns), calls, time, plugin or [], seed):
        run, entry = attempt.row, described(attempt.after)
        said = f" ({run['message']})" if run["message"] else ""
        verdict = "better" if attempt.after != attempt.before else "no better"
        print(
            f"{entry['name']}: {attempt.call.label} {run['status']}{said} in {run['runtime_s']:.3g} s: "
            f"{verdict}; gap {_gap(entry)}, {entry['status']}, {entry['level']}",
            flush=True,
        )
        contradictions += refutations(attempt.before, attempt.after)
    _print_contradictions(contradictions)


@app.command()
def add(
    name: Annotated[str, typer.Argument(help="Name of the new instance.")],
    size: Annotated[Size, typer.Option()],
    settings: Settings = None,
    file: Annotated[str | None, typer.Option(help="File in the library's folder, instead of --set.")] = None,
    release: Annotated[str | None, typer.Option(help="New library of this release, in --library.")] = None,
    folder: Folder = SHIPPED,
) -> None:
    """Add an instance: a recipe, as for slimbench instance new, or a file."""
    if release is not None:
        new_library(folder, release)
    library = read_library(folder)
    recipe = with_settings({"dispatch": "single"}, settings) if file is None else None
    entry = new_entry(library, name, size, recipe, file)
    add_entry(folder, entry)
    print(f"{name}: {entry.facts.activations} activations, hash {entry.sha256}")


@app.command()
def page(folder: Folder = SHIPPED) -> None:
    """Print the library's page in Markdown: how values were found, how to submit, and the table."""
    from slimbench.reports.pages.library_page import library_page

    print(library_page(read_library(folder)), end="")


def _chosen(library: Library, patterns: Sequence[str] | None) -> list[Entry]:
    """Return the instances that match any of the patterns, in the order of the library."""
    if not patterns:
        return list(library.index.instances)
    wanted: set[str] = set()
    for pattern in patterns:
        matching = {entry.name for entry in library.matching(pattern)}
        if not matching:
            raise InstanceError("library", f"nothing matches {pattern!r}, expected a name or a pattern")
        wanted |= matching
    return [entry for entry in library.index.instances if entry.name in wanted]


def _cell(row: Mapping[str, Any], key: str) -> str:
    if key in {"saving_s", "bound_saving_s"}:
        return "" if row[key] is None else f"{1e3 * row[key]:.6g}"
    return _gap(row) if key == "gap" else str(row[key])


def _gap(row: Mapping[str, Any]) -> str:
    if row["gap"] is None:
        return "unknown"
    return "0 %" if row["status"] == "optimal" else f"{100 * row['gap']:.2g} %"


def _print_contradictions(contradictions: Sequence[str]) -> None:
    """Print contradictions, and exit with code 1 if there are any."""
    for line in contradictions:
        print(f"slimbench: contradiction: {line}; the bound does not count any more", file=sys.stderr)
    if contradictions:
        raise SystemExit(FAILED)
