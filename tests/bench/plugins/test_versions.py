"""The version of a plugin: what it loads of ours, of its own package and from beside it, and nothing else."""

import sys
import textwrap
from pathlib import Path

import pytest

from slimbench.bench.plugins import versions
from slimbench.bench.plugins.plugin import PluginError, parse_call
from slimbench.bench.plugins.registry import find_solvers
from slimbench.bench.plugins.versions import code_version, neighbours

HEADER = """
from __future__ import annotations
import importlib
from typing import TYPE_CHECKING
from slimbench.bench import SolveContext, solver
from slimbench.instances import Instance, Placement
"""
SOLVER = """
@solver("own")
def own(instance: Instance, context: SolveContext) -> Placement:
    {body}
    return Placement.empty(instance)
"""


@pytest.fixture
def write(tmp_path):
    """Return a writer of files beside the plugin."""
    before = list(sys.path)

    def write(name, text):
        path = tmp_path / "plugins" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    yield write
    sys.path[:] = before


@pytest.fixture
def plugin(write):
    """Return a writer of a plugin that has some lines at its top and in its function."""

    def write_plugin(top="", body="pass", name="plugin.py"):
        return write(name, HEADER + textwrap.dedent(top) + SOLVER.format(body=body))

    return write_plugin


def version(file):
    return code_version(parse_call("own", find_solvers([file])))


IMPORTS = [
    ("import helper", "pass", "helper.py"),
    ("from helper import value", "pass", "helper.py"),
    ("import first", "pass", "helper.py"),  # which imports it
    ("", "import helper", "helper.py"),
    ("from package import inner", "pass", "package/inner.py"),
    ("import package.inner", "pass", "package/__init__.py"),
    ("from package.inner import value", "pass", "package/deep/other.py"),  # which that imports relatively
    ("from spread.module import value", "pass", "spread/module.py"),
    ("helper = importlib.import_module('hel' + 'per')", "pass", "helper.py"),
    ("if TYPE_CHECKING:\n    x = 1\nelse:\n    import helper", "pass", "helper.py"),
]


@pytest.fixture
def beside(write):
    write("helper.py", "value = 1\n")
    write("first.py", "import helper\n")
    write("unused.py", "value = 1\n")
    write("random.py", "value = 1\n")
    write("package/__init__.py", "")
    write("package/inner.py", "from .deep import other\nvalue = other.value\n")
    write("package/deep/__init__.py", "")
    write("package/deep/other.py", "value = 1\n")
    write("spread/module.py", "value = 1\n")


@pytest.mark.parametrize(("top", "body", "edited"), IMPORTS)
def test_an_edited_module_beside_a_plugin_is_another_version(beside, plugin, write, top, body, edited):
    file = plugin(top, body)
    before = version(file)
    assert version(file) == before
    assert file.parent / edited in neighbours(file)
    text = (file.parent / edited).read_text()
    write(edited, f"{text}# edited\n")
    assert version(file) != before


@pytest.mark.parametrize(
    ("top", "edited"),
    [
        ("import helper", "unused.py"),
        ("import random", "random.py"),  # the standard library's is found first
        ("if TYPE_CHECKING:\n    import helper", "helper.py"),
        ("import typing\nif typing.TYPE_CHECKING:\n    import helper", "helper.py"),
    ],
)
def test_what_a_plugin_does_not_load_is_none_of_its_version(beside, plugin, write, top, edited):
    file = plugin(top)
    before = version(file)
    write(edited, "value = 2\n")
    assert version(file) == before
    assert file.parent / edited not in neighbours(file)


def test_a_module_beside_a_plugin_is_loaded_as_it_is_now(plugin, write):
    file = plugin("import helper\nVALUE = helper.value")
    for value in ("1", "'two'"):
        write("helper.py", f"value = {value}\n")
        (plugin_module,) = {find_solvers([file])["own"].function.__globals__["VALUE"]}
        assert repr(plugin_module) == value


def test_modules_of_one_name_beside_two_plugins_are_each_plugin_s_own(plugin, write):
    first = plugin("import helper", name="one/plugin.py")
    second = write("two/plugin.py", first.read_text().replace('"own"', '"other"'))
    write("one/helper.py", "value = 1\n")
    write("two/helper.py", "value = 2\n")
    found = find_solvers([first, second])
    assert [found[name].function.__globals__["helper"].value for name in ("own", "other")] == [1, 2]
    assert neighbours(first) == [first.with_name("helper.py")]
    assert neighbours(second) == [second.with_name("helper.py")]


def test_packages_installed_below_the_folder_are_not_beside_the_plugin(plugin, write, monkeypatch):
    installed = write("venv/site/installed.py", "value = 1\n")
    monkeypatch.syspath_prepend(str(installed.parent))
    file = plugin("import installed")
    module = find_solvers([file])["own"].function.__globals__["installed"]
    assert find_solvers([file])["own"].function.__globals__["installed"] is module
    assert neighbours(file) == []
    monkeypatch.delitem(sys.modules, "installed")


def test_a_missing_module_is_one_line(plugin):
    with pytest.raises(
        PluginError, match="cannot be imported: ModuleNotFoundError: No module named 'helper'"
    ):
        find_solvers([plugin("import helper")])


def test_a_plugin_stands_on_the_modules_of_ours_that_define_what_it_uses(plugin):
    file = plugin("from slimbench.instances import evaluate")
    find_solvers([file])
    found = {path.relative_to(path.parents[1]).as_posix() for path in versions._sources(file, lambda _: ())}
    assert found >= {
        "problem/evaluation.py",
        "problem/placement.py",
        "plugins/context.py",
        "plugins/plugin.py",
    }
    assert not found & {
        "heuristics/annealing.py",
        "suites/benchmark.py",
        "results/results.py",
        "files/files.py",
    }
    assert len(found) < 30


def test_what_a_package_of_ours_imports_later_is_followed(plugin):
    file = plugin("", "from slimbench.bench import load_results")
    found = {path.name for path in versions._sources(file, lambda _: ())}
    assert "results.py" in found
    assert "export.py" not in found


def test_a_solver_of_an_installed_package_stands_on_that_package(plugin, write, monkeypatch):
    plugin("from .inner import value", name="announced/solvers/mine.py")
    write("announced/__init__.py", "")
    write("announced/solvers/__init__.py", "")
    inner = write("announced/solvers/inner.py", "from announced.base import value\n")
    base = write("announced/base.py", "value = 1\n")
    write("announced/unused.py", "value = 1\n")
    monkeypatch.syspath_prepend(str(inner.parents[2]))
    from announced.solvers.mine import own

    versions_seen = [code_version(parse_call("own", {"own": own}))]
    for edited in (inner.with_name("unused.py"), base, inner):
        edited.write_text(f"{edited.read_text() if edited.exists() else ''}# edited\n")
        versions_seen.append(code_version(parse_call("own", {"own": own})))
    assert versions_seen[0] == versions_seen[1]
    assert len(set(versions_seen)) == 3
    for name in [name for name in sys.modules if name.partition(".")[0] == "announced"]:
        monkeypatch.delitem(sys.modules, name)


def test_shipped_solvers_do_not_stand_on_each_other():
    files = {
        name: versions._sources(Path(sys.modules[plugin.function.__module__].__file__), lambda _: ())
        for name, plugin in find_solvers().items()
    }
    assert not any(
        path.name == "annealing.py" for name in ("slim-dp", "exact", "random") for path in files[name]
    )
    assert any(path.name == "cbc.py" for path in files["milp"])  # imported by its name alone
