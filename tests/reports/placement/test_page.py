"""The page on placements: escaped, self-contained, the same bytes every time, and drawn by a real browser."""

from html.parser import HTMLParser

import numpy as np
import pytest
from samples import random_instance, two_cells, with_fields

from slimbench.instances import Placement
from slimbench.reports.placement import page as placement_page
from slimbench.reports.placement import view as placement_view
from slimbench.reports.placement.inspection import inspect_placements
from slimbench.reports.placement.page import write_placement_page
from slimbench.reports.placement.view import tables_of

EVIL = ("</script><script>throw 1</script>", "<img src=x onerror=alert(1)>", "{{ 7 * 7 }}", "=1+1")


def inspected(count: int = 2, **changes: object):
    """The example with positions and hostile names, and ``count`` placements of hostile names."""
    instance = with_fields(
        two_cells(),
        server_names=EVIL[:2],
        user_names=EVIL[2:],
        name=EVIL[0],
        server_positions_m=[[0, 0], [90, 30]],
        user_positions_m=[[10, 5], [80, 40]],
    )
    instance = with_fields(instance, **changes)
    holds = [[[1, 1, 0], [0, 0, 1]], [[0, 1, 1], [1, 0, 0]], [[0, 0, 0], [1, 1, 1]]]
    placements = [Placement(np.array(rows, bool)) for rows in holds]
    return inspect_placements(instance, dict(zip(EVIL[: count or 0], placements, strict=False)))


class Page(HTMLParser):
    """Collects the tags and the addresses of a page, and its text outside scripts."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.addresses, self.text, self.stack = [], [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.stack.append(tag)
        self.addresses += [value for key, value in attrs if key in {"src", "href", "action"}]

    def handle_endtag(self, tag):
        while self.stack and self.stack.pop() != tag:
            pass

    def handle_data(self, data):
        if not {"script", "style"} & set(self.stack):
            self.text.append(data)


def test_names_are_text_and_the_page_needs_nothing_else(tmp_path):
    write_placement_page(inspected(), tmp_path / "a.html")
    page = Page((tmp_path / "a.html").read_text())
    assert page.tags.count("script") == 5
    assert "img" not in page.tags
    assert all(address.startswith("data:text/csv;base64,") for address in page.addresses)
    text = "".join(page.text)
    for name in EVIL:
        assert name in text


@pytest.mark.parametrize("count", [0, 1, 3])
def test_equal_placements_give_equal_bytes(count, tmp_path):
    for name in ("a.html", "b.html"):
        write_placement_page(inspected(count), tmp_path / name)
    assert (tmp_path / "a.html").read_bytes() == (tmp_path / "b.html").read_bytes()


def test_places_that_are_not_known_are_said_to_be_unknown(tmp_path):
    known, unknown = tmp_path / "known.html", tmp_path / "unknown.html"
    write_placement_page(inspected(), known)
    write_placement_page(inspected(server_positions_m=None, user_positions_m=None), unknown)
    sentence = "There is no map: the instance does not say where servers and users are."
    assert sentence not in known.read_text()
    assert sentence in unknown.read_text()
    assert 'data-figure="placement_map"' not in unknown.read_text()


def test_data_that_are_too_large_are_left_out(tmp_path, monkeypatch):
    monkeypatch.setattr(placement_page, "MAX_CSV_BYTES", 10)
    write_placement_page(inspected(), tmp_path / "a.html")
    assert Page((tmp_path / "a.html").read_text()).addresses == []


def test_tables_say_what_the_evaluation_says():
    seen = inspect_placements(
        two_cells(),
        {
            "best": Placement.of(two_cells(), {0: [(0, 0, 0), (0, 0, 1)], 1: [(0, 0, 2)]}),
            "full": Placement.of(two_cells(), {1: [(0, 0, 0), (0, 0, 1)]}),
        },
    )
    shown = {caption: [[c.text for c in row] for row in t.rows] for caption, t in tables_of(seen).items()}
    nothing = "\N{EN DASH}"
    assert shown["Latency a token"] == [
        ["no expert cached", "110.0 ms", "0 ms", "0.0 %", nothing, ""],
        ["best", "51.00 ms", "59.00 ms", "53.6 %", nothing, "yes"],
        [
            "full",
            "75.00 ms",
            "35.00 ms",
            "31.8 %",
            "+24.00 ms",
            "server edge-1 holds 2 bytes, expected at most 1",
        ],
    ]
    assert shown["Who pays"][2] == ["u0", "full", "70.00 ms", "35.00 ms", "50.0 %", "+24.00 ms", "34.3 %"]
    assert shown["Storage"][3] == ["edge-1", "full", "toy", "2", "2", "1", "200.0 %"]
    assert shown["Where they differ, by server"] == [
        ["edge-1", "full", "1", "2", "0"], ["edge-0", "full", "2", "0", "0"],
    ]  # fmt: skip
    assert shown["Where they differ, by layer"] == [["toy", "0", "full", "3", "2", "0"]]


def test_tables_that_are_cut_say_so(monkeypatch):
    monkeypatch.setattr(placement_view, "MAX_ROWS", 3)
    instance = random_instance(1, users=4)
    seen = inspect_placements(instance, {"a": Placement.empty(instance)})
    assert len(tables_of(seen)["Who pays"].rows) == 3
    assert placement_view.rows_left_out(seen) == (
        "Tables show at most 3 rows; the command line's --json has all."
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    ("count", "scheme", "width"), [(3, "light", 1280), (1, "dark", 390), (0, "light", 390)]
)
def test_a_browser_draws_every_figure_without_a_complaint_or_a_request(count, scheme, width, visit, tmp_path):
    write_placement_page(inspected(count), tmp_path / "a.html")
    page = visit(tmp_path / "a.html", scheme, width)
    assert page.locator("[data-figure] svg.marks").count() == page.locator("[data-figure]").count() > 0
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    colours = "e => getComputedStyle(e).backgroundColor"
    assert page.eval_on_selector(".dt-container", colours) == page.eval_on_selector("body", colours)
