"""The instances of a suite, from files, the library, scenarios and recipes, with their sweeps."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

import msgspec

from slimbench.bench.suites.suite import Suite, SuiteError, naming_entry
from slimbench.bench.suites.sweeps import points_of
from slimbench.instances import Instance, InstanceError, read_instance
from slimbench.instances.generators.forecast import Forecast, forecast_instance, named_by, read_forecasts
from slimbench.instances.generators.generate import Recipe, make_instance, read_recipe
from slimbench.instances.generators.scenario import recipe_fields
from slimbench.instances.library.library import read_library
from slimbench.instances.zoo import SHIPPED_DATA

NAMED: Final = {"InstanceFile": "file", "LibraryInstance": "library"}  # entries that are no recipes


@dataclass(frozen=True)
class NamedInstance:
    """An instance of a suite and where it comes from, in one line.

    Attributes
    ----------
    without : set of str
        Solvers that it is not for.
    plannings : dict of Instance
        What placements for it are planned on as well.
    entry : str
        Name of the recipe that it is one of, empty where it is of none.
    entry_number : int
        Of the suite's entry, from 0; several entries may have one name.
    swept : dict
        What of that recipe is run through, and the value here (``slimbench.bench.suites.sweeps.Point``).
    """

    instance: Instance
    note: str
    without: frozenset[str] = frozenset()
    plannings: Mapping[Forecast, Instance] = field(default_factory=dict)
    entry: str = ""
    entry_number: int = 0
    swept: Mapping[str, str | int | float] = field(default_factory=dict)


def suite_instances(suite: Suite, folder: Path, data: Path | None) -> Iterator[NamedInstance]:
    """Read or make every instance, in the order of the suite.

    Raises
    ------
    SuiteError, InstanceError
        If an entry is malformed, a file is missing, or two instances have one name.
    """
    names: set[str] = set()
    for position, entry in enumerate(suite.instances):
        place = f"instances[{position}]"
        recipe = dict(entry)
        try:
            without = frozenset(msgspec.convert(recipe.pop("without", []), list[str]))
        except msgspec.ValidationError as error:
            problem = str(error).replace("`", "").partition(" - at $")[0]
            raise SuiteError(problem, f"{place}.without") from None
        with naming_entry(place):
            plannings = read_forecasts(recipe.pop("planning", []))
            for named in _entry_instances(recipe, plannings, folder, data):
                if named.instance.name in names:
                    raise SuiteError(f"a second instance named {named.instance.name!r}", place)
                names.add(named.instance.name)
                yield replace(named, without=without, entry_number=position)


def _entry_instances(
    entry: Mapping[str, Any], plannings: Sequence[Forecast], folder: Path, data: Path | None
) -> Iterator[NamedInstance]:
    if key := next((key for key in NAMED.values() if key in entry), None):
        if extra := entry.keys() - {key}:
            raise InstanceError(min(extra), f"does not go with {key}")
        pattern = str(entry[key])
        found = _from_library(pattern) if key == "library" else _from_files(pattern, data or folder)
        for instance, note in found:
            seen = {planning: _planned_on(instance, planning) for planning in plannings}
            yield NamedInstance(instance, note, plannings=seen)
        return
    with recipe_fields(entry) as fields:
        yield from _from_recipe(fields, plannings, data or folder)


def _from_library(pattern: str) -> Iterator[tuple[Instance, str]]:
    library = read_library()
    entries = library.matching(pattern)
    if not entries:
        raise InstanceError("library", f"nothing matches {pattern!r}, expected a name or a pattern")
    for entry in entries:
        yield library.instance(entry), f"library {library.index.release}"


def _from_files(pattern: str, base: Path) -> Iterator[tuple[Instance, str]]:
    try:
        paths = [Path(pattern)] if Path(pattern).is_absolute() else sorted(base.glob(pattern))
        paths = paths or sorted(SHIPPED_DATA.glob(pattern))
    except (ValueError, OSError, RecursionError):  # empty, ** beside other letters, a NUL, or too long
        paths = []
    if not paths:
        raise InstanceError("file", f"nothing matches {pattern!r} in {base}")
    for path in paths:
        yield read_instance(path), f"file {path.name}"


def _from_recipe(
    fields: Mapping[str, Any], plannings: Sequence[Forecast], data: Path
) -> Iterator[NamedInstance]:
    """The instance of a recipe, or one for each combination of what is a list."""
    for point in points_of(fields):
        recipe = read_recipe(point.fields)
        instance, note = make_instance(recipe, data)
        seen = {planning: _planned_on(instance, planning, recipe, data) for planning in plannings}
        yield NamedInstance(instance, note, plannings=seen, entry=str(fields["name"]), swept=point.swept)


def _planned_on(
    instance: Instance, planning: Forecast, recipe: Recipe | None = None, data: Path | None = None
) -> Instance:
    """The instance that is planned on instead; a part of a trace is read anew."""
    try:
        if recipe is None or planning.part is None:
            return forecast_instance(instance, planning)
        return named_by(planning, make_instance(recipe, data, planning.part)[0])
    except InstanceError as error:
        if error.file is not None:
            raise
        raise InstanceError(f"planning.{error.field}", error.problem) from None
