"""Figures: what is drawn of which run, names that a figure can show, bytes that do not change."""

import re
from itertools import pairwise

import numpy as np
import pytest

from slimbench.reports.charts import charts
from slimbench.reports.charts.cells import NOT_REACHED, cells, labels
from slimbench.reports.charts.chart import renderings, svg
from slimbench.reports.charts.style import solver_look

PROVEN = (1.0, 1.0, True)
CHARACTER_WIDTH = 5  # of the labels' 10 pixels, in the mean


def run(solver, instance, saving, **more):
    return {"solver": solver, "instance": instance, "saving_s": saving, **more}


def test_cells_are_medians_over_repeats_with_gaps_to_both_ends(make_results):
    runs = [run("s", "open", saving, repeat=r) for r, saving in enumerate((0.4, 0.6, 0.5))]
    (cell,) = cells(make_results(runs, {"open": (0.8, 1.0, False)})).to_dict("records")
    assert (cell["gap_low"], cell["gap_high"]) == pytest.approx((1 - 0.5, 1 - 0.5 / 0.8))
    assert cell["latency_share"] == pytest.approx((2.0 - 0.5) / 2.0)


def test_a_solver_without_a_placement_is_beyond_every_gap(make_results, failed):
    (cell,) = cells(make_results([run("s", "i", 0.0) | failed], {"i": PROVEN})).to_dict("records")
    assert cell["gap_low"] == cell["gap_high"] == NOT_REACHED
    assert cell["finished_s"] != cell["finished_s"]


def test_names_that_look_alike_are_told_apart():
    long = "x" * 100
    shown = labels(["a\x00", "a\x01", long + "1", long + "2", "a\ufffd (2)"])
    assert len(set(shown.values())) == 5
    assert shown["a\x00"] == "a\ufffd"


def test_of_36_solvers_no_two_lines_are_alike_and_of_72_no_two_marks():
    def looks(count, kind):
        look = solver_look([str(i) for i in range(count)], lines=kind == "strokeDash")
        scales = [look[name].to_dict()["scale"]["range"] for name in ("color", kind)]
        return set(zip(scales[0], map(str, scales[1]), strict=True))

    assert len(looks(36, "strokeDash")) == 36
    assert len(looks(72, "shape")) == 72


@pytest.mark.parametrize("count", [1, 3])
def test_sweeps_are_drawn_over_what_varies(make_results, count):
    names = [f"i{k}" for k in range(count)]
    results = make_results([run("s", name, 0.5) for name in names], dict.fromkeys(names, PROVEN))
    results.instances["servers"] = range(2, 2 + count)
    drawn = {chart.name for chart in charts(results)}
    assert ("ratio_by_size" in drawn) == ("latency_by_size" in drawn) == (count > 1)
    assert "time_by_size" not in drawn  # all have the same activations


def test_equal_figures_give_equal_bytes_whatever_was_drawn_before(make_results):
    results = make_results([run("s", "a", 0.5), run("t", "a", 0.9), run("s", "b", 0.2)], {"a": PROVEN})
    first = [renderings(chart) for chart in charts(results)]
    assert [renderings(chart) for chart in charts(results)[::-1]][::-1] == first
    assert all(
        pdf.startswith(b"%PDF") and png.startswith(b"\x89PNG") for _, pdf, png in map(dict.values, first)
    )


def test_every_figure_says_how_to_read_it_and_how_many_there_are(make_results):
    for chart in charts(make_results([run("s", "a", 0.5)], {"a": PROVEN})):
        assert "1 instance" in chart.title
        assert len(chart.how_to_read) > 80


def test_profiles_name_the_one_set_that_all_shares_are_of(make_results):
    runs = [run("all", name, 0.5) for name in "ijk"] + [run("spared", "i", 0.9)]
    drawn = {chart.name: chart for chart in charts(make_results(runs, dict.fromkeys("ijk", PROVEN)))}
    for name in ("ratio_profile", "time_profile", "time_distribution"):
        assert "share is of the same 3 instances, all those of the run" in drawn[name].how_to_read
        assert drawn[name].how_to_read.endswith("Not planned on all: spared on 1 of 3.")
    rows = drawn["ratio_profile"].sources["cells"].set_index(["solver", "instance"])
    assert rows.loc["spared", "gap_low"].tolist() == pytest.approx([0.1, NOT_REACHED, NOT_REACHED])
    assert rows.loc["spared", "planned"].tolist() == [True, False, False]
    assert len(drawn["ratio_by_instance"].data) == 4


def test_labels_of_logarithmic_axes_keep_apart(make_results):
    seconds = np.geomspace(0.003, 45, 30)
    runs = [
        run(solver, f"i{k}", 0.5, runtime_s=time_s)
        for k, slow_s in enumerate(seconds.tolist())
        for solver, time_s in (("slow", slow_s), ("fast", 0.003))
    ]
    drawn = {chart.name: chart for chart in charts(make_results(runs, {r["instance"]: PROVEN for r in runs}))}
    for name in ("time_distribution", "time_profile"):
        places = axis_labels(svg(drawn[name]).decode())
        assert len(places) > 4
        for (x, text), (next_x, next_text) in pairwise(sorted(places)):
            widths = [CHARACTER_WIDTH * len(label) for label in (text, next_text)]
            assert next_x - x >= sum(widths) / 2 + 4, (name, text, next_text)


def axis_labels(drawn):
    """(x, text) of the labels of times and factors that are shown."""
    label = r"[\d,.]+(?: [mµ]?s|\N{MULTIPLICATION SIGN})"
    found = re.findall(rf'translate\(([-\d.]+),[^>]*opacity="1">({label})</text>', drawn)
    return [(float(x), text) for x, text in found]


def test_ranks_are_drawn_with_whom_nothing_tells_apart(make_results):
    names = [f"i{k}" for k in range(12)]
    runs = [
        run(solver, name, saving)
        for k, name in enumerate(names)
        for solver, saving in (
            ("a", 0.8 + 0.01 * (k % 2)),
            ("b", 0.81 - 0.01 * (k % 2)),
            ("c", 0.1 + 0.01 * k),
        )
    ]
    drawn = {c.name: c for c in charts(make_results(runs, dict.fromkeys(names, PROVEN)))}
    chart = drawn["critical_differences"]
    assert chart.sources["ranks"].set_index("solver")["average_rank"].to_dict() == {
        "a": 1.5,
        "b": 1.5,
        "c": 3.0,
    }
    assert sorted(chart.sources["cliques"]["solver"]) == ["a", "b"]
    few = charts(make_results(runs[:6], dict.fromkeys(names[:2], PROVEN)))
    assert "critical_differences" not in {chart.name for chart in few}


def test_no_line_is_left_out_for_want_of_a_test(make_results):
    names = [f"i{k}" for k in range(6)]  # enough for Friedman's test of three solvers, too few for its pairs
    runs = [
        run(solver, name, saving)
        for name in names
        for solver, saving in zip("abc", (0.9, 0.5, 0.1), strict=True)
    ]
    drawn = {chart.name for chart in charts(make_results(runs, dict.fromkeys(names, PROVEN)))}
    assert "ratio_profile" in drawn
    assert "critical_differences" not in drawn


def test_a_ratio_of_zero_makes_a_geometric_mean_of_zero_and_no_placement_none(make_results, failed):
    runs = [run("s", "i", 0.0), run("s", "j", 0.5), run("s", "k", 0.5) | failed]
    logs = cells(make_results(runs, dict.fromkeys("ijk", PROVEN)))["log_ratio_low"]
    assert np.exp(logs[:2].mean()) == 0
    assert np.isnan(logs[2])
