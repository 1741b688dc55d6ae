"""The report's files: complete, escaped, self-contained, and the same bytes every time."""

import csv
import re
import shutil
import xml.etree.ElementTree as ET
from collections import Counter
from html.parser import HTMLParser

import pytest

from slimbench.reports import write_report

PROVEN = (1.0, 1.0, True)
EVIL = "<script>alert(1)</script>|a_b*`$x$ &amp; \x07 \u4e2d"


@pytest.fixture(scope="module")
def results(make_results, failed):
    guarantee = {"guarantee_claim": "1/2", "guarantee_ratio": 0.5, "guarantee_source": "a theorem"}
    runs = [
        {"solver": "milp", "instance": "two-cells", "saving_s": 1.0, "exact": True, "runtime_s": 2.5},
        {"solver": "milp", "instance": "campus", "saving_s": 0.8, "bound_saving_s": 1.0, "exact": True},
        {"solver": "slim-dp", "instance": "two-cells", "saving_s": 0.99996, **guarantee},
        {"solver": "slim-dp", "instance": "campus", "saving_s": 0.72, **guarantee},
        {"solver": "slim-greedy", "instance": "two-cells", "saving_s": 0.0},
        {"solver": "slim-greedy", "instance": "campus", **failed, "message": "exit code -11"},
    ]
    return make_results(runs, {"two-cells": PROVEN, "campus": (0.8, 1.0, False)}, name="quick")


@pytest.fixture(scope="module")
def report(results, tmp_path_factory):
    """Return the folder of a report with its figures, for tests that only read."""
    folder = tmp_path_factory.mktemp("report")
    assert write_report(results, folder) == folder / "report.html"
    return folder


def texts(folder):
    return (folder / "report.html").read_text(), (folder / "report.md").read_text()


def ratio_row(markdown, solver):
    """The line of a solver in the first table of ratios."""
    table = markdown.partition("## How close to optimal")[2]
    return next(line for line in table.splitlines() if line.startswith(f"| {solver} |"))


def test_headline_names_the_best_heuristic_and_its_worst_case(report):
    for text in texts(report):
        best = "Best heuristic: slim-dp, at worst 0.7200–0.9000 of the optimal saving, on campus."  # noqa: RUF001
        assert best in text
        assert text.index(best) < text.index("No promise is broken.") < text.index("6 runs planned")
        assert "6 runs planned: 5 ok, 1 failed." in text
        assert "exit code -11" in text


def test_nearly_optimal_is_not_shown_as_optimal(report):
    row = ratio_row(texts(report)[1], "slim-dp")
    assert "0.9999 |" in row
    assert "1.0000" not in row


@pytest.mark.drawn
def test_equal_results_give_equal_bytes(report, results, tmp_path):
    write_report(results, tmp_path)
    first, second = (
        {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}
        for folder in (report, tmp_path)
    )
    assert first == second
    suffixes = Counter(name.rpartition(".")[2] for name in first if name.startswith("figures"))
    assert suffixes == {"svg": 5, "pdf": 5, "png": 5}


def test_report_is_written_over_an_older_one(report, make_results, tmp_path):
    folder = shutil.copytree(report, tmp_path / "report")
    write_report(make_results([]), folder)
    assert "slim-dp" not in texts(folder)[0]


