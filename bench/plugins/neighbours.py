"""Modules beside a plugin file, which it may import as a script may import what lies beside it."""

from __future__ import annotations

import contextlib
import importlib
import sys
from collections.abc import Iterator, Set
from importlib.machinery import PathFinder
from pathlib import Path
from types import ModuleType

_folders: list[str] = []  # of plugins, at the end of sys.path, that of the last one first
_loaded: dict[str, ModuleType] = {}  # from there, for the plugin files imported last, by name
_files: dict[Path, frozenset[Path]] = {}  # that each plugin file has loaded


@contextlib.contextmanager
def importable_beside(file: Path) -> Iterator[None]:
    """Import a plugin file in here: its folder is the last place where modules are looked for, and stays so.

    It finds its own modules, as they are on disk now, even if another plugin has loaded others of the same
    names; that one keeps what it has imported. (What it imports only when it is called may be the others.)
    """
    file = file.resolve()
    folder = str(file.parent)
    for name, module in _loaded.items():
        if sys.modules.get(name) is module:
            del sys.modules[name]
    _loaded.clear()
    is_added = folder in _folders or folder not in sys.path  # else it is searched anyway
    sys.path[:] = search_path(file)
    others = [other for other in _folders if other != folder]
    _folders[:] = [folder, *others] if is_added else others
    importlib.invalidate_caches()  # a module may just have been written
    before = set(sys.modules)
    try:
        yield
    finally:
        sys.path += others  # for what their plugins import when they are called
        new = {name: sys.modules[name] for name in sys.modules.keys() - before}
        if is_added:
            _loaded.update(
                {name: module for name, module in new.items() if _is_in(file.parent, name, module)}
            )
        _files[file] = frozenset(Path(str(module.__file__)) for module in _loaded.values() if module.__file__)


def _is_in(folder: Path, name: str, module: ModuleType) -> bool:
    """Whether a module, or the package that it is of, lies in the folder itself, not deeper in it."""
    file = Path(getattr(module, "__file__", None) or "")
    top = name.partition(".")[0]
    return file.is_relative_to(folder) and file.relative_to(folder).parts[0] in (top, f"{top}.py")


def search_path(file: Path) -> list[str]:
    """Where a plugin file's imports are looked for: not beside other plugins."""
    folder = str(file.parent)
    own = [place for place in sys.path if place not in _folders]
    return own if folder in own else [*own, folder]


def is_plugin_file(file: Path) -> bool:
    """Whether it has been imported as one."""
    return file.resolve() in _files


def loaded_by(file: Path) -> Set[Path]:
    """Files beside a plugin file, or in folders there, that were loaded when it was imported last."""
    return _files.get(file.resolve(), frozenset())


def found_beside(file: Path, name: str) -> list[Path]:
    """Files that an import of ``name`` loads in a plugin file's folder; none if it is found elsewhere first.

    Nothing is imported.
    """
    top = name.partition(".")[0]
    files = files_of(file.parent, name)
    if not files or top in sys.stdlib_module_names:
        return []
    spec = PathFinder.find_spec(top, search_path(file))
    return files if spec is None or spec.origin in (None, str(files[0])) else []


def files_of(folder: Path, name: str) -> list[Path]:
    """Files that an import of a dotted name loads if its first part is in ``folder``."""
    files = []
    for part in name.split("."):
        package, module = folder / part / "__init__.py", folder / f"{part}.py"
        folder /= part
        if package.is_file():
            files.append(package)
        elif module.is_file():
            return [*files, module]
        elif not folder.is_dir():
            break
    return files
