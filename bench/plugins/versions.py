"""Versions of solvers: a hash of the sources that a solver imports, and the libraries that it names."""

from __future__ import annotations

import ast
import hashlib
import importlib.util
import inspect
from collections.abc import Callable, Iterable, Sequence
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Final

import slimbench.bench
import slimbench.formulations
import slimbench.instances
from slimbench.bench.plugins.neighbours import files_of, found_beside, loaded_by
from slimbench.bench.plugins.plugin import Call

OURS: Final = "slimbench"
_TYPE_CHECKING: Final = ("TYPE_CHECKING", "typing.TYPE_CHECKING")


def package_version(name: str) -> str | None:
    """Return the version of an installed package, or None."""
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def code_version(call: Call) -> str:
    """Return the version of a call, such as ``sources 1a2b3c..., highspy 1.16.0``.

    Results of another version are stale. The sources are the solver's own file and every file that it
    imports, directly or not, of this package, of its own package, or beside it if it is a plugin file.
    """
    libraries = [
        f"{name} {version}"
        for name in call.solver.library(call.parameters).split("+")
        if (version := package_version(name))
    ]
    function, sources = call.solver.function, "unknown"
    if own_file := inspect.getsourcefile(function):
        file = Path(own_file).resolve()
        sources = _hash(_sources(file, _own_modules(file, function.__module__)))
    return ", ".join([f"sources {sources}", *libraries])


def neighbours(plugin_file: Path) -> list[Path]:
    """Return the files beside a plugin file, or in folders there, that it imports."""
    file = plugin_file.resolve()
    found = _sources(file, lambda name: found_beside(file, name)) - {file}
    return sorted(
        path
        for path in found
        if path.is_relative_to(file.parent) and not any(map(path.is_relative_to, _folders()))
    )


@cache
def own_sources() -> str:
    """Return a hash of all sources that a run may use."""
    return _hash(path for folder in _folders() for path in folder.rglob("*.py"))


def _folders() -> list[Path]:
    """Folders of this package, without reports."""
    packages = (slimbench.instances, slimbench.formulations, slimbench.bench)
    return [Path(package.__path__[0]) for package in packages]


def _hash(files: Iterable[Path]) -> str:
    """Return the first 12 hex digits of a hash of files."""
    digests = sorted(hashlib.sha256(path.read_bytes()).digest() for path in files)
    return hashlib.sha256(b"".join(digests)).hexdigest()[:12]


def _own_modules(file: Path, module: str) -> Callable[[str], Sequence[Path]]:
    """Return the function from names of modules to their files if they belong to the plugin."""
    if loaded_by(file) is not None:
        return lambda name: found_beside(file, name)
    top, *inner = module.split(".")
    if top == OURS or not (inner or file.name == "__init__.py"):
        return lambda _: ()
    root = file.parents[len(inner) + (file.name == "__init__.py")]  # the package lies in it
    return lambda name: files_of(root, name) if name.partition(".")[0] == top else ()


def _sources(file: Path, own_modules: Callable[[str], Sequence[Path]]) -> set[Path]:
    """Return a plugin's file, and every file of ours or its own that it imports, directly or not."""
    left = [file, *(loaded_by(file) or ())]
    found = set(left)
    while left:
        importing = left.pop()
        for level, module, name in _imports(importing.read_bytes()):
            full = ".".join(filter(None, (module, name)))
            if level:
                imported: Sequence[Path] = files_of(importing.parents[level - 1], full)
            elif module.partition(".")[0] == OURS:
                imported = _ours(module, name)
            else:
                imported = own_modules(full)
            left += [path for path in imported if path not in found]
            found.update(imported)
    return found


_Import = tuple[int, str, str]  # ``from ..a import b`` is 2, a, b; ``import a`` is 0, a and nothing


@cache
def _imports(source: bytes) -> frozenset[_Import]:
    """Imports of a file, read from its text, without those for type checkers only."""
    try:
        tree = ast.parse(source)
    except SyntaxError:
        return frozenset()
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and ast.unparse(node.test) in _TYPE_CHECKING:
            node.body.clear()
    found: set[_Import] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {(0, alias.name, "") for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found |= {(node.level, node.module or "", alias.name) for alias in node.names}
    return frozenset(found)


def _ours(module: str, name: str) -> Sequence[Path]:
    """Return the files of a module of this package, or of the one that defines ``name``."""
    if name and (submodule := _file_of(f"{module}.{name}")):
        return submodule
    files = _file_of(module)
    if name and [file.name for file in files] == ["__init__.py"]:
        defined_in = _exports(files[0].read_bytes()).get(name)
        return _ours(defined_in, name) if defined_in else files
    return files


@cache
def _exports(source: bytes) -> dict[str, str]:
    """Return the modules that define a package's names, those for type checkers included."""
    nodes = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.ImportFrom)]
    return {alias.name: node.module for node in nodes if node.module for alias in node.names}


@cache
def _file_of(name: str) -> tuple[Path, ...]:
    """Return the file of a module, or none; all files of a package within a package, such as ``backends``.

    The modules of such a package are imported by name when they are needed.
    """
    try:
        spec = importlib.util.find_spec(name)
    except ModuleNotFoundError:  # of something in a module
        return ()
    if spec is None or spec.origin is None:
        return ()
    file = Path(spec.origin)
    is_inner_package = spec.submodule_search_locations is not None and name.count(".") > 1
    return tuple(sorted(file.parent.glob("*.py"))) if is_inner_package else (file,)
