"""Solvers in pairs: counts and ranks by hand, tests against an independent implementation."""

import itertools

import numpy as np
import pandas as pd
import pytest
from scipy.stats import wilcoxon

from slimbench.bench.results.significance import fewest_pairs
from slimbench.reports.statistics.comparisons import average_ranks, cliques, friedman_test, pairwise


@pytest.fixture
def compared(make_results, failed):
    """Return results of ``{solver: savings}``; an instance for each saving, None is a crash."""

    def make(savings, exact=(), reference=(1.0, 1.0, True)):
        runs = [
            {"solver": solver, "instance": f"i{n}", "exact": solver in exact}
            | (failed if value is None else {"saving_s": value})
            for solver, values in savings.items()
            for n, value in enumerate(values)
        ]
        return make_results(runs, {run["instance"]: reference for run in runs})

    return make


def random_savings(n_solvers, n_instances, seed=0):
    rng = np.random.default_rng(seed)
    steps = 0.04 * np.arange(n_solvers)[:, None]
    values = 0.5 + steps + rng.normal(0, 0.05, (n_solvers, n_instances))
    return {f"s{i}": row.tolist() for i, row in enumerate(values)}


def test_wins_ties_and_losses_are_counted_on_the_instances_that_both_answered(compared):
    results = compared({"a": [0.9, 0.5, 0.2, 0.7, None], "b": [0.8, 0.5 + 5e-7, 0.4, None, 0.1]})
    row = pairwise(results).iloc[0]
    assert row[["first", "second", "n_instances", "n_only_first", "n_only_second"]].tolist() == [
        "a", "b", 3, 1, 1,
    ]  # fmt: skip
    assert row[["wins", "ties", "losses"]].tolist() == [1, 1, 1]
    assert row["median_factor"] == 1


def test_the_order_on_an_instance_does_not_depend_on_what_is_proven(compared):
    savings = random_savings(3, 12)
    best = {f"i{n}": max(row[n] for row in savings.values()) for n in range(12)}
    proven = compared(savings)
    proven.references["saving_s"] = proven.references["bound_saving_s"] = list(best.values())
    open_ = compared(savings, reference=(0.01, 9.0, False))  # all ratios are intervals
    pd.testing.assert_frame_equal(pairwise(proven), pairwise(open_))
    assert friedman_test(proven) == friedman_test(open_)


def test_a_pair_does_not_depend_on_who_else_is_in_the_run(compared):
    savings = {"a": [0.9] * 7 + [0.1], "b": [0.8] * 7 + [0.2]}
    alone = pairwise(compared(savings)).iloc[0]
    with_third = pairwise(compared(savings | {"c": [0.5] * 4 + [None] * 4})).iloc[0]
    columns = ["n_instances", "wins", "ties", "losses", "median_factor"]
    assert alone[columns].tolist() == with_third[columns].tolist()


def test_p_values_are_those_of_wilcoxon_corrected_by_holm(compared):
    savings = random_savings(4, 15)
    table = pairwise(compared(savings))
    raw = [
        wilcoxon(np.subtract(savings[a], savings[b])).pvalue for a, b in itertools.combinations(savings, 2)
    ]
    assert table["p_value"].tolist() == pytest.approx(raw)
    order = np.argsort(raw)
    holm = np.maximum.accumulate(np.array(raw)[order] * (6 - np.arange(6)))
    assert table["p_holm"].to_numpy()[order] == pytest.approx(np.minimum(holm, 1))
    assert table["verdict"].eq("different").to_numpy()[order].tolist() == (holm <= 0.05).tolist()


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(4))
def test_pairs_and_cliques_agree_with_scikit_posthocs(compared, seed):
    import scikit_posthocs as posthocs

    savings = random_savings(5, 14, seed)
    frame = pd.DataFrame(savings)
    long = frame.melt(var_name="solver", value_name="ratio")
    theirs = posthocs.posthoc_wilcoxon(long, "ratio", "solver", p_adjust="holm")
    ours = pairwise(compared(savings))
    for row in ours.to_dict("records"):
        assert row["p_holm"] == pytest.approx(theirs.loc[row["first"], row["second"]])
        assert row["better"] in {"", frame[[row["first"], row["second"]]].mean().idxmax()}
    bars = cliques(compared(savings))
    for _, bar in bars.groupby("clique"):
        assert (theirs.loc[bar["solver"], bar["solver"]].to_numpy() > 0.05).all()


