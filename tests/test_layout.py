"""Rooms of the package: what may import what, and how large folders and files may become."""

import ast
import graphlib
from collections import defaultdict
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FOLDERS = ("instances", "formulations", "bench", "reports")  # a folder imports those before it
LOOK_UP = "bench.cli"  # commands show reports
MAX_FILES, MAX_LINES = 16, 300
FILES = [path for folder in FOLDERS for path in sorted((ROOT / folder).rglob("*.py"))]


def module_of(path):
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_of(path): path for path in FILES}


def room_of(module):
    """The folder that a module lies in; a module beside the rooms is a room of its own."""
    return (
        module
        if MODULES[module].name == "__init__.py" or module.count(".") == 1
        else module.rpartition(".")[0]
    )


def executed(node):
    """The statements below a node that run, wherever they stand: not those for type checkers."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test):
            continue
        yield child
        yield from executed(child)


def imports_of(path):
    """Modules of ours that a file imports, at whatever depth."""
    for node in executed(ast.parse(path.read_text("utf-8"))):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path.relative_to(ROOT)} imports relatively"
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        for name in names:
            top, _, inner = name.partition(".")
            assert top not in FOLDERS, f"{path.relative_to(ROOT)} imports {name} by its bare name"
            if top == "slimbench":
                yield inner if inner in MODULES else inner.rpartition(".")[0]


IMPORTS = {module: set(imports_of(path)) - {module} for module, path in MODULES.items()}


@pytest.mark.parametrize("folder", FOLDERS)
def test_a_folder_imports_those_before_it(folder):
    allowed = FOLDERS[: FOLDERS.index(folder) + 1]
    wrong = [
        (module, name)
        for module, names in IMPORTS.items()
        for name in names
        if module.split(".")[0] == folder and name.split(".")[0] not in allowed and room_of(module) != LOOK_UP
    ]
    assert wrong == []


@pytest.mark.parametrize("of", [lambda module: module, room_of], ids=["modules", "rooms"])
def test_imports_go_in_no_circle(of):
    graph = defaultdict(set)
    for module, names in IMPORTS.items():
        graph[of(module)] |= {of(name) for name in names} - {of(module)}
    graphlib.TopologicalSorter(graph).prepare()  # raises CycleError, which names the circle


def test_folders_and_files_stay_small():
    folders = {path.parent for path in ROOT.rglob("*.py") if not any(p.startswith(".") for p in path.parts)}
    crowded = [str(f) for f in folders if len(list(f.glob("*.py"))) > MAX_FILES]
    long = [str(path) for path in FILES if len(path.read_text("utf-8").splitlines()) > MAX_LINES]
    assert (crowded, long) == ([], [])
    assert [path.name for path in (ROOT / "bench").glob("*.py")] == ["__init__.py"]


@pytest.mark.parametrize(
    ("room", "offered"),
    [
        ("bench.solvers", {"context", "plugin", "warm_up"}),
        ("bench.policies", {"context", "policy_plugin", "policy_planner"}),
    ],
)
def test_shipped_plugins_take_from_bench_what_any_plugin_may(room, offered):
    allowed = {"bench", *(f"bench.plugins.{module}" for module in offered)}
    used = {name for module, names in IMPORTS.items() if room_of(module) == room for name in names}
    assert {name for name in used if name.startswith("bench") and room_of(name) != room} <= allowed
