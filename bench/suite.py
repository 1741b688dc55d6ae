"""Suites: which instances, which solvers, how often, within which limits (TOML)."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Final

import msgspec

from slimbench.bench.toml_lines import line_of
from slimbench.instances import Instance, InstanceError, read_instance
from slimbench.instances.bounded import read_content
from slimbench.instances.errors import one_line, shortened
from slimbench.instances.generate import Recipe, make_instance, read_recipe
from slimbench.instances.zoo import SHIPPED_DATA


class SuiteError(ValueError):
    """A suite, or what is asked of it, is not what it must be.

    Parameters
    ----------
    problem : str
    place : str
        The key, such as ``instances[2].seed``; where there is none, the fault is in no single place.
    origin : str
        The file, or the suite's name.
    line : int, optional
        Of the file.
    """

    def __init__(self, problem: str, place: str = "", origin: str = "", line: int | None = None) -> None:
        problem, place = shortened(problem), shortened(place)
        self.problem, self.place = problem, place
        parts = (origin, f"line {line}" if line else "", place, problem)
        super().__init__(one_line(": ".join(filter(None, parts))))

    def located(self, origin: str, text: str) -> SuiteError:
        """The same fault with the line of the file that it is on."""
        unknown = re.search(r"unknown field (\S+)", self.problem)  # stands below the place that is named
        key = ".".join(filter(None, (self.place, unknown[1] if unknown else "")))
        return SuiteError(self.problem, self.place, origin, line_of(text, key) if key else None)


MAX_SUITE_BYTES: Final = 2**20
MAX_REPEATS: Final = 10_000

SWEPT: Final = ("dispatch", "seed")  # fields of a recipe that may be lists

_Positive = Annotated[float, msgspec.Meta(gt=0, le=1e12)]  # not infinite


class Limits(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What one run may use.

    Parameters
    ----------
    time_s : float, seconds of wall time
    cpu_s : float or none, seconds of CPU time of the run's processes together
    memory_mb : float, MiB of memory of the run's processes together
    threads : int, that a run may keep busy: what solvers are told, and the size of native thread pools
    """

    time_s: _Positive = 60.0
    cpu_s: _Positive | None = None
    memory_mb: _Positive = 8192.0
    threads: Annotated[int, msgspec.Meta(ge=1)] = 1


class ReferencePolicy(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Who gives each instance's reference.

    Parameters
    ----------
    solver : str
        An exact solver.
    cross_check : tuple of str
        Exact solvers on other code bases that must agree.
    time_s : float, seconds for each of them
    """

    solver: str = "exact"
    cross_check: tuple[str, ...] = ()
    time_s: _Positive = 60.0


class Suite(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A suite file.

    Parameters
    ----------
    name : str
    description : str
    solvers : tuple of str, as ``name[parameter=value]``
    instances : tuple of tables
        Either ``file`` (a path or glob, relative to the data folder or the suite file, else to the shipped
        instance library) or a recipe
        (``slimbench.instances.generate.Recipe``) whose ``dispatch`` and ``seed`` may be lists.
    seed : int
        From which the seed of every run is drawn.
    repeats : int
    limits : Limits
    reference : ReferencePolicy
    """

    name: Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]
    solvers: Annotated[tuple[str, ...], msgspec.Meta(min_length=1)]
    instances: Annotated[tuple[dict[str, Any], ...], msgspec.Meta(min_length=1)]
    description: str = ""
    seed: Annotated[int, msgspec.Meta(ge=0)] = 0
    repeats: Annotated[int, msgspec.Meta(ge=1, le=MAX_REPEATS)] = 1
    limits: Limits = Limits()
    reference: ReferencePolicy = ReferencePolicy()


@dataclass(frozen=True)
class NamedInstance:
    """An instance of a suite and where it comes from, in one line."""

    instance: Instance
    note: str
    without: frozenset[str]


@dataclass(frozen=True)
class SuiteFile:
    """A suite with the text that it was read from.

    Attributes
    ----------
    origin : str
        Its path, or the name it ships under.
    folder : Path
        That its paths start from.
    """

    suite: Suite
    text: str
    origin: str
    folder: Path


def shipped_suites() -> list[str]:
    """Names of the suites that come with the package."""
    folder = resources.files("slimbench.bench.suites")
    return sorted(f.name.removesuffix(".toml") for f in folder.iterdir() if f.name.endswith(".toml"))


