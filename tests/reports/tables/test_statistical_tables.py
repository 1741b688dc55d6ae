"""The tables of statistics as text: every number rounded against the solver, failures in sight."""

import pytest

from slimbench.reports.statistics.comparisons import friedman_test
from slimbench.reports.tables.shown import friedman_sentence

ONE = (1.0, 1.0, True)


def texts(table):
    return [[cell.text for cell in row] for row in table.rows]


def column(table, title):
    return [row[table.titles.index(title)] for row in texts(table)]


@pytest.fixture
def results(make_results, failed):
    """Return results of two solvers on seven instances, one of which one of them crashes on."""
    runs = []
    for n in range(7):
        instance = f"i{n}"
        runs.append({"solver": "slim-dp", "instance": instance, "saving_s": 0.8, "runtime_s": 2.0})
        end = failed if n == 6 else {"saving_s": 0.75000001, "runtime_s": 0.5}
        runs.append({"solver": "slim-maxconv", "instance": instance, **end})
    return make_results(runs, {f"i{n}": ONE for n in range(7)})


@pytest.mark.parametrize(
    "data",
    [
        "worst_cases", "aggregates", "runtime_fits", "by_top_k", "solver_pair", "solver_pair_summary",
        "pareto_front", "pairwise", "average_ranks", "ratios", "runtimes", "references", "instances", "runs",
    ],
)  # fmt: skip
def test_every_row_has_a_cell_for_every_title_and_nothing_makes_an_empty_table(
    data, results, make_results, make_table
):
    table = make_table(results, data)
    assert table.rows
    assert {len(row) for row in table.rows} == {len(table.titles)}
    assert table.data
    assert not make_table(make_results([]), data).rows


def test_the_worst_case_shows_its_interval_and_the_command(results, make_table):
    table = make_table(results, "worst_cases")
    assert column(table, "solver") == ["slim-maxconv", "slim-dp"]
    assert column(table, "lowest ratio") == ["0.7500", "0.8000"]
    assert column(table, "failed runs") == ["1 of 7", "0 of 7"]
    assert column(table, "command that makes it again")[1].startswith(
        "slimbench solve instances/i0.npz --solver slim-dp --seed 1"
    )


def test_a_solver_without_a_placement_is_said_to_have_none(make_results, failed, make_table):
    results = make_results([{"solver": "a", "instance": "i", **failed}])
    (row,) = make_table(results, "worst_cases").rows
    assert (row[1].text, row[1].kind) == ("no placement", "number bad")


def test_aggregates_state_their_instances_and_which_mean_the_interval_is_of(results, make_table):
    table = make_table(results, "aggregates")
    rows = [row for row in texts(table) if row[1] == "slim-maxconv"]
    assert [row[:6] for row in rows] == [
        ["survivors", "slim-maxconv", "7", "6", "1", "6 of 7"],
        ["penalised", "slim-maxconv", "7", "6", "1", "7 of 7"],
        ["intersection", "slim-maxconv", "7", "6", "1", "6 of 7"],
    ]
    assert rows[0][8] == "0.7500"
    assert rows[1][6] == "0.0000"
    assert rows[1][8].endswith(" (mean)")


def test_time_and_loss_of_the_two_decompositions_are_shown(results, make_table):
    (row,) = texts(make_table(results, "solver_pair_summary"))
    assert row == ["slim-dp", "slim-maxconv", "6", "6", "4.00×", "4.00×", "4.00×", "6.250 %", "i0",  # noqa: RUF001
                   "6.250 %"]  # fmt: skip


def test_what_is_too_little_to_fit_or_to_test_has_no_number(results, make_results, make_table):
    assert column(make_table(results, "runtime_fits"), "exponent (95 % interval)") == ["–", "–"]  # noqa: RUF001
    few = make_results([{"solver": s, "instance": "i", "saving_s": 0.5} for s in "ab"], {"i": ONE})
    (row,) = texts(make_table(few, "pairwise"))
    assert row[-3:] == ["–", "–", "too few to test"]  # noqa: RUF001
    assert column(make_table(few, "average_ranks"), "not shown to differ") == ["not tested"] * 2


def test_pairs_name_the_better_one_and_ranks_share_letters(make_results, make_table):
    savings = {"a": 0.9, "b": 0.9, "c": 0.2}
    results = make_results(
        [
            {"solver": solver, "instance": f"i{n}", "saving_s": saving}
            for solver, saving in savings.items()
            for n in range(9)
        ],
        {f"i{n}": ONE for n in range(9)},
    )
    assert column(make_table(results, "pairwise"), "verdict") == [
        "no difference shown", "a is better", "b is better",
    ]  # fmt: skip
    assert texts(make_table(results, "average_ranks")) == [
        ["a", "1.50", "9", "a"], ["b", "1.50", "9", "a"], ["c", "3.00", "9", "none"],
    ]  # fmt: skip
    assert friedman_sentence(friedman_test(results)) == (
        "Over 9 instances on which all 3 have a placement, Friedman's test gives chi-square 18.00, "
        "p = 0.0002."
    )


def test_a_test_that_was_not_made_says_why(results):
    assert friedman_sentence(friedman_test(results)) == (
        "No test of all solvers together: Friedman's test is for 3 solvers or more."
    )
