"""An optimum that one code base alone claims is called claimed, never proven, wherever a report says so."""

import dataclasses

import pytest

from slimbench.bench.results.export import REFERENCE_NAMES
from slimbench.bench.results.ratio_intervals import with_ratios
from slimbench.reports import write_report
from slimbench.reports.pages.summary import summary
from slimbench.reports.statistics.worst_cases import worst_cases


@pytest.fixture
def claimed(make_results):
    """Two instances solved by one code base, one of them left open."""
    runs = [{"solver": "a", "instance": name, "saving_s": 0.5} for name in ("i", "j", "k")]
    results = make_results(runs, {"i": (1.0, 1.0, True), "j": (1.0, 1.0, True), "k": (0.5, 1.0, False)})
    references = results.references.assign(proven=False, level="claimed")
    return dataclasses.replace(results, references=references)


def test_tables_say_claimed(claimed, make_table):
    table = make_table(claimed, "references")
    titles, rows = table.titles, table.rows
    assert [row[titles.index("optimum")].text for row in rows] == ["claimed", "claimed", "open"]
    assert worst_cases(claimed)["optimum"].tolist() == ["claimed"]
    assert [cell.text for cell in make_table(claimed, "worst_cases").rows[0]][3] == "claimed"


def test_the_summary_counts_claimed_optima_apart(claimed):
    told = summary(claimed)
    sentence = (
        "The optimum is proven on 0 of 3 instances, claimed by one code base on 2; on the others a ratio is "
        "an interval."
    )
    assert sentence in told.sentences
    tile = next(tile for tile in told.tiles if tile.label == "optima proven")
    assert (tile.value, tile.remark) == ("0 of 3", "2 claimed, 1 open")


def test_a_closed_reference_has_ratios_that_are_points_and_is_not_exported_as_proven(claimed):
    ends = with_ratios(claimed)[["ratio_low", "ratio_high"]].to_numpy().tolist()
    assert ends == [[0.5, 0.5], [0.5, 0.5], [0.5, 1.0]]
    names = {REFERENCE_NAMES[name]: name for name in ("closed", "proven")}
    assert claimed.references[names["ref_closed"]].tolist() == [True, True, False]
    assert not claimed.references[names["ref_proven"]].any()


def test_no_table_of_the_page_calls_them_proven(claimed, tmp_path):
    write_report(claimed, tmp_path)
    rows = [line for line in (tmp_path / "report.md").read_text().splitlines() if line.startswith("|")]
    assert any("claimed" in row for row in rows)
    assert not [row for row in rows if "proven" in row]
