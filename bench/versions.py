"""What a result stands on: the sources that a solver imports, and the libraries that it names."""

from __future__ import annotations

import ast
import hashlib
import importlib.util
import inspect
from functools import cache
from pathlib import Path

import slimbench.bench
import slimbench.formulations
import slimbench.instances
from slimbench.bench.plugin import Call

OURS = "slimbench"


def package_version(name: str) -> str | None:
    """Of an installed package; None where it is not one."""
    from importlib import metadata  # noqa: PLC0415  (a single run names no versions)

    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def code_version(call: Call) -> str:
    """What must not change for a result of this call to count: ``sources 1a2b3c..., highspy 1.16.0``.

    The sources are the solver's own file and every file of this package that it imports, directly or not:
    an edit elsewhere, say of a report, changes nothing.
    """
    libraries = [
        f"{name} {version}"
        for name in call.solver.library(call.parameters).split("+")
        if (version := package_version(name))
    ]
    own_file = inspect.getsourcefile(call.solver.function)
    sources = f"sources {_hash_with_imports(Path(own_file))}" if own_file else "sources unknown"
    return ", ".join([sources, *libraries])


@cache
def own_sources() -> str:
    """First 12 hex digits of a hash over all sources that a run goes through."""
    folders = (
        Path(package.__path__[0])
        for package in (slimbench.instances, slimbench.formulations, slimbench.bench)
    )
    digests = sorted(
        hashlib.sha256(path.read_bytes()).digest() for folder in folders for path in folder.rglob("*.py")
    )
    return hashlib.sha256(b"".join(digests)).hexdigest()[:12]


@cache
def _hash_with_imports(file: Path) -> str:
    """First 12 hex digits of a hash over a file and all of ours that it imports."""
    found, left = {file}, [file]
    while left:
        for imported in _imports(left.pop()) - found:
            found.add(imported)
            left.append(imported)
    digests = sorted(hashlib.sha256(path.read_bytes()).digest() for path in found)
    return hashlib.sha256(b"".join(digests)).hexdigest()[:12]


@cache
def _imports(file: Path) -> frozenset[Path]:
    """Files of this package that a file imports, read from its text: nothing is run."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(file.read_bytes())):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module)
            names.update(f"{node.module}.{alias.name}" for alias in node.names)
    return frozenset(path for name in names if name.startswith(f"{OURS}.") for path in _file_of(name))


@cache
def _file_of(name: str) -> tuple[Path, ...]:
    """The file of a module, if the name is one; all of a package within a package, such as ``backends``.

    Its modules are imported by name when they are needed.
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
