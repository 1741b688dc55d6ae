"""Generalisation ratios, gaps and what must be observed, by hand and against pandas; none of it elsewhere."""

import dataclasses
import math

import numpy as np
import pytest

from slimbench.reports import (
    observations_needed,
    robustness,
    robustness_summary,
    write_report,
)
from slimbench.reports.charts import charts
from slimbench.reports.pages.sections import sections
from slimbench.reports.statistics.frames import statistics_of

PROVEN, OPEN = (1.0, 1.0, True), (1.0, 1.25, False)
PLANNED_ELSEWHERE = {"transfers", "robustness", "robustness_summary", "observations_needed"}


def moved(solver, instance, amount, seed, saving, kind="tokens", **more):
    planning = {"planning_kind": kind, "planning_amount": float(amount), "planning_seed": seed}
    return {"solver": solver, "instance": instance, "saving_s": saving, **planning, **more}


RUNS = [
    {"solver": "dp", "instance": "x", "saving_s": 0.9},
    {"solver": "dp", "instance": "y", "saving_s": 0.8},
    {"solver": "idle", "instance": "x", "saving_s": 0.0},
    # Planned on itself it saves 0.9; within 1 % is 0.891.
    *(moved("dp", "x", 4, seed, saving) for seed, saving in ((1, 0.3), (2, 0.6), (3, 0.5))),
    *(moved("dp", "x", 16, seed, saving) for seed, saving in ((1, 0.9), (2, 0.895), (3, 0.1))),
    *(moved("dp", "x", 64, seed, saving) for seed, saving in ((1, 0.85), (2, 0.88), (3, 0.9))),
    *(moved("dp", "x", 256, seed, saving) for seed, saving in ((1, 0.91), (2, 0.895), (3, 0.9))),
    *(moved("dp", "y", amount, 1, saving) for amount, saving in ((4, 0.4), (16, 0.7))),
    moved("idle", "x", 4, 1, 0.2),
    moved("dp", "x", 0.3, 1, 0.7, kind="rate_noise"),
]
REFERENCES = {"x": PROVEN, "y": OPEN}


@pytest.fixture
def results(make_results):
    return make_results(RUNS, REFERENCES)


def cell(table, **values):
    for name, value in values.items():
        table = table[table[name] == value]
    (row,) = table.to_dict("records")
    return row


def test_ratios_and_gaps_are_medians_over_the_seeds(results):
    row = cell(robustness(results), solver="dp", instance="x", planning_amount=4.0)
    assert (row["ratio_low"], row["ratio_high"]) == (0.5, 0.5)
    assert (row["least_low"], row["least_high"], row["most_high"]) == (0.3, 0.3, 0.6)
    assert (row["itself_low"], row["itself_high"]) == (0.9, 0.9)
    assert row["gap_low"] == row["gap_high"] == pytest.approx(0.4)
    assert row["kept"] == pytest.approx(0.5 / 0.9)
    assert (row["n_planned"], row["n_ok"], row["n_failed"], row["n_placed"]) == (3, 3, 0, 3)


def test_where_the_optimum_is_open_ratio_and_gap_are_intervals_and_what_is_kept_is_not(results):
    row = cell(robustness(results), solver="dp", instance="y", planning_amount=4.0)
    assert (row["ratio_low"], row["ratio_high"]) == pytest.approx((0.32, 0.4))
    assert (row["itself_low"], row["itself_high"]) == pytest.approx((0.64, 0.8))
    assert (row["gap_low"], row["gap_high"]) == pytest.approx((0.32, 0.4))  # 0.4 s / 1.25 s and / 1 s
    assert row["kept"] == pytest.approx(0.5)


def test_the_medians_are_those_of_pandas(results):
    table = robustness(results)
    own = results.transfers
    keys = ["solver", "instance", "planning_kind", "planning_amount"]
    by_hand = own.groupby(keys)["saving_s"].median()  # x is proven, its optimal saving is 1
    found = table.set_index(keys)["ratio_high"]
    assert found.sort_index().to_dict() == by_hand.sort_index().to_dict()


def test_needed_is_the_amount_from_which_on_it_stays_within_one_percent(results):
    table = observations_needed(results)
    row = cell(table, solver="dp", instance="x")
    # The medians are 0.5, 0.895, 0.88, 0.9: at 16 it is within 1 %, at 64 it is not.
    assert (row["needed"], row["fewest"], row["most"]) == (256.0, 4.0, 256.0)
    assert (row["fewest_gap_low"], row["most_gap_low"]) == pytest.approx((0.4, 0.0))
    assert cell(table, solver="dp", instance="y")["needed"] == math.inf
    assert math.isnan(cell(table, solver="idle", instance="x")["needed"])  # there is no saving to keep
    assert set(table["planning_kind"]) == {"tokens"}  # of noise, less is better


