"""Finding solver plugins: the folder ``bench/solvers``, files named by the user, and entry points."""

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

import slimbench.bench.solvers
from slimbench.bench.plugin import PluginError, Solver

ENTRY_POINTS = "slimbench.solvers"


def find_solvers(plugin_files: Iterable[Path] = ()) -> dict[str, Solver]:
    """All solvers by name: those shipped, those of installed packages, those in ``plugin_files``.

    Raises
    ------
    PluginError
        If a plugin cannot be imported or defines no solver, or two define one of the same name.
    """
    found: dict[str, tuple[Solver, str]] = {}
    for origin, module in _plugin_modules(plugin_files):
        own = [
            value
            for value in vars(module).values()
            if isinstance(value, Solver) and value.function.__module__ == module.__name__
        ]
        if not own:
            raise PluginError(f"{origin}: defines no solver, expected a function decorated with @solver")
        for plugin in own:
            if plugin.name in found:
                first = found[plugin.name][1]
                raise PluginError(f"solver {plugin.name!r} is defined twice: in {first} and in {origin}")
            found[plugin.name] = plugin, origin
    return {name: plugin for name, (plugin, _) in sorted(found.items())}


def _plugin_modules(plugin_files: Iterable[Path]) -> Iterator[tuple[str, ModuleType]]:
    yield from _installed_modules(tuple(sys.path))
    for path in plugin_files:
        yield str(path), _imported_file(path)


@lru_cache(maxsize=1)
def _installed_modules(_search_path: tuple[str, ...]) -> list[tuple[str, ModuleType]]:
    """Those shipped and those of entry points: looking for them costs more than a fork."""
    return [*_shipped_modules(), *_announced_modules()]


def _shipped_modules() -> Iterator[tuple[str, ModuleType]]:
    shipped = slimbench.bench.solvers
    for info in pkgutil.iter_modules(shipped.__path__, f"{shipped.__name__}."):
        yield info.name, _imported(info.name, info.name)


def _announced_modules() -> Iterator[tuple[str, ModuleType]]:
    for entry in entry_points(group=ENTRY_POINTS):
        origin = f"entry point {entry.name} = {entry.value}"
        yield origin, _imported(origin, entry.module)


def _imported(origin: str, module: str) -> ModuleType:
    try:
        return importlib.import_module(module)
    except (Exception, SystemExit) as error:
        raise _not_importable(origin, error) from error


def _imported_file(path: Path) -> ModuleType:
    if not path.is_file():
        raise PluginError(f"{path}: is not a file, expected a Python file with a solver")
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
