"""Rooms of reports import one way: statistics, tables, then charts and templates, placement, pages."""

import ast
from pathlib import Path

import slimbench.reports

ROOM = "slimbench.reports."
MAY_IMPORT = {
    "statistics": set(),
    "tables": {"statistics"},
    "charts": {"statistics", "tables"},
    "templates": {"tables"},
    "placement": {"statistics", "tables", "charts", "templates"},
    "pages": {"statistics", "tables", "charts", "templates", "placement"},
}


def imports(path: Path) -> set[str]:
    nodes = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.ImportFrom)]
    return {
        (node.module or "").removeprefix(ROOM).partition(".")[0]
        for node in nodes
        if (node.module or "").startswith(ROOM)
    }


def test_rooms_import_one_way() -> None:
    folder = Path(slimbench.reports.__file__).parent
    rooms = {path.parent.name for path in folder.glob("*/*.py")}
    assert rooms == set(MAY_IMPORT)
    wrong = [
        (path.relative_to(folder).as_posix(), room)
        for path in folder.glob("*/*.py")
        for room in imports(path) - MAY_IMPORT[path.parent.name] - {path.parent.name}
    ]
    assert wrong == []
    assert all(len(list((folder / room).glob("*.py"))) <= 16 for room in rooms)
