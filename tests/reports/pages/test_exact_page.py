"""Exact methods on the page: there if two of them ran, red if they disagree, with their curves."""

import math
import re
import xml.etree.ElementTree as ET

import pytest

from slimbench.reports import write_report
from slimbench.reports.charts import charts
from slimbench.reports.charts.chart import svg
from slimbench.reports.pages.sections import sections

NAN = math.nan
PROVEN = (1.0, 1.0, True)
EVIL = "<script>alert(1)</script>|a_b*`$x$"


def run(solver, instance="i", saving=1.0, **more):
    row = {
        "solver": solver,
        "instance": instance,
        "saving_s": saving,
        "bound_saving_s": saving,
        "exact": True,
    }
    figures = {"rows": 1200, "columns": 80, "nodes": 7.0, "root_bound_s": 1.02}
    steps = [(0.01, 0.5 * saving, NAN), (0.02, 0.5 * saving, 1.5), (0.3, saving, saving)]
    return row | {"termination": "optimal", "runtime_s": 0.3, "figures": figures, "steps": steps} | more


@pytest.fixture(scope="module")
def results_of(make_results):
    """Return results of runs, all optima known."""
    return lambda *runs: make_results(runs, dict.fromkeys([r["instance"] for r in runs], PROVEN))


@pytest.fixture
def written(results_of, tmp_path):
    """Return the page and the Markdown of runs."""

    def write(*runs):
        write_report(results_of(*runs), tmp_path)
        return (tmp_path / "report.html").read_text(), (tmp_path / "report.md").read_text()

    return write


@pytest.fixture(scope="module")
def agreeing(results_of, tmp_path_factory):
    """Return the report of two exact methods that agree."""
    folder = tmp_path_factory.mktemp("agreeing")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("slimbench.reports.pages.page.renderings", lambda _figure: {})
        write_report(results_of(run("milp"), run("milp[backend=scip]", runtime_s=1.6)), folder)
    return folder


def test_exact_methods_stand_side_by_side(agreeing):
    html, markdown = ((agreeing / name).read_text() for name in ("report.html", "report.md"))
    assert 'href="#exact"' in html
    assert "<h2>Exact methods</h2>" in html
    row = next(line for line in markdown.splitlines() if line.startswith(r"| milp\[backend=scip\] | single"))
    cells = [cell.strip() for cell in row.split("|")[2:-1]]
    assert cells == ["single", "1", "1", "0", "0", "0", "0", "1.60 s", "2.00×", "7", "2.000 %", "1,200", "80"]  # noqa: RUF001
    assert (agreeing / "tables" / "exact_methods.csv").read_text().count("\n") == 3


@pytest.mark.parametrize(
    "other", [run("slim-dp", exact=False), run("milp", "j"), run("late", status="planned")]
)
def test_one_exact_method_alone_has_no_section(results_of, other):
    assert "exact" not in [section.id for section in sections(results_of(run("milp"), other))]


def exact_section(html):
    return html.partition('<section id="exact">')[2].partition("</section>")[0]


def test_disagreement_is_red_and_names_the_instance(written):
    html, _ = written(run("milp"), run("milp[backend=scip]", saving=1.001), run("milp", "j"), run("x", "j"))
    section = exact_section(html)
    assert section.count('<td class="text bad">1: i</td>') == 2


def test_agreement_leaves_nothing_red(agreeing):
    section = exact_section((agreeing / "report.html").read_text())
    assert section
    assert "bad" not in section


def test_reductions_are_named_by_what_is_left_out(written):
    changed = {"rows": 2400, "columns": 80, "nodes": 7.0, "root_bound_s": 1.02}
    runs = [
        run("milp"),
        run("milp[reductions=all-but-merge+symmetry]", figures=changed),
        run("milp[reductions=merge+symmetry]"),
    ]
    html, markdown = written(*runs)
    assert "| all | milp | 0 of 1 | 1.00× | 1.00× | 2.000 % | 1.00× | 1.00× |" in markdown  # noqa: RUF001
    assert "| all but merge, symmetry | milp | 1 of 1 | 2.00× |" in markdown  # noqa: RUF001
    assert "| merge, symmetry | milp | 0 of 1 | 1.00× |" in markdown  # noqa: RUF001
    assert '<td class="number good" data-order="2.0">2.00×</td>' in html  # noqa: RUF001


def test_calls_with_all_reductions_have_no_second_table(agreeing):
    for name in ("report.html", "report.md"):
        text = (agreeing / name).read_text()
        assert "all but merge" not in text
        assert "reductions.csv" not in text


@pytest.mark.drawn
def test_curves_are_drawn_once_for_each_dispatch(written, tmp_path):
    runs = [
        run("milp"),
        run("slim-dp", exact=False, steps=[(0.1, 0.9, NAN)]),
        run("milp", "j", dispatch="serial"),
    ]
    html, markdown = written(*runs)
    assert 'id="anytime"' in html
    assert "figures/anytime.svg" in markdown
    assert "Gap over time: 1 solver" in html
    figure = ET.parse(tmp_path / "figures" / "anytime.svg")
    drawn = [element.text for element in figure.iter() if element.tag.endswith("text")]
    assert [text for text in drawn if text in {"single", "serial"}] == ["single", "serial"]


def test_runs_without_a_trajectory_have_no_curves(results_of):
    results = results_of(run("milp", steps=[]), run("slim-dp", exact=False, steps=[(0.1, 0.9, NAN)]))
    assert "anytime" not in [chart.name for chart in charts(results)]


def test_curves_reach_from_nothing_to_very_loose_bounds(results_of):
    steps = [(0.0, 0.0, 1e9), (1e-9, 1e-12, 50.0), (5.0, 1.0, 1.0 + 1e-12)]
    drawn = charts(results_of(run("milp", steps=steps), run("b", steps=[(1.0, NAN, 1e9)])))
    (curves,) = (chart for chart in drawn if chart.name == "anytime")
    assert "Gap over time: 2 solvers" in curves.title
    assert "NaN" not in svg(curves).decode()


@pytest.mark.drawn
def test_names_are_text_in_tables_and_figure(written, tmp_path):
    runs = [run(EVIL, EVIL), run("milp", EVIL, saving=1.1), run(f"{EVIL}[reductions=none]", EVIL)]
    html, markdown = written(*(r | {"dispatch": EVIL} for r in runs))
    assert "<script>alert" not in html + markdown
    for table in re.findall(r"(?:^\|.*\n)+", markdown, flags=re.MULTILINE):
        assert len({len(re.split(r"(?<!\\)\|", line)) for line in table.splitlines()}) == 1
    figure = ET.parse(tmp_path / "figures" / "anytime.svg")
    assert not [element for element in figure.iter() if element.tag.endswith("script")]


def test_equal_results_give_equal_bytes(make_results, tmp_path):
    runs = [run("milp"), run("milp[reductions=none]"), run("milp[backend=cbc]", "j", dispatch="serial")]
    files = []
    for name in ("first", "second"):
        write_report(make_results(runs, {"i": PROVEN, "j": PROVEN}), tmp_path / name)
        paths = sorted(path for path in (tmp_path / name).rglob("*") if path.is_file())
        files.append({path.name: path.read_bytes() for path in paths})
    assert files[0] == files[1]
    assert {"anytime.svg", "anytime.csv", "exact_methods.csv", "reductions.csv", "trajectories.csv"} <= set(
        files[0]
    )
