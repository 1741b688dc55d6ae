"""Rooms of the package: what may import what, and how large folders and files may become."""

import ast
import graphlib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FOLDERS = ("instances", "formulations", "bench", "reports")  # a folder imports those before it
LOOK_UP = "bench.cli"  # commands show reports
ROOMS = {  # a room imports those before it; modules beside the rooms are rooms of their own
    "instances": "problem files sampling kernels zoo network routing traces scenarios generators "
    "library sequences",
    "formulations": "errors status tolerances libraries terms single_server milp brute_force backends "
    "lagrangian heuristics",
    "bench": "plugins solvers policies isolation store results execution suites attack library adaptive cli",
    "reports": "statistics tables charts templates placement pages",
}
MAX_FILES, MAX_LINES = 16, 300
FILES = [path for folder in FOLDERS for path in sorted((ROOT / folder).rglob("*.py"))]


def module_of(path):
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_of(path): path for path in FILES}


def room_of(module):
    """The room of a module, and "" for the packages that gather names of rooms."""
    return module.split(".")[1] if "." in module else ""


def statements(path):
    """All of a file, but what a package imports later and tells type checkers now."""
    for node in ast.parse(path.read_text("utf-8")).body:
        if path.name != "__init__.py" or "TYPE_CHECKING" not in ast.unparse(getattr(node, "test", node)):
            yield from ast.walk(node)


def imports_of(path):
    """Modules of ours that a file imports, at whatever depth."""
    for node in statements(path):
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
        if module.split(".")[0] == folder
        and name.split(".")[0] not in allowed
        and not module.startswith(LOOK_UP)
    ]
    assert wrong == []


def test_modules_import_each_other_in_no_circle():
    graphlib.TopologicalSorter(IMPORTS).prepare()  # raises CycleError, which names the circle


@pytest.mark.parametrize("folder", FOLDERS)
def test_a_room_imports_those_before_it(folder):
    order = ["", *ROOMS[folder].split()]
    inside = {m: {n for n in names if n.split(".")[0] == folder} for m, names in IMPORTS.items()}
    inside = {m: names for m, names in inside.items() if m.split(".")[0] == folder}
    assert {room_of(module) for module in inside} <= set(order)
    wrong = [
        (module, name)
        for module, names in inside.items()
        for name in names
        if room_of(module) and order.index(room_of(name)) > order.index(room_of(module))
    ]
    assert wrong == []


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
    used = {name for module, names in IMPORTS.items() if module.startswith(f"{room}.") for name in names}
    assert {name for name in used if name.startswith("bench") and not name.startswith(room)} <= allowed
