"""The page in a real browser: no error, no request, filters that select what pandas selects."""

from functools import partial

import numpy as np
import pytest

from slimbench.reports import pareto_front, ratio_profile, runtime_fits, write_report

pytestmark = pytest.mark.slow
SOLVERS = {"slim-dp": 0.9, "slim-greedy": 0.4, "</script><script>throw 1</script>": 0.7}
SIZES = [10, 20, 40, 80, 160, 320]
INSTANCES = [f"i-{size}" for size in SIZES]


@pytest.fixture
def results(make_results, failed):
    rng = np.random.default_rng(1)
    runs = [
        {"solver": solver, "instance": name, "saving_s": quality + 0.1 * rng.random(),
         "dispatch": "single" if i % 2 else "serial", "runtime_s": 0.01 * (i + 1),
         "steps": [(0.001, 0.2, 2.0), (0.01, quality, 1.5)]}
        for solver, quality in SOLVERS.items() for i, name in enumerate(INSTANCES)
    ]  # fmt: skip
    runs[0] |= failed
    results = make_results(runs, dict.fromkeys(INSTANCES, (1.0, 1.0, True)), name="in the browser")
    results.instances["dispatch"] = ["single" if i % 2 else "serial" for i in range(len(INSTANCES))]
    results.instances["activations"] = SIZES
    return results


@pytest.fixture
def opened(visit, results, tmp_path):
    """Return a function that opens the report of ``results``."""
    return lambda *how: visit(write_report(results, tmp_path), *how)


def drawn(page, figure, kind):
    """The rows behind the marks of one kind in a figure."""
    return page.evaluate(
        """([figure, kind]) => {
            const inside = (mark) => mark.marktype === "group"
                ? mark.items.flatMap((group) => (group.items ?? []).flatMap(inside))
                : mark.marktype === kind ? mark.items.map((item) => item.datum) : [];
            return inside(views.get(figure).view.scenegraph().root).filter((row) => row?.solver);
        }""",
        [figure, kind],
    )


def untick(page, label):
    page.get_by_label(label, exact=True).uncheck()
    page.wait_for_timeout(300)


@pytest.mark.parametrize(("scheme", "width"), [("light", 1280), ("dark", 1280), ("light", 390)])
def test_page_draws_every_figure_without_a_complaint(opened, scheme, width):
    page = opened(scheme, width)
    assert page.locator("[data-figure] svg.marks").count() == page.locator("[data-figure]").count() >= 6
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_names_are_text(opened):
    page = opened()
    assert page.get_by_label("</script><script>throw 1</script>", exact=True).count() == 1
    assert page.locator("#runs-table td", has_text="</script><script>throw 1</script>").count() > 0


def test_filters_change_figures_and_the_table_of_runs(opened, results):
    page = opened()
    everything = drawn(page, "ratio_by_instance", "rect")
    untick(page, "slim-greedy")
    untick(page, "serial")
    shown = drawn(page, "ratio_by_instance", "rect")
    assert {row["solver"] for row in everything} == set(SOLVERS)
    assert {row["solver"] for row in shown} == set(SOLVERS) - {"slim-greedy"}
    assert {row["dispatch"] for row in shown} == {"single"}
    assert page.locator("#runs-table tbody tr").count() == 2 * 3
    page.get_by_role("button", name="all").first.click()
    page.wait_for_timeout(300)
    assert page.locator("#runs-table tbody tr").count() == 3 * 3


def test_curves_of_the_page_are_those_of_the_data_beside_it(opened, results):
    page = opened()
    curves = drawn(page, "ratio_profile", "line")
    table = ratio_profile(results)
    low = [row for row in curves if row["end"] == "gap_low"]
    assert len(low) == len(INSTANCES) * len(SOLVERS) - 1
    for row in low:
        own = table[(table["solver"] == row["solver"]) & (table["tau"] >= 1 - row["gap"] - 1e-9)]
        assert row["share"] == pytest.approx(own["share_low"].max())


def test_the_front_of_the_page_is_that_of_the_table(opened, results):
    page = opened()
    marks = drawn(page, "ratio_against_time", "symbol")
    wholes = {row["solver"]: row for row in marks if "n" in row}
    table = pareto_front(results).set_index("solver")
    assert set(wholes) == set(table.index) == set(SOLVERS)
    for solver, row in wholes.items():
        assert row["n"] == table.loc[solver, "n_instances"] == len(INSTANCES) - 1
        assert 1 - row["gap_low"] == pytest.approx(table.loc[solver, "ratio_low"])
        assert row["runtime_s"] == pytest.approx(table.loc[solver, "seconds"])
    front = {row["solver"] for row in drawn(page, "ratio_against_time", "line") if "least" in row}
    assert front == set(table.index[table["on_front"]])
    untick(page, "slim-dp")
    assert {row["n"] for row in drawn(page, "ratio_against_time", "symbol") if "n" in row} == {len(INSTANCES)}


def test_fits_of_the_page_are_those_of_the_table_and_of_no_part_of_the_instances(opened, results):
    page = opened()
    lines = drawn(page, "time_by_size", "line")
    table = runtime_fits(results).set_index("solver")
    ends = {(row["solver"], row["activations"]): row["runtime_s"] for row in lines}
    for solver, fit in table.iterrows():
        assert ends[solver, fit["activations_min"]] == pytest.approx(fit["seconds_at_min"])
        assert ends[solver, fit["activations_max"]] == pytest.approx(fit["seconds_at_max"])
    untick(page, "slim-greedy")
    assert {row["solver"] for row in drawn(page, "time_by_size", "line")} == set(SOLVERS) - {"slim-greedy"}
    untick(page, "serial")
    assert not drawn(page, "time_by_size", "line")


def test_tables_sort_by_their_numbers_with_the_keyboard(opened):
    page = opened()
    header = (
        page.get_by_label("Times by solver")
        .locator("thead th", has_text="max")
        .locator("[role=button], .dt-column-order")
        .first
    )
    times = partial(
        page.eval_on_selector_all,
        "[aria-label='Times by solver'] tbody tr",
        "rows => rows.map(r => r.cells[6].dataset.order)",
    )
    header.focus()
    page.keyboard.press("Enter")
    rising = [float(value) for value in times()]
    assert rising == sorted(rising)


def test_link_to_a_run_finds_its_row(opened):
    page = opened()
    page.evaluate("location.hash = '#run-7'")
    page.wait_for_selector("#run-7")
    assert page.locator("#runs-table tbody tr").count() == 1


def test_figures_follow_the_theme(opened):
    page = opened()
    before = page.locator("[data-figure=ratio_profile] .role-axis-label text").first.get_attribute("fill")
    page.emulate_media(color_scheme="dark")
    page.wait_for_timeout(1500)
    assert (
        page.locator("[data-figure=ratio_profile] .role-axis-label text").first.get_attribute("fill")
        != before
    )