def test_ranks_are_shared_by_solvers_that_tie(compared):
    results = compared({"a": [0.9, 0.5, 0.3], "b": [0.9 - 1e-7, 0.7, 0.1], "c": [0.1, 0.6, None]})
    table = average_ranks(results).set_index("solver")
    assert table["average_rank"].to_dict() == {"b": (1.5 + 1) / 2, "a": (1.5 + 3) / 2, "c": (3 + 2) / 2}
    assert table["n_blocks"].tolist() == [2, 2, 2]
    assert list(table.index) == ["b", "a", "c"]


def test_friedmans_statistic_is_the_textbook_one_and_says_what_was_dropped(compared):
    a, b, c = [0.9] * 6 + [0.2, 0.9], [0.5] * 8, [0.1] * 6 + [0.9, None]
    test = friedman_test(compared({"a": a, "b": b, "c": c, "d": [None] * 8}))
    # ranks (1, 2, 3) six times and (3, 2, 1) once: sums 9, 14, 19
    statistic = 12 / (7 * 3 * 4) * (9**2 + 14**2 + 19**2) - 3 * 7 * 4
    assert test.statistic == pytest.approx(statistic)
    assert test.p_value == pytest.approx(np.exp(-statistic / 2))  # chi-square of two degrees of freedom
    assert (test.n_solvers, test.n_blocks, test.n_dropped, test.dropped) == (3, 7, 1, ("i7",))
    assert test.left_out == ("d",)
    assert test.remark == ""


def test_too_few_instances_are_said_to_be_too_few(compared):
    fewest = fewest_pairs(0.05 / 3)
    savings = {"a": [0.9] * fewest, "b": [0.5] * fewest, "c": [0.1] * fewest}
    enough = pairwise(compared(savings))
    assert enough["verdict"].tolist() == ["different"] * 3
    results = compared({solver: values[1:] for solver, values in savings.items()})
    table = pairwise(results)
    assert table["verdict"].tolist() == ["too few to test"] * 3
    assert table[["p_value", "p_holm"]].isna().all(axis=None)
    assert table["wins"].tolist() == [fewest - 1] * 3
    assert cliques(results).empty
    few = friedman_test(compared({solver: values[:5] for solver, values in savings.items()}))
    assert np.isnan(few.p_value)
    assert few.remark == "all solvers have a placement on 5 instances, and a test needs 6 or more"


def test_solvers_that_always_tie_are_not_different(compared):
    results = compared({solver: [0.5] * 9 for solver in "abc"})
    test = friedman_test(results)
    assert (test.statistic, test.p_value) == (0, 1)
    assert pairwise(results)["p_holm"].tolist() == [1, 1, 1]
    assert cliques(results)["solver"].tolist() == ["a", "b", "c"]


def test_a_chain_of_solvers_of_which_only_the_ends_differ_makes_two_cliques(compared):
    rng = np.random.default_rng(3)
    noise = rng.normal(0, 0.05, (3, 12))
    savings = {name: (0.6 - 0.045 * i + noise[i]).tolist() for i, name in enumerate("abc")}
    results = compared(savings)
    verdicts = pairwise(results).set_index(["first", "second"])["verdict"]
    assert verdicts.tolist() == ["no difference shown", "different", "no difference shown"]
    bars = cliques(results)
    assert bars.groupby("clique")["solver"].agg(set).tolist() == [{"a", "b"}, {"b", "c"}]


def test_exact_solvers_take_part_unless_there_are_no_others(compared):
    savings = {"exact": [1.0] * 8, "milp": [1.0] * 8}
    results = compared(savings, exact={"exact", "milp"})
    assert pairwise(results).empty
    assert average_ranks(results).empty
    assert friedman_test(results).remark == "all solvers are exact: they are compared by their times"
    ranks = average_ranks(compared(savings | {"greedy": [0.5] * 8}, exact={"exact", "milp"}))
    assert ranks[["solver", "exact", "average_rank"]].to_numpy().tolist() == [
        ["exact", True, 1.5], ["milp", True, 1.5], ["greedy", False, 3.0],
    ]  # fmt: skip


def test_a_run_without_placements_has_no_comparison(compared, make_results):
    for results in (compared({"a": [None], "b": [None]}), make_results([])):
        assert pairwise(results).empty
        assert average_ranks(results).empty
        assert cliques(results).empty
        assert friedman_test(results).n_blocks == 0
