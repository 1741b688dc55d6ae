"""What options select and change of a suite."""

import pytest
from suite_text import ENTRY, HEAD

from slimbench.bench.plugins.plugin import PluginError
from slimbench.bench.plugins.registry import find_solvers
from slimbench.bench.suites.plan import make_plan
from slimbench.bench.suites.selection import Selection, solver_filter
from slimbench.bench.suites.suite import SuiteError

SOLVERS = find_solvers()
ENTRIES = [ENTRY.replace('"a"', f'"{name}"') for name in ("cell-1", "cell-2", "town-1")]


@pytest.fixture
def cells(suite_of):
    """Return the measured (instance, solver) of a selection."""

    def select(**chosen):
        plan = make_plan(suite_of(*ENTRIES), SOLVERS, None, Selection(**chosen))
        names = {named.instance.sha256: named.instance.name for named in plan.instances}
        measured = [row for row in plan.runs if row["role"] == "measure"]
        return [(names[row["instance_hash"]], row["solver"]) for row in measured]

    return select


def test_without_options_everything_is_meant(cells):
    assert len(cells()) == 3 * 2


def test_solvers_stand_instead_of_the_suites(cells):
    assert {solver for _, solver in cells(solvers=["lns[patience=3]", "slim-dp"])} == {
        "lns[patience=3]",
        "slim-dp",
    }


def test_datasets_are_patterns_of_names(cells):
    assert {instance for instance, _ in cells(datasets=["cell-*"])} == {"cell-1", "cell-2"}
    assert {instance for instance, _ in cells(datasets=["cell-1", "town-?"])} == {"cell-1", "town-1"}


@pytest.mark.parametrize(
    ("keyword", "count"),
    [
        ("random", 3),
        ("cell and popularity", 2),
        ("cell-1 or town", 4),
        ("not (cell or random)", 1),
        ("single", 6),
        ("RANDOM and not town-1", 2),
        ("", 6),
    ],
)
def test_a_keyword_is_an_expression_over_solver_instance_and_dispatch(keyword, count, cells):
    assert len(cells(keyword=keyword)) == count


def test_instances_without_a_measured_run_are_not_solved_for_a_reference(suite_of):
    plan = make_plan(suite_of(*ENTRIES), SOLVERS, None, Selection(keyword="town"))
    assert [named.instance.name for named in plan.instances] == ["town-1"]
    assert {row["instance_hash"] for row in plan.runs} == {plan.instances[0].instance.sha256}


@pytest.mark.parametrize("keyword", ["and", "a b", "(a", "not"])
def test_an_expression_that_is_none_is_one_line(keyword, suite_of):
    with pytest.raises(SuiteError, match="expected words, and, or, not, brackets") as error:
        make_plan(suite_of(*ENTRIES), SOLVERS, None, Selection(keyword=keyword))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("chosen", [{"datasets": ["none"]}, {"keyword": "none"}])
def test_nothing_selected_is_told(chosen, cells):
    with pytest.raises(SuiteError, match="nothing is selected"):
        cells(**chosen)


def test_numbers_stand_instead_of_the_suites(suite_of):
    file = suite_of(ENTRY, head=HEAD + "repeats = 4\nseed = 1\n[limits]\ntime_s = 9\nmemory_mb = 77\n")
    plan = make_plan(file, SOLVERS, None, Selection(repeats=2, time_s=3.5, seed=8))
    measured = [row for row in plan.runs if row["role"] == "measure"]
    assert {row["repeat"] for row in measured} == {0, 1}
    assert {(row["time_limit_s"], row["memory_limit_mb"]) for row in measured} == {(3.5, 77.0)}
    unchanged = make_plan(file, SOLVERS, None, Selection(repeats=2))
    assert {row["seed"] for row in plan.runs}.isdisjoint(row["seed"] for row in unchanged.runs)


def test_a_solver_is_meant_by_its_name_or_by_one_of_its_calls():
    rows = [{"solver": "lns", "solver_name": "lns"}, {"solver": "lns[patience=3]", "solver_name": "lns"},
            {"solver": "random", "solver_name": "random"}]  # fmt: skip
    assert list(map(solver_filter(["lns"], SOLVERS), rows)) == [True, True, False]
    assert list(map(solver_filter(["lns[patience=3]"], SOLVERS), rows)) == [False, True, False]
    assert list(map(solver_filter([], SOLVERS), rows)) == [False, False, False]
    with pytest.raises(PluginError, match="unknown"):
        solver_filter(["nobody"], SOLVERS)
