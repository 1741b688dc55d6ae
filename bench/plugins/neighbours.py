"""Import of the modules beside a plugin file, as a script may import those beside it."""

from __future__ import annotations

import contextlib
import importlib
import sys
from collections.abc import Iterator, Set
from importlib.machinery import PathFinder
from pathlib import Path
from types import ModuleType

_folders: list[str] = []  # of plugin files, at the end of sys.path, the latest first
_loaded: dict[str, ModuleType] = {}  # modules beside the latest plugin file, by name
_files: dict[Path, frozenset[Path]] = {}  # by plugin file: the files beside it that it has loaded


@contextlib.contextmanager
def importable_beside(file: Path) -> Iterator[None]:
    """Put the folder of a plugin file at the end of ``sys.path``, for good, while the file is imported.

    The file finds its own modules, as they are on disk now, even if another plugin has loaded others of the
    same names; that plugin keeps those. (What it imports only when it is called may be the others.)
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
        if is_added:
            new = {name: sys.modules[name] for name in sys.modules.keys() - before}
            _loaded.update({name: new[name] for name in new if _is_in(file.parent, name, new[name])})
        _files[file] = frozenset(Path(str(module.__file__)) for module in _loaded.values() if module.__file__)


def _is_in(folder: Path, name: str, module: ModuleType) -> bool:
    """True if a module, or its top package, lies in the folder itself, not deeper in it."""
    file = Path(getattr(module, "__file__", None) or "")
    top = name.partition(".")[0]
    return file.is_relative_to(folder) and file.relative_to(folder).parts[0] in (top, f"{top}.py")


def search_path(file: Path) -> list[str]:
    """Return ``sys.path`` as a plugin file sees it: without the folders of other plugins."""
    folder = str(file.parent)
    own = [place for place in sys.path if place not in _folders]
    return own if folder in own else [*own, folder]


def loaded_by(file: Path) -> Set[Path] | None:
    """Return the files beside a plugin file that it loaded at its latest import; None before any import."""
    return _files.get(file.resolve())


def found_beside(file: Path, name: str) -> list[Path]:
    """Return the files in a plugin file's folder that ``import name`` loads, unless it finds others first.

    Nothing is imported.
    """
    top = name.partition(".")[0]
    files = files_of(file.parent, name)
    if not files or top in sys.stdlib_module_names:
        return []
    spec = PathFinder.find_spec(top, search_path(file))
    return files if spec is None or spec.origin in (None, str(files[0])) else []


def files_of(folder: Path, name: str) -> list[Path]:
    """Return the files that the import of a dotted name loads if its first part is in ``folder``."""
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