class Page(HTMLParser):
    """Collects the tags, ids and addresses of a page."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.ids, self.addresses = set(), [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        for key, value in attrs:
            if key == "id":
                self.ids.append(value)
            elif key in {"href", "src", "xlink:href"}:
                self.addresses.append(value)


def test_page_asks_for_no_other_file(report):
    page = Page(texts(report)[0])
    assert not page.tags & {"link", "img", "iframe", "object"}
    assert all(re.match(r"#|tables/|figures/|instances/", address) for address in page.addresses)
    style = texts(report)[0].partition("</style>")[0]
    assert "@import" not in style
    assert not re.findall(r"url\((?!['\"]?data:)", style)


def test_page_has_each_id_once_and_no_dangling_address(report):
    page = Page(texts(report)[0])
    assert len(page.ids) == len(set(page.ids))
    for address in page.addresses:
        if address.startswith(("instances/", "#run-")):
            continue  # these results have no run folder, and rows of runs are made by the script
        assert address[1:] in page.ids if address.startswith("#") else (report / address).is_file()


@pytest.mark.drawn
def test_names_are_text_everywhere(make_results, tmp_path, failed):
    runs = [
        {"solver": EVIL, "instance": EVIL, "saving_s": 0.5, "guarantee_claim": EVIL, "guarantee_ratio": 0.9},
        {"solver": EVIL, "instance": "b", **failed, "message": EVIL + "\nsecond line"},
    ]
    write_report(make_results(runs, {EVIL: PROVEN}, name=EVIL, provenance={EVIL: EVIL}), tmp_path)
    html, markdown = texts(tmp_path)
    assert "<script>alert" not in html + markdown
    assert "&lt;script&gt;alert(1)&lt;/script&gt;|a_b*`$x$ &amp;amp;" in html
    assert r"&lt;script&gt;alert(1)&lt;/script&gt;\|a\_b\*\`\$x\$ &amp;amp;" in markdown
    for table in re.findall(r"(?:^\|.*\n)+", markdown, flags=re.MULTILINE):
        columns = {len(re.split(r"(?<!\\)\|", line)) for line in table.splitlines()}
        assert len(columns) == 1  # no name adds one
    for figure in (tmp_path / "figures").glob("*.svg"):
        assert not [e for e in ET.parse(figure).iter() if e.tag.endswith("script")]


def test_figures_are_well_formed_vector_graphics_without_a_date(report):
    paths = sorted((report / "figures").glob("*.svg"))
    assert [path.stem for path in paths] == [
        "ratio_against_time", "ratio_by_instance", "ratio_profile", "time_distribution",
        "time_profile",
    ]  # fmt: skip
    for path in paths:
        content = path.read_text()
        assert ET.fromstring(content).tag.endswith("svg")
        assert "<image" not in content
        assert "dc:date" not in content


def test_tables_hold_every_run(report):
    with (report / "tables" / "runs.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["status"] for row in rows] == ["ok"] * 5 + ["crashed"]
    assert float(rows[3]["ratio_low"]) == 0.72
    assert rows[5]["ratio_low"] == ""


def test_violations_stand_on_top(make_results, tmp_path):
    runs = [
        {"solver": "s", "instance": "i", "saving_s": 0.1, "guarantee_claim": "1/2", "guarantee_ratio": 0.5}
    ]
    write_report(make_results(runs, {"i": PROVEN}), tmp_path)
    for text in texts(tmp_path):
        assert 0 < text.index("Broken promises") < text.index("How close to optimal")


def test_kept_promises_leave_no_alarm(report):
    assert "Broken promises" not in "".join(texts(report))


def test_report_of_a_plan_says_that_nothing_has_run(make_results, failed, tmp_path):
    runs = [{"solver": "s", "instance": "i", **failed, "status": "planned", "message": ""}]
    write_report(make_results(runs), tmp_path)
    for text in texts(tmp_path):
        assert "No verified placement yet, so no ratio." in text
        assert "1 run planned: 0 ok, 0 failed, 1 not run yet: this report is not complete." in text


def test_report_where_every_run_failed(make_results, failed, tmp_path):
    write_report(make_results([{"solver": "s", "instance": "i", **failed}]), tmp_path)
    assert "1 run planned: 0 ok, 1 failed." in texts(tmp_path)[0]


def test_report_of_nothing(make_results, tmp_path):
    write_report(make_results([]), tmp_path)
    assert "0 runs planned" in texts(tmp_path)[0]


def test_report_of_optima_that_save_nothing_and_of_open_ones(make_results, tmp_path):
    runs = [
        {"solver": "s", "instance": "none", "saving_s": 0.0},
        {"solver": "s", "instance": "open", "saving_s": 0.4},
        {"solver": "t", "instance": "open", "saving_s": 0.8},
    ]
    write_report(make_results(runs, {"none": (0.0, 0.0, True)}), tmp_path)
    row = ratio_row(texts(tmp_path)[1], "s")
    assert "0.0000–0.5000 | open" in row  # noqa: RUF001
    assert "50 %" in row


def test_heat_map_of_many_instances_shows_the_worst(make_results, tmp_path):
    runs = [{"solver": "s", "instance": f"i-{n}", "saving_s": 0.5} for n in range(50)]
    write_report(make_results(runs, {f"i-{n}": PROVEN for n in range(50)}), tmp_path)
    assert "the 40 worst of 50 instances" in texts(tmp_path)[0]


def test_tightest_and_worst_instances_lead_to_their_files(make_results, tmp_path):
    runs = [
        {"solver": "s", "instance": "i", "saving_s": 0.6, "guarantee_claim": "1/2", "guarantee_ratio": 0.5}
    ]
    results = make_results(runs, {"i": PROVEN})
    results.instances["file"] = "javascript:alert(1)"
    write_report(results, tmp_path)
    assert texts(tmp_path)[0].count('<a href="javascript%3Aalert%281%29">i</a>') == 2


def test_facts_of_instances_that_are_not_known_leave_a_report(make_results, tmp_path):
    runs = [{"solver": "s", "instance": name, "saving_s": 0.6} for name in ("i", "j")]
    results = make_results(runs, {"i": PROVEN, "j": PROVEN})
    facts = ["servers", "users", "models", "layers", "experts", "top_k", "activations", "capacity_share"]
    results.instances[facts] = None
    results.runs["top_k"] = None
    write_report(results, tmp_path)
    assert "0.6000" in texts(tmp_path)[0]