def test_a_run_without_a_placement_keeps_nothing_and_is_counted(make_results, failed):
    runs = [
        {"solver": "dp", "instance": "x", "saving_s": 1.0},
        moved("dp", "x", 4, 1, 1.0),
        moved("dp", "x", 4, 2, float("nan"), **{k: v for k, v in failed.items() if k != "saving_s"}),
        moved("dp", "x", 4, 3, float("nan"), **{k: v for k, v in failed.items() if k != "saving_s"}),
        moved("dp", "x", 4, 4, float("nan"), status="planned"),
    ]
    results = make_results(runs, {"x": PROVEN})
    row = cell(robustness(results), solver="dp")
    assert [row[f"n_{of}"] for of in ("planned", "ok", "failed", "not_run", "placed")] == [4, 1, 2, 1, 1]
    assert (row["ratio_low"], row["kept"]) == (1.0, 0.0)
    assert observations_needed(results)["needed"].tolist() == [math.inf]


def test_the_summary_is_over_instances_and_names_the_worst(results):
    row = cell(robustness_summary(results), solver="dp", planning_kind="tokens", planning_amount=4.0)
    assert (row["n_instances"], row["n_ok"], row["worst_instance"]) == (2, 4, "x")
    assert (row["worst_low"], row["worst_high"]) == (0.3, 0.3)
    assert row["ratio_low"] == pytest.approx((0.5 + 0.32) / 2)


# The report


def test_nothing_of_it_is_in_any_other_table_or_figure(results):
    without = dataclasses.replace(results, transfers=results.transfers[:0])
    ours, theirs = statistics_of(results), statistics_of(without)
    assert ours.keys() == theirs.keys() > PLANNED_ELSEWHERE
    for name in ours.keys() - PLANNED_ELSEWHERE:
        assert ours[name].equals(theirs[name]), name
    assert all(len(ours[name]) and not len(theirs[name]) for name in PLANNED_ELSEWHERE)
    drawn = {chart.name: chart for chart in charts(results)}
    new = [name for name in drawn if name.startswith("robustness")]
    assert new == ["robustness_tokens", "robustness_rate_noise"]
    others = charts(without)
    assert [name for name in drawn if name not in new] == [chart.name for chart in others]
    assert all(drawn[chart.name].specification == chart.specification for chart in others)


def test_a_figure_draws_the_medians_in_order_and_ends_at_the_instance_itself(results):
    figure = next(chart for chart in charts(results) if chart.name == "robustness_tokens")
    rows = figure.sources["robustness_tokens"]
    own = rows[(rows["solver"] == "dp") & (rows["instance"] == "x")]
    assert own["amount"].tolist() == ["4", "16", "64", "256", "all"]
    np.testing.assert_allclose(own["gap_ratio_low"], [0.5, 0.105, 0.12, 0.1, 0.1])
    np.testing.assert_allclose(own["gap_least_low"], [0.7, 0.9, 0.15, 0.105, 0.1])
    assert "2 instances, 3 seeds, 15 runs (0 failed)" in figure.title
    noise = next(chart for chart in charts(results) if chart.name == "robustness_rate_noise")
    assert noise.sources["robustness_rate_noise"]["amount"].tolist() == ["0", "0.3"]


def test_the_section_says_what_is_needed_and_counts_failures(results, failed, make_results, tmp_path):
    crashed = moved("dp", "y", 16, 2, float("nan"), **{k: v for k, v in failed.items() if k != "saving_s"})
    write_report(make_results([*RUNS, crashed], REFERENCES), tmp_path)
    text = (tmp_path / "report.md").read_text()
    section = text.partition("## Robustness")[2].partition("\n## ")[0]
    assert "| x | dp | tokens observed | 0.9000 | 256 | 0.4000 | 0.0000 | 256 | 0 |" in section
    assert "| y | dp | tokens observed | 0.6400–0.8000 | &gt; 16 | 0.3200 to 0.4000 |" in section  # noqa: RUF001
    assert "17 runs more, given another instance: 16 ok, 1 failed." in text
    assert "y, planned on tokens=16,seed=2" in text.partition("## Failed runs")[2]
    assert (tmp_path / "tables" / "observations_needed.tex").exists()


def test_a_run_without_any_has_no_such_section(make_results):
    results = make_results(RUNS[:3], REFERENCES)
    assert "robustness" not in [section.id for section in sections(results)]
    assert robustness(results).empty
