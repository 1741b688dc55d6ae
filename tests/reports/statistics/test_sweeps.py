"""Sweeps: which instances are a sweep, means and confidence limits over seeds, figures and table."""

import json
import math

import pytest
from scipy.stats import ttest_1samp

from slimbench.reports.charts import charts
from slimbench.reports.statistics.sweeps import sweep_table
from slimbench.reports.tables.shown import against_greedy

SAVINGS = {("slim-greedy", 2): (0.5, 0.6, 0.7), ("slim-greedy", 4): (0.8, 0.8, 0.8),
           ("slim-dp", 2): (0.6, 0.8, 0.7), ("slim-dp", 4): (0.7, 0.6, 0.5)}  # fmt: skip


@pytest.fixture
def swept(make_results):
    """Return results of a suite with one entry, of 2 and 4 servers and three seeds, and changes to them."""

    def make(savings=SAVINGS, more=lambda servers, seed: {}, optimum=(1.0, 1.0, True), **columns):
        runs = [
            {"solver": solver, "instance": f"a-n{servers}-s{seed}", "saving_s": saving} | columns
            for (solver, servers), seeds in savings.items()
            for seed, saving in enumerate(seeds)
        ]
        results = make_results(runs, {run["instance"]: optimum for run in runs})
        points = [name.removeprefix("a-n").split("-s") for name in results.instances["instance"]]
        results.instances["entry"] = "a"
        results.instances["swept"] = [
            json.dumps({"network.servers": int(n), "seed": int(s)} | more(int(n), int(s))) for n, s in points
        ]
        return results

    return make


def test_means_and_limits_are_those_of_students_t_over_the_seeds(swept):
    table = sweep_table(swept()).set_index(["solver", "value"])
    row = table.loc[("slim-dp", 2)]
    latencies = [2.0 - saving for saving in SAVINGS["slim-dp", 2]]
    limits = ttest_1samp(latencies, 0.0).confidence_interval(0.95)
    assert row["latency_s"] == pytest.approx(1.3)
    assert (row["latency_s_low"], row["latency_s_high"]) == pytest.approx(tuple(limits))
    saved = [1 - own / greedy for own, greedy in zip(latencies, (1.5, 1.4, 1.3), strict=True)]
    assert row["saved"] == pytest.approx(sum(saved) / 3)
    assert (row["saved_low"], row["saved_high"]) == pytest.approx(
        tuple(ttest_1samp(saved, 0.0).confidence_interval(0.95))
    )
    assert (row["ratio_low"], row["ratio_high"]) == pytest.approx((0.7, 0.7))
    assert row["ratio_least"] < 0.7 < row["ratio_most"] <= 1.0
    assert table.loc[("slim-greedy", 4), "saved"] == 0
    assert set(table["parameter"]) == {"network.servers"}
    assert set(table["n_instances"]) == set(table["n_placed"]) == {3}


def test_an_open_optimum_makes_the_mean_ratio_an_interval(swept):
    row = sweep_table(swept(optimum=(0.8, 1.0, False))).set_index(["solver", "value"]).loc[("slim-dp", 4)]
    assert (row["ratio_low"], row["ratio_high"]) == pytest.approx((0.6, 0.75))
    assert row["ratio_least"] < 0.6 < 0.75 < row["ratio_most"]


def test_times_are_geometric_means(swept):
    table = sweep_table(swept(runtime_s=0.25))
    assert table["runtime_s"].tolist() == pytest.approx([0.25] * 4)
    assert table["runtime_s_low"].tolist() == pytest.approx([0.25] * 4)


def test_what_else_is_chosen_makes_a_sweep_of_its_own_but_for_the_seed(swept):
    def more(_servers, seed):
        return {"dispatch": "single" if seed else "serial", "routing.tokens": 4}

    table = sweep_table(swept(more=more))
    assert set(table["sweep"]) == {"a, serial, tokens 4", "a, single, tokens 4"}
    assert table.groupby("sweep")["n_instances"].first().tolist() == [1, 2]
    single_seed = table[table["sweep"] == "a, serial, tokens 4"]
    assert single_seed["latency_s"].notna().all()
    assert single_seed["latency_s_low"].isna().all()


def test_several_parameters_are_a_sweep_each(swept):
    table = sweep_table(swept(more=lambda _, seed: {"network.users": 5 + seed % 2}))
    assert set(zip(table["sweep"], table["parameter"], strict=True)) == {
        ("a, users 5", "network.servers"),
        ("a, users 6", "network.servers"),
        ("a, servers 2", "network.users"),
        ("a, servers 4", "network.users"),
    }


@pytest.mark.parametrize("column", ["suite", "entry_number"])
def test_entries_of_one_name_are_sweeps_of_their_own(swept, column):
    results = swept()
    seeds = results.instances["instance"].str[-1].astype(int)
    results.instances[column] = seeds.map(str) if column == "suite" else seeds
    table = sweep_table(results)
    assert set(table["sweep"]) == {"a", "a (2)", "a (3)"}
    assert set(table["n_instances"]) == {1}


def test_values_keep_the_order_of_the_suite(swept):
    table = sweep_table(swept(more=lambda n, _: {"network.servers": 1, "models": "b" if n == 2 else "a"}))
    assert table.groupby("position")["value"].first().tolist() == ["b", "a"]


def test_runs_without_a_placement_are_counted_and_in_no_mean(swept, failed):
    results = swept()
    lost = results.runs["instance"].eq("a-n2-s0") & results.runs["solver"].eq("slim-dp")
    for column, value in (failed | {"latency_s": math.nan}).items():
        results.runs.loc[lost, column] = value
    row = sweep_table(results).set_index(["solver", "value"]).loc[("slim-dp", 2)]
    assert (row["n_instances"], row["n_placed"], row["n_timed"]) == (3, 2, 2)
    assert row["latency_s"] == pytest.approx(2.0 - 0.75)


def test_one_value_is_no_sweep(swept):
    results = swept(more=lambda *_: {"network.servers": 2})
    assert sweep_table(results).empty
    assert not [chart.name for chart in charts(results) if chart.name.startswith("sweep_")]
    assert not against_greedy(sweep_table(results)).rows


def test_the_table_tells_who_is_surely_ahead_of_greedy(swept):
    savings = SAVINGS | {("slim-dp", 2): (0.9, 1.0, 1.1), ("slim-dp", 4): (0.4, 0.4, 0.5)}
    table = against_greedy(sweep_table(swept(savings)))
    assert table.titles == ("sweep", "parameter", "value", "seeds", "slim-dp")
    kinds = {row[2].text: row[4].kind for row in table.rows}
    assert kinds == {"2": "number good", "4": "number bad"}
    assert (
        against_greedy(sweep_table(swept({k: v for k, v in SAVINGS.items() if k[0] == "slim-dp"}))).rows == []
    )


def test_figures_have_a_panel_for_each_sweep(swept):
    results = swept(more=lambda _, seed: {"network.users": 5 + seed % 2})
    drawn = {chart.name: chart for chart in charts(results)}
    for name in ("sweep_latency", "sweep_ratio", "sweep_time"):
        assert len(drawn[name].specification["concat"]) == 4
        assert "4 sweeps, 2 solvers, 2 seeds" in drawn[name].title
