"""Modules of instances import one another in one direction, whatever types alone are imported for."""

import ast
from pathlib import Path

import networkx as nx

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = "slimbench.instances"
# Each room imports those before it only; kernels and zoo are modules of the root.
ROOMS = ("problem", "files", "sampling", "kernels", "zoo", "network", "routing", "traces", "generators",
         "library", "sequences")  # fmt: skip


def imports():
    """The graph of modules, an edge from each to every one that it imports."""
    files = {
        ".".join((PACKAGE, *path.relative_to(ROOT / "instances").with_suffix("").parts)): path
        for path in (ROOT / "instances").rglob("*.py")
    }
    files = {name.removesuffix(".__init__"): path for name, path in files.items()}
    graph = nx.DiGraph()
    graph.add_nodes_from(files)
    for name, path in files.items():
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(PACKAGE):
                for alias in node.names:
                    module = f"{node.module}.{alias.name}"
                    graph.add_edge(name, module if module in files else node.module)
    return graph


def test_no_modules_import_each_other():
    assert [group for group in nx.strongly_connected_components(imports()) if len(group) > 1] == []


def test_rooms_import_rooms_before_them():
    def room(module):
        return module.removeprefix(f"{PACKAGE}.").split(".")[0]

    for importer, imported in imports().edges:
        if PACKAGE not in {importer, imported}:
            assert ROOMS.index(room(imported)) <= ROOMS.index(room(importer)), (
                f"{importer} imports {imported}"
            )
