"""Suites: which instances, which solvers, how often, within which limits (TOML)."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Final

import msgspec

from slimbench.instances import Instance, InstanceError, read_instance
from slimbench.instances.generate import make_instance, read_recipe


class SuiteError(ValueError):
    """A suite is not what it must be; the message is ``file: field: problem``."""


INSTANCE_LIBRARY: Final = Path(str(resources.files("slimbench.instances"))) / "data"

_Positive = Annotated[float, msgspec.Meta(gt=0)]


class Limits(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What one run may use.

    Parameters
    ----------
    time_s : float, seconds of wall time
    memory_mb : float, MiB of resident memory of the run's processes together
    """

    time_s: _Positive = 60.0
    memory_mb: _Positive = 8192.0


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
    repeats: Annotated[int, msgspec.Meta(ge=1)] = 1
    limits: Limits = Limits()
    reference: ReferencePolicy = ReferencePolicy()


@dataclass(frozen=True)
class NamedInstance:
    """An instance of a suite and where it comes from, in one line."""

    instance: Instance
    note: str
    without: frozenset[str]


def shipped_suites() -> list[str]:
    """Names of the suites that come with the package."""
    folder = resources.files("slimbench.bench.suites")
    return sorted(f.name.removesuffix(".toml") for f in folder.iterdir() if f.name.endswith(".toml"))


def read_suite(name_or_path: str) -> tuple[Suite, str, Path]:
    """A suite by its shipped name or its path, its text, and the folder its paths start from.

    Raises
    ------
    SuiteError
        If there is no such suite, or it is malformed.
    """
    if name_or_path in shipped_suites():
        text = (resources.files("slimbench.bench.suites") / f"{name_or_path}.toml").read_text("utf-8")
        return _parse(text, name_or_path), text, Path.cwd()
    path = Path(name_or_path)
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "is not UTF-8 text"
        known = ", ".join(shipped_suites())
        raise SuiteError(f"{path}: {reason}, expected a TOML file or one of {known}") from None
    return _parse(text, str(path)), text, path.resolve().parent


def _parse(text: str, origin: str) -> Suite:
    try:
        return msgspec.toml.decode(text, type=Suite)
    except msgspec.ValidationError as error:
        message, _, where = str(error).replace("`", "").partition(" - at $")
        field = where.removeprefix(".")
        raise SuiteError(f"{origin}: {field}: {message}" if field else f"{origin}: {message}") from None
    except msgspec.DecodeError as error:
        raise SuiteError(f"{origin}: is not TOML: {error}") from None


def suite_instances(suite: Suite, folder: Path, data: Path | None) -> Iterator[NamedInstance]:
    """Read or make every instance, in the order of the suite.

    Raises
    ------
    SuiteError, InstanceError
        If an entry is malformed, a file is missing, or two instances have one name.
    """
    names: set[str] = set()
    for position, entry in enumerate(suite.instances):
        try:
            recipe = dict(entry)
            without = frozenset(msgspec.convert(recipe.pop("without", []), list[str]))
            for instance, note in _entry_instances(recipe, folder, data):
                if instance.name in names:
                    raise SuiteError(
                        f"{suite.name}: instances[{position}]: a second instance named {instance.name!r}"
                    )
                names.add(instance.name)
                yield NamedInstance(instance, note, without)
        except msgspec.ValidationError as error:
            problem = str(error).replace("`", "").partition(" - at $")[0]
            raise SuiteError(f"{suite.name}: instances[{position}].without: {problem}") from None
        except InstanceError as error:
            if error.file is not None:
                raise
            field = f".{error.field}" if error.field else ""
            raise SuiteError(f"{suite.name}: instances[{position}]{field}: {error.problem}") from None


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
            paths = paths or sorted(INSTANCE_LIBRARY.glob(pattern))
        except ValueError:  # an empty pattern, or ** beside other letters
            paths = []
        if not paths:
            raise InstanceError("file", f"nothing matches {pattern!r} in {base}")
        for path in paths:
            yield read_instance(path), f"file {path.name}"
        return
    swept = {key: value for key in ("dispatch", "seed") if isinstance(value := entry.get(key), list)}
    if empty := [key for key, values in swept.items() if not values]:
        raise InstanceError(empty[0], "is an empty list")
    for values in itertools.product(*swept.values()):
        chosen = dict(zip(swept, values, strict=True))
        recipe = read_recipe({**entry, **chosen})
        name = "-".join([recipe.name, *(_tag(k, v) for k, v in chosen.items())])
        yield make_instance(msgspec.structs.replace(recipe, name=name), data or folder)


def _tag(key: str, value: object) -> str:
    return f"s{value}" if key == "seed" else str(value)
