"""Plugins by name, from ``bench/solvers`` and ``bench/policies``, files and entry points."""

from __future__ import annotations

import importlib
import importlib.util
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from functools import cache, cached_property
from pathlib import Path
from types import ModuleType
from typing import Final, TypeVar

from slimbench.bench.plugins.neighbours import importable_beside
from slimbench.bench.plugins.plugin import PluginError, Solver
from slimbench.bench.plugins.policy_plugin import Policy

SOLVERS: Final = "slimbench.solvers"  # entry-point groups
POLICIES: Final = "slimbench.policies"

_Plugin = TypeVar("_Plugin", Solver, Policy)


def find_solvers(plugin_files: Iterable[Path] = ()) -> Mapping[str, Solver]:
    """Return all solvers by name: those shipped, of installed packages, and in ``plugin_files``.

    Files are imported at once, a shipped solver when it is looked up, and installed packages when a name is
    neither, or all are listed.

    Raises
    ------
    PluginError
        If a plugin cannot be imported or defines no solver, or two define one of the same name.
    """
    return _Plugins("solver", Solver, SOLVERS, plugin_files)


def find_policies(plugin_files: Iterable[Path] = ()) -> Mapping[str, Policy]:
    """Return all policies by name, as ``find_solvers`` does."""
    return _Plugins("policy", Policy, POLICIES, plugin_files)


class _Plugins(Mapping[str, _Plugin]):
    """Plugins by name, in alphabetical order."""

    def __init__(self, kind: str, plugin_type: type[_Plugin], group: str, files: Iterable[Path]) -> None:
        self._kind, self._type, self._group = kind, plugin_type, group
        self._shipped = _shipped_names(kind, group.replace("slimbench.", "slimbench.bench."))
        self._in_files: dict[str, _Plugin] = {}
        self._origins = dict(self._shipped)
        for path in files:
            self._add(self._in_files, str(path), _imported_file(path))

    def __getitem__(self, name: str) -> _Plugin:
        if name in self._shipped:
            origin = self._shipped[name]
            return next(p for p in self._plugins_of(origin, _imported(origin, origin)) if p.name == name)
        return self._in_files[name] if name in self._in_files else self._announced[name]

    def __iter__(self) -> Iterator[str]:
        return iter(sorted({*self._shipped, *self._in_files, *self._announced}))

    def __len__(self) -> int:
        return len(list(iter(self)))

    @cached_property
    def _announced(self) -> dict[str, _Plugin]:
        """Plugins of installed packages, by entry points."""
        from importlib.metadata import entry_points  # noqa: PLC0415  (a shipped solver needs none)

        found: dict[str, _Plugin] = {}
        for entry in entry_points(group=self._group):
            origin = f"entry point {entry.name} = {entry.value}"
            self._add(found, origin, _imported(origin, entry.module))
        return found

    def _add(self, found: dict[str, _Plugin], origin: str, module: ModuleType) -> None:
        for plugin in self._plugins_of(origin, module):
            if plugin.name in self._origins:
                both = f"in {self._origins[plugin.name]} and in {origin}"
                raise PluginError(f"{self._kind} {plugin.name!r} is defined twice: {both}")
            found[plugin.name] = plugin
            self._origins[plugin.name] = origin

    def _plugins_of(self, origin: str, module: ModuleType) -> list[_Plugin]:
        """Plugins that a module defines itself."""
        plugins = [value for value in vars(module).values() if isinstance(value, self._type)]
        own = [plugin for plugin in plugins if plugin.function.__module__ == module.__name__]
        if not own:
            expected = f"expected a function decorated with @{self._kind}"
            raise PluginError(f"{origin}: defines no {self._kind}, {expected}")
        return own


@cache
def _shipped_names(kind: str, package: str) -> Mapping[str, str]:
    """Module of each shipped plugin, read from its text.

    Importing all modules, and all that they need, would take longer than a baseline runs.
    """
    files = Path(importlib.import_module(package).__path__[0]).glob("*.py")
    return {
        name: f"{package}.{file.stem}"
        for file in files
        for name in re.findall(rf'^@{kind}\(\s*"([^"]+)"', file.read_text("utf-8"), re.MULTILINE)
    }


def _imported(origin: str, module: str) -> ModuleType:
    try:
        return importlib.import_module(module)
    except (Exception, SystemExit) as error:
        raise _not_importable(origin, error) from error


def _imported_file(path: Path) -> ModuleType:
    if not path.is_file():
        raise PluginError(f"{path}: is not a file, expected a Python file with a plugin")
    name = f"slimbench_plugin_{path.stem}_{abs(hash(path.resolve()))}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise PluginError(f"{path}: is not a Python file, expected the suffix .py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses and type hints of the plugin look themselves up
    try:
        with importable_beside(path):
            spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        del sys.modules[name]
        raise _not_importable(str(path), error) from error
    return module


def _not_importable(origin: str, error: BaseException) -> PluginError:
    if isinstance(error, PluginError):
        return PluginError(f"{origin}: {error}")
    line = " ".join(str(error).split())
    return PluginError(f"{origin}: cannot be imported: {type(error).__name__}: {line}")
