"""Merge run folders: parts of a suite, or one suite on several machines."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from slimbench.bench.results.references import reference_of
from slimbench.bench.results.results import NOT_RUN
from slimbench.bench.store.store import Store, StoreError, refuse_results
from slimbench.formulations import ContradictionError

Row = dict[str, Any]

_NOT_OF_THE_RUN: Final = {"run_id", "repeat", "stale"}  # equal runs may differ in these


def merge_runs(folders: Sequence[Path], out: Path, keep: str = "last") -> None:
    """Make one run folder of several: results, instance files and logs.

    A cell is a role, an instance, what it is planned on, a solver call and a repeat. One that was planned
    but never run stays so only if no folder has finished it; a run that several folders hold is one.

    Parameters
    ----------
    folders : sequence of Path
        At least two; they stay as they are. Their stale results are left where they are.
    out : Path
        Folder to make.
    keep : {"last", "all"}
        Of a cell that several folders have finished, ``last`` keeps the run that ended last (of references
        one that proved its optimum, if there is any) and makes the others stale; ``all`` keeps all and gives
        later folders' runs the next free repeats.

    Raises
    ------
    StoreError
        If a folder is not one of a run or is named twice, ``out`` has results or cannot be written, or a
        folder lacks an instance file or has a link in place of a file.
    ContradictionError
        If a verified placement of one folder lies above a bound that another claims as proven; ``out`` is
        made nevertheless, and says so.
    """
    if keep not in _RULES:
        raise StoreError(f"keep: is {keep!r}, expected one of {', '.join(_RULES)}")
    if len(folders) < 2 or len({folder.resolve() for folder in folders}) < len(folders):
        raise StoreError(f"{out}: expected at least two run folders to merge, each named once")
    refuse_results(out)
    sources = [_Source(folder) for folder in folders]
    merged = merged_rows([source.runs for source in sources], keep)
    _copy_files(sources, merged, out)
    runs = [row | {"run_id": i} for i, (_, row) in enumerate(merged, 1)]
    counting = [row for row in runs if not row["stale"]]
    meta = _merged_meta([source.meta for source in sources], counting) | {
        "name": out.name,
        "merged": ", ".join(folder.resolve().name for folder in folders),
        "keep": keep,
    }
    machines = {key: facts for source in sources for key, facts in source.machines.items()}
    # Of an instance that several folders have the first row counts.
    instances = [row | {"file": _file_of(row)} for source in sources for row in source.instances]
    with contextlib.closing(Store.create(out)) as store:
        store.copy_rows(instances, machines, runs, meta)
        finished: dict[str, list[Row]] = defaultdict(list)
        for row in runs:  # stale ones too: each counts in its own folder
            if row["status"] != NOT_RUN:
                finished[row["instance_hash"]].append(row)
        try:
            for own in finished.values():
                reference_of(own)
        except ContradictionError as error:
            store.set_meta({"contradiction": str(error)})
            raise


class _Source:
    """The content of a run folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        with contextlib.closing(Store.snapshot(folder)) as store:
            self.instances = [*store.instances(), *store.instances(planned_on=True)]
            self.runs = store.runs()
            self.meta, self.machines = store.meta(), store.machines()


def merged_rows(sources: Sequence[Sequence[Row]], keep: str) -> list[tuple[int, Row]]:
    """The rows of several folders as those of one, each with the number of its folder.

    Parameters
    ----------
    sources : sequence of (sequence of row)
        As ``Store.runs`` gives them.

    Returns
    -------
    list of (int, row)
        In the order of the folders; ``stale`` and ``repeat`` are as ``merge_runs`` says.
    """
    cells: dict[tuple[Any, ...], list[tuple[int, Row]]] = defaultdict(list)
    for number, rows in enumerate(sources):
        for row in rows:
            cell = row["role"], row["instance_hash"], row["planning"], row["solver"]
            if not any(other != number and _is_same(row, known) for other, known in cells[cell]):
                cells[cell].append((number, row))
    return [kept for held in cells.values() for kept in _RULES[keep](_without_superfluous_plans(held))]


def _is_same(a: Row, b: Row) -> bool:
    """Whether two rows are of one and the same run, which two folders hold."""
    return a["status"] != NOT_RUN and all(a[key] == b[key] for key in a if key not in _NOT_OF_THE_RUN)


