"""Suites: which instances, which solvers, how often, within which limits (TOML)."""

from __future__ import annotations

import contextlib
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Final, Generic, TypeVar

import msgspec

from slimbench.bench.plugins.plugin import PluginError
from slimbench.bench.suites.toml_lines import line_of
from slimbench.instances import InstanceError
from slimbench.instances.files.bounded import read_content
from slimbench.instances.problem.errors import one_line, shortened


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
SHIPPED: Final = "slimbench.bench.suites"

_Positive = Annotated[float, msgspec.Meta(gt=0, le=1e12)]  # not infinite
_Suite = TypeVar("_Suite")
_Plugins = TypeVar("_Plugins")
_Call = TypeVar("_Call")


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
        Either ``library`` (a name or pattern of the shipped instance library, such as ``small/*``), or
        ``file`` (a path or glob, relative to the data folder or the suite file, else to the shipped instance
        files), or a recipe (``generate.Recipe``), or ``scenario`` (a shipped one,
        ``scenario``) with what is to be changed of its recipe. Fields of recipes that are
        lists are run through (``sweeps``); ``without`` names solvers to leave out,
        ``planning`` what placements are planned on as well (``planning.Planning``, with
        lists of values and seeds).
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
class SuiteFile(Generic[_Suite]):
    """A suite with the text that it was read from.

    Attributes
    ----------
    suite : Suite
        Or another kind of suite.
    origin : str
        Its path, or the name it ships under.
    folder : Path
        That its paths start from.
    """

    suite: _Suite
    text: str
    origin: str
    folder: Path

    @contextlib.contextmanager
    def locating(self) -> Iterator[None]:
        """Add the file and the line to a ``SuiteError``."""
        try:
            yield
        except SuiteError as error:
            raise error.located(self.origin, self.text) from None


def shipped_suites(package: str = SHIPPED) -> list[str]:
    """Names of the suites that come with the package."""
    return sorted(
        f.name.removesuffix(".toml") for f in resources.files(package).iterdir() if f.name.endswith(".toml")
    )


def read_suite(name_or_path: str) -> SuiteFile[Suite]:
    """A suite by its shipped name or its path.

    Raises
    ------
    SuiteError
        If there is no such suite, or it is malformed.
    """
    return read_suite_of(Suite, name_or_path, SHIPPED)


def read_suite_of(kind: type[_Suite], name_or_path: str, package: str) -> SuiteFile[_Suite]:
    """A suite of any kind; ``package`` has those that ship.

    Raises
    ------
    SuiteError
        As ``read_suite``.
    """
    known = shipped_suites(package)
    if name_or_path in known:
        text = (resources.files(package) / f"{name_or_path}.toml").read_text("utf-8")
        return SuiteFile(_parsed(text, name_or_path, kind), text, name_or_path, Path.cwd())
    path = Path(name_or_path)
    try:
        text = read_content(path, MAX_SUITE_BYTES).decode("utf-8")
    except (OSError, UnicodeDecodeError, InstanceError) as error:
        reason = getattr(error, "strerror", None) or getattr(error, "problem", None) or "is not UTF-8 text"
        raise SuiteError(
            f"{reason}, expected a TOML file or one of {', '.join(known)}", origin=str(path)
        ) from None
    return SuiteFile(_parsed(text, str(path), kind), text, str(path), path.resolve().parent)


def _parsed(text: str, origin: str, kind: type[_Suite]) -> _Suite:
    try:
        return msgspec.toml.decode(text, type=kind)
    except msgspec.ValidationError as error:
        message, _, where = str(error).replace("`", "").partition(" - at $")
        raise SuiteError(message, where.removeprefix(".")).located(origin, text) from None
    except (msgspec.DecodeError, ValueError, RecursionError) as error:  # a number too long, tables too deep
        raise SuiteError(f"is not TOML: {error}", origin=origin) from None


def parse_calls(
    place: str, texts: Iterable[str], plugins: _Plugins, parse: Callable[[str, _Plugins], _Call]
) -> list[_Call]:
    """Parse the calls of one list of a suite; ``place`` is where the list stands.

    Raises
    ------
    SuiteError
        If there is no such plugin or parameter.
    """
    try:
        return [parse(text, plugins) for text in texts]
    except PluginError as error:
        raise SuiteError(str(error), place) from None


def refuse_repeated(place: str, labels: Iterable[str]) -> None:
    """Refuse two equal calls in one list; calls of one plugin with different parameters are different."""
    label, count = Counter(labels).most_common(1)[0]
    if count > 1:
        raise SuiteError(f"name {label} {count} times, expected each once or with other parameters", place)


@contextlib.contextmanager
def naming_entry(place: str) -> Iterator[None]:
    """Say of a faulty recipe which entry of the suite it is in; a faulty file is named itself."""
    try:
        yield
    except InstanceError as error:
        if error.file is not None:
            raise
        raise SuiteError(error.problem, f"{place}.{error.field}" if error.field else place) from None
