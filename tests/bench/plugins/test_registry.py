"""Where solvers are found, and what is said of a plugin that cannot be one."""

import importlib
import pkgutil
import shutil
import sys
from importlib.metadata import entry_points

import pytest

from slimbench.bench import PluginError
from slimbench.bench.plugins.registry import SOLVERS, find_policies, find_solvers

ISSUED = {
    "annealing", "brute-force", "local-search", "milp", "popularity", "popularity-per-layer", "random",
    "slim-dp", "slim-greedy", "slim-maxconv", "slim-sweep",
}  # fmt: skip


def refusal(*files):
    with pytest.raises(PluginError) as error:
        list(find_solvers(files))
    line = str(error.value)
    assert "\n" not in line
    return line


def test_the_shipped_solvers_are_found_in_order_of_their_names():
    found = find_solvers()
    assert set(found) >= ISSUED
    assert list(found) == sorted(found)
    assert found["milp"].exact
    assert found["brute-force"].exact
    assert not found["slim-dp"].exact
    assert all(plugin.summary for plugin in found.values())


@pytest.mark.parametrize("found", [find_solvers(), find_policies()])
def test_a_shipped_plugin_is_found_by_its_name_in_the_module_that_defines_it(found):
    assert all(found[name].name == name for name in found)
    modules = {plugin.function.__module__ for plugin in found.values()}
    package = next(iter(modules)).rpartition(".")[0]
    defined = pkgutil.iter_modules(importlib.import_module(package).__path__, f"{package}.")
    assert modules == {info.name for info in defined}


def test_a_plugin_file_adds_its_solver(plugin):
    found = find_solvers([plugin("mine", "return Placement.empty(instance)", parameters="depth: int = 2")])
    assert set(found) - set(find_solvers()) == {"mine"}
    assert found["mine"].parameters["depth"].annotation is int


def test_a_file_may_hold_several_solvers_and_imported_ones_do_not_count_as_its_own(plugin):
    file = plugin("first", "return Placement.empty(instance)")
    with file.open("a") as text:
        text.write(
            "from slimbench.bench.solvers.popularity import popularity\n"
            "@solver('second')\ndef second(instance, context) -> Placement:\n"
            "    return popularity(instance, context)\n"
        )
    assert set(find_solvers([file])) - set(find_solvers()) == {"first", "second"}


def test_two_files_of_one_name_in_two_folders_are_two_plugins(plugin, tmp_path):
    first = plugin("a", "return Placement.empty(instance)")
    (tmp_path / "other").mkdir()
    second = shutil.copy(plugin("b", "return Placement.empty(instance)"), tmp_path / "other" / first.name)
    assert {"a", "b"} <= set(find_solvers([first, tmp_path / second]))


def test_a_plugin_may_use_dataclasses_and_postponed_annotations(tmp_path):
    file = tmp_path / "modern.py"
    file.write_text(
        "from __future__ import annotations\nfrom dataclasses import dataclass\nfrom typing import ClassVar\n"
        "from slimbench.bench import SolveContext, solver\n"
        "from slimbench.instances import Instance, Placement\n"
        "@dataclass\nclass State:\n    kept: ClassVar[int] = 1\n    x: int = 0\n"
        "@solver('modern')\ndef modern(instance: Instance, context: SolveContext, *,"
        " depth: int | None = None)"
        " -> Placement:\n    return Placement.empty(instance)\n"
    )
    assert find_solvers([file])["modern"].parameters["depth"].annotation == int | None


def test_two_plugins_of_one_name_are_refused_and_both_are_named(plugin, tmp_path):
    mine = plugin("popularity", "return Placement.empty(instance)")
    assert refusal(mine) == (
        f"solver 'popularity' is defined twice: in slimbench.bench.solvers.popularity and in {mine}"
    )
    twin = shutil.copy(plugin("twin", "return Placement.empty(instance)"), tmp_path / "copy.py")
    assert (
        refusal(plugin("twin", "return 1"), twin)
        == f"solver 'twin' is defined twice: in {tmp_path / 'plugin_twin.py'} and in {twin}"
    )


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("raise ValueError('first\\n second')", "cannot be imported: ValueError: first second"),
        (
            "import no_such_module",
            "cannot be imported: ModuleNotFoundError: No module named 'no_such_module'",
        ),
        ("def broken(:\n", "cannot be imported: SyntaxError: invalid syntax"),
        ("raise SystemExit(0)", "cannot be imported: SystemExit: 0"),
        ("x = 1", "defines no solver, expected a function decorated with @solver"),
        ("", "defines no solver, expected a function decorated with @solver"),
        (
            "from slimbench.bench.solvers.popularity import popularity",
            "defines no solver, expected a function decorated with @solver",
        ),
        (
            "from slimbench.bench import solver\n@solver('mine')\ndef f(instance): ...",
            "solver mine: expected a function (instance, context, *, parameter: type = default)",
        ),
    ],
)
def test_a_file_that_is_no_plugin_is_one_line_that_names_it(tmp_path, text, problem):
    file = tmp_path / "broken.py"
    file.write_text(text)
    before = set(sys.modules)
    assert refusal(file).startswith(f"{file}: {problem}")
    if "cannot be imported" in problem:
        assert not [name for name in set(sys.modules) - before if name.startswith("slimbench_plugin")]


def test_a_file_that_is_missing_or_not_python_is_named(tmp_path):
    missing, folder, text = tmp_path / "missing.py", tmp_path / "folder.py", tmp_path / "notes.txt"
    folder.mkdir()
    text.write_text("x = 1")
    assert refusal(missing) == f"{missing}: is not a file, expected a Python file with a plugin"
    assert refusal(folder) == f"{folder}: is not a file, expected a Python file with a plugin"
    assert refusal(text) == f"{text}: is not a Python file, expected the suffix .py"


# Entry points


@pytest.fixture
def distribution(tmp_path, monkeypatch):
    """Return a maker of an installed distribution that announces a solver module."""

    def install(module, text):
        site = tmp_path / "site"
        info = site / "announcing-1.0.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: announcing\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(f"[{SOLVERS}]\nannounced = {module}\n")
        (site / f"{module}.py").write_text(text)
        monkeypatch.syspath_prepend(str(site))
        monkeypatch.delitem(sys.modules, module, raising=False)
        assert [entry.value for entry in entry_points(group=SOLVERS)] == [module]

    return install


def test_an_installed_package_announces_its_solvers_by_entry_point(distribution, plugin, monkeypatch):
    distribution("announced_solver", plugin("announced", "return Placement.empty(instance)").read_text())
    assert find_solvers()["announced"].function.__module__ == "announced_solver"
    monkeypatch.delitem(sys.modules, "announced_solver")


def test_an_entry_point_that_fails_is_named(distribution):
    distribution("failing_solver", "raise RuntimeError('no licence')")
    assert refusal() == (
        "entry point announced = failing_solver: cannot be imported: RuntimeError: no licence"
    )


def test_an_entry_point_and_a_file_of_one_name_are_refused(distribution, plugin, monkeypatch):
    file = plugin("announced", "return Placement.empty(instance)")
    distribution("announced_again", file.read_text())
    assert refusal(file) == (
        f"solver 'announced' is defined twice: in {file} and in entry point announced = announced_again"
    )
    monkeypatch.delitem(sys.modules, "announced_again")