def _without_superfluous_plans(held: list[tuple[int, Row]]) -> list[tuple[int, Row]]:
    """Leave out planned runs whose repeat is finished, or planned before."""
    settled = {row["repeat"] for _, row in held if row["status"] != NOT_RUN}
    kept = []
    for number, row in held:
        if row["status"] != NOT_RUN or row["repeat"] not in settled:
            kept.append((number, row))
        settled.add(row["repeat"])
    return kept


def _keep_last(held: list[tuple[int, Row]]) -> list[tuple[int, Row]]:
    """Mark all but the last run of each repeat stale; of two that ended at once the later folder's counts."""
    order = sorted(range(len(held)), key=lambda i: _precedence(held[i][1]))  # stable
    last = {held[i][1]["repeat"]: i for i in order}
    return [(number, row | {"stale": last[row["repeat"]] != i}) for i, (number, row) in enumerate(held)]


def _precedence(row: Row) -> tuple[bool, str]:
    """A later run counts before an earlier one, but a reference that proved its optimum before any other."""
    return row["role"] != "measure" and row["termination"] == "optimal", row["finished_at"] or ""


def _keep_all(held: list[tuple[int, Row]]) -> list[tuple[int, Row]]:
    """Give a run whose repeat is taken the next one that no folder has."""
    free = max(row["repeat"] for _, row in held) + 1
    taken: set[int] = set()
    kept = []
    for number, row in held:
        repeat = row["repeat"]
        if repeat in taken:
            repeat, free = free, free + 1
        taken.add(repeat)
        kept.append((number, row | {"repeat": repeat}))
    return kept


_RULES: Final = {"last": _keep_last, "all": _keep_all}


def _merged_meta(metas: Sequence[Mapping[str, str]], counting: Iterable[Row]) -> dict[str, str]:
    """Facts of the merged run: all values of each, and ``finished`` if no run is still planned."""
    meta = {
        key: ", ".join(dict.fromkeys(own[key] for own in metas if key in own))
        for key in dict.fromkeys(key for own in metas for key in own)
    }
    plugin_files = dict.fromkeys(f for own in metas for f in json.loads(own.get("plugin_files", "[]")))
    meta["plugin_files"] = json.dumps(list(plugin_files))
    meta["suite_text"] = "\n\n".join(dict.fromkeys(own.get("suite_text", "") for own in metas))
    for key, choose in (("planned", min), ("finished", max)):
        if key in meta:
            meta[key] = choose(own[key] for own in metas if key in own)
    if any(row["status"] == NOT_RUN for row in counting):
        meta.pop("finished", None)
    if len({own.get("data", "") for own in metas}) > 1:
        meta["data"] = ""
    for key in ("schema_version", "contradiction"):  # the one is the store's, the other is found anew
        meta.pop(key, None)
    return meta


def _copy_files(sources: Sequence[_Source], merged: Sequence[tuple[int, Row]], out: Path) -> None:
    copies = {
        out / _file_of(row): source.folder / _file_of(row)
        for source in reversed(sources)  # the first of each counts
        for row in source.instances
    }
    for run_id, (number, row) in enumerate(merged, 1):
        log = sources[number].folder / "logs" / f"{row['run_id']}.log"
        if os.path.lexists(log):
            copies[out / "logs" / f"{run_id}.log"] = log
    for target, file in copies.items():
        for path in (file.parent, file, target.parent, target):
            if path.is_symlink():  # it leads to files of neither folder
                raise StoreError(f"{path}: is a link, expected what is in the run folder itself")
        if not file.is_file():  # a pipe would never end
            raise StoreError(f"{file}: is no file")
    try:
        for name in ("instances", "logs"):
            (out / name).mkdir(parents=True, exist_ok=True)
        for target, file in copies.items():
            shutil.copyfile(file, target, follow_symlinks=False)
    except OSError as error:
        raise StoreError(f"{out}: cannot be made of these folders ({error})") from None


def _file_of(instance: Row) -> str:
    """Where a run folder has an instance; a row of someone else cannot name a file out of it."""
    return f"instances/{Path(instance['file']).name}"
