"""Finding plugins: the folders ``bench/solvers`` and ``bench/policies``, the user's files, entry points."""

from __future__ import annotations

import importlib
import importlib.util
import pkgutil
import sys
from collections.abc import Iterable, Iterator
from functools import lru_cache
from importlib.metadata import entry_points
from pathlib import Path
from types import ModuleType
from typing import Final, TypeVar

import slimbench.bench.policies
import slimbench.bench.solvers
from slimbench.bench.plugin import PluginError, Solver
from slimbench.bench.policy_plugin import Policy

SOLVERS: Final = "slimbench.solvers"  # entry-point groups
POLICIES: Final = "slimbench.policies"

_Plugin = TypeVar("_Plugin", Solver, Policy)


def find_solvers(plugin_files: Iterable[Path] = ()) -> dict[str, Solver]:
    """All solvers by name: those shipped, those of installed packages, those in ``plugin_files``.

    Raises
    ------
    PluginError
        If a plugin cannot be imported or defines no solver, or two define one of the same name.
    """
    return _find("solver", Solver, SOLVERS, plugin_files)


def find_policies(plugin_files: Iterable[Path] = ()) -> dict[str, Policy]:
    """All policies by name, in the same way."""
    return _find("policy", Policy, POLICIES, plugin_files)


def _find(
    kind: str, plugin_type: type[_Plugin], group: str, plugin_files: Iterable[Path]
) -> dict[str, _Plugin]:
    found: dict[str, tuple[_Plugin, str]] = {}
    for origin, module in _plugin_modules(group, plugin_files):
        own = [
            value
            for value in vars(module).values()
            if isinstance(value, plugin_type) and value.function.__module__ == module.__name__
        ]
        if not own:
            raise PluginError(f"{origin}: defines no {kind}, expected a function decorated with @{kind}")
        for plugin in own:
            if plugin.name in found:
                first = found[plugin.name][1]
                raise PluginError(f"{kind} {plugin.name!r} is defined twice: in {first} and in {origin}")
            found[plugin.name] = plugin, origin
    return {name: plugin for name, (plugin, _) in sorted(found.items())}


def _plugin_modules(group: str, plugin_files: Iterable[Path]) -> Iterator[tuple[str, ModuleType]]:
    yield from _installed_modules(group, tuple(sys.path))
    for path in plugin_files:
        yield str(path), _imported_file(path)


@lru_cache(maxsize=2)
def _installed_modules(group: str, _search_path: tuple[str, ...]) -> list[tuple[str, ModuleType]]:
    """Those shipped and those of entry points: looking for them costs more than a fork."""
    shipped = slimbench.bench.solvers if group == SOLVERS else slimbench.bench.policies
    return [*_shipped_modules(shipped), *_announced_modules(group)]


def _shipped_modules(shipped: ModuleType) -> Iterator[tuple[str, ModuleType]]:
    for info in pkgutil.iter_modules(shipped.__path__, f"{shipped.__name__}."):
        yield info.name, _imported(info.name, info.name)


def _announced_modules(group: str) -> Iterator[tuple[str, ModuleType]]:
    for entry in entry_points(group=group):
        origin = f"entry point {entry.name} = {entry.value}"
        yield origin, _imported(origin, entry.module)


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