def read_suite(name_or_path: str) -> SuiteFile:
    """A suite by its shipped name or its path.

    Raises
    ------
    SuiteError
        If there is no such suite, or it is malformed.
    """
    if name_or_path in shipped_suites():
        text = (resources.files("slimbench.bench.suites") / f"{name_or_path}.toml").read_text("utf-8")
        return SuiteFile(_parse(text, name_or_path), text, name_or_path, Path.cwd())
    path = Path(name_or_path)
    try:
        text = read_content(path, MAX_SUITE_BYTES).decode("utf-8")
    except (OSError, UnicodeDecodeError, InstanceError) as error:
        reason = getattr(error, "strerror", None) or getattr(error, "problem", None) or "is not UTF-8 text"
        known = ", ".join(shipped_suites())
        raise SuiteError(f"{reason}, expected a TOML file or one of {known}", origin=str(path)) from None
    return SuiteFile(_parse(text, str(path)), text, str(path), path.resolve().parent)


def suite_schema() -> dict[str, Any]:
    """JSON schema of suite files; an entry of ``instances`` is a file or a recipe that may have lists."""
    schema = msgspec.json.schema(Suite)
    recipe = msgspec.json.schema(Recipe)
    definitions = schema["$defs"] | recipe["$defs"]
    entry = definitions["Recipe"]
    without = {"type": "array", "items": {"type": "string"}, "default": []}
    for name in SWEPT:
        one = entry["properties"][name]
        entry["properties"][name] = {"anyOf": [one, {"type": "array", "items": one, "minItems": 1}]}
    entry["properties"]["without"] = without
    definitions["InstanceFile"] = {
        "type": "object",
        "properties": {"file": {"type": "string"}, "without": without},
        "required": ["file"],
        "additionalProperties": False,
    }
    either = [{"$ref": "#/$defs/InstanceFile"}, {"$ref": "#/$defs/Recipe"}]
    definitions["Suite"]["properties"]["instances"]["items"] = {"anyOf": either}
    for definition in definitions.values():
        definition["description"] = definition.get("description", "").partition("\n")[0]
    dialect = "https://json-schema.org/draft/2020-12/schema"
    return {"$schema": dialect, "title": "SlimBench suite", **schema, "$defs": definitions}


def _parse(text: str, origin: str) -> Suite:
    try:
        return msgspec.toml.decode(text, type=Suite)
    except msgspec.ValidationError as error:
        message, _, where = str(error).replace("`", "").partition(" - at $")
        raise SuiteError(message, where.removeprefix(".")).located(origin, text) from None
    except (msgspec.DecodeError, ValueError, RecursionError) as error:  # a number too long, tables too deep
        raise SuiteError(f"is not TOML: {error}", origin=origin) from None


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
        try:
            recipe = dict(entry)
            without = frozenset(msgspec.convert(recipe.pop("without", []), list[str]))
            for instance, note in _entry_instances(recipe, folder, data):
                if instance.name in names:
                    raise SuiteError(f"a second instance named {instance.name!r}", place)
                names.add(instance.name)
                yield NamedInstance(instance, note, without)
        except msgspec.ValidationError as error:
            problem = str(error).replace("`", "").partition(" - at $")[0]
            raise SuiteError(problem, f"{place}.without") from None
        except InstanceError as error:
            if error.file is not None:
                raise
            raise SuiteError(error.problem, f"{place}.{error.field}" if error.field else place) from None


def _entry_instances(
    entry: Mapping[str, Any], folder: Path, data: Path | None
) -> Iterator[tuple[Instance, str]]:
    if "file" in entry:
        if extra := entry.keys() - {"file"}:
            raise InstanceError(min(extra), "does not go with file")
        base = data or folder
        pattern = str(entry["file"])
        try:
            paths = [Path(pattern)] if Path(pattern).is_absolute() else sorted(base.glob(pattern))
            paths = paths or sorted(SHIPPED_DATA.glob(pattern))
        except (ValueError, OSError, RecursionError):  # empty, ** beside other letters, a NUL, or too long
            paths = []
        if not paths:
            raise InstanceError("file", f"nothing matches {pattern!r} in {base}")
        for path in paths:
            yield read_instance(path), f"file {path.name}"
        return
    swept = {key: value for key in SWEPT if isinstance(value := entry.get(key), list)}
    if empty := [key for key, values in swept.items() if not values]:
        raise InstanceError(empty[0], "is an empty list")
    for values in itertools.product(*swept.values()):
        chosen = dict(zip(swept, values, strict=True))
        recipe = read_recipe({**entry, **chosen})
        name = "-".join([recipe.name, *(_tag(k, v) for k, v in chosen.items())])
        yield make_instance(msgspec.structs.replace(recipe, name=name), data or folder)


def _tag(key: str, value: object) -> str:
    return f"s{value}" if key == "seed" else str(value)
