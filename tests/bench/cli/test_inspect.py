"""``inspect``: placements from files and run folders, in words, as JSON and as a page."""

import json

import pytest
from command_line import assert_bad_input, one_object
from samples import TWO_CELLS, TWO_CELLS_PLACEMENT, placed, random_instance, two_cells, with_fields

from slimbench.instances import Placement, write_instance, write_placement
from slimbench.reports.placement import text as inspection_text

OTHER = TWO_CELLS_PLACEMENT | {"experts": {"edge-0": [[0, 0, 1], [0, 0, 2]], "edge-1": [[0, 0, 0]]}}


@pytest.fixture
def files(tmp_path, cells):
    """Return the files of the example and of two placements, the first optimal."""
    (tmp_path / "best.json").write_text(json.dumps(TWO_CELLS_PLACEMENT))
    (tmp_path / "other.json").write_text(json.dumps(OTHER))
    return cells, tmp_path / "best.json", tmp_path / "other.json"


def rows(text, title):
    """The cells of the table below a title, without its head."""
    lines = text[text.index(title) :].splitlines()[1:]
    end = next(i for i, line in enumerate(lines) if line.startswith("└"))
    return [[cell.strip() for cell in line.strip("│").split("│")] for line in lines[:end] if "│" in line]


def test_two_placements_are_held_against_each_other(files, command):
    ended = command("inspect", *files)
    assert (ended.code, ended.err) == (0, "")
    assert rows(ended.out, "Latency a token") == [
        ["no expert cached", "110.0", "0.000", "0.0", "", ""],
        ["best", "51.00", "59.00", "53.6", "", "yes"],
        ["other", "60.00", "50.00", "45.5", "+9.000", "yes"],
    ]
    assert rows(ended.out, "Who pays") == [
        ["u0", "70.00", "11.00", "15.7", "52.00", "74.3", "+41.00"],
        ["u1", "40.00", "40.00", "100.0", "8.000", "20.0", "-32.00"],
    ]
    assert rows(ended.out, "Storage of other") == [
        ["edge-0", "2", "2", "2", "100.0"], ["edge-1", "1", "1", "1", "100.0"],
    ]  # fmt: skip
    assert rows(ended.out, "pairs of best and other, by server")[-1] == ["all", "2", "2", "1"]
    assert rows(ended.out, "pairs of best and other, by layer")[0] == ["toy", "0", "2", "2", "1"]
    assert ended.out.endswith("toy, layer\n       0\nedge-0 <#>\nedge-1 >.<\n")


def test_one_placement_is_held_against_none(files, command):
    ended = command("inspect", *files[:2])
    assert rows(ended.out, "Who pays")[0] == ["u1", "40.00", "40.00", "100.0"]
    assert "against" not in ended.out
    assert ended.out.endswith("edge-0 ##.\nedge-1 ..#\n")


def test_without_a_placement_there_is_what_is_asked_for(files, command):
    ended = command("inspect", files[0])
    assert rows(ended.out, "Experts called most often")[0] == ["toy", "0", "1", "0.9000"]
    assert rows(ended.out, "Users") == [["u0", "70.00"], ["u1", "40.00"]]
    assert rows(ended.out, "Popularity by layer") == [["toy", "0", "45.0", "2"]]
    assert "map: the instance does not say where servers and users are" in ended.out


def test_places_that_are_known_are_mapped(files, command):
    files[0].write_text(json.dumps(placed(TWO_CELLS)))
    out = command("inspect", files[0]).out
    assert "S server, 1-9 users at one spot, + more; 120 m wide, 93 m high" in out
    assert "does not say" not in out
    document = placed(TWO_CELLS) | {"users": TWO_CELLS["users"]}
    files[0].write_text(json.dumps(document))
    assert "map: the instance does not say where users are" in command("inspect", files[0]).out


def test_json_has_everything_to_the_last_bit(files, command):
    told = one_object(command("inspect", *files, "--json").out)
    assert told["baseline"] == "best"
    assert [row["latency_s"] for row in told["latency"]] == pytest.approx([0.110, 0.051, 0.060])
    evaluated = one_object(command("evaluate", files[0], files[2], "--json").out)
    assert told["latency"][2]["latency_s"] == evaluated["latency_s"]
    assert told["latency"][2]["saving_s"] == evaluated["saving_s"]
    assert told["users"][0] == {
        "user": "u0", "placement": "best", "latency_none_s": pytest.approx(0.07),
        "latency_s": pytest.approx(0.011), "kept_share": pytest.approx(11 / 70), "worse_s": 0.0,
        "worse_share": 0.0,
    }  # fmt: skip
    assert told["storage"][0] == {
        "placement": "best", "server": "edge-0", "model": "toy", "experts": 2, "used_bytes": 2,
        "capacity_bytes": 2,
    }  # fmt: skip
    assert [row["both"] for row in told["differences_by_server"]] == [1, 0]
    assert told["demand"][1] == {"model": "toy", "layer": 0, "expert": 1, "calls": pytest.approx(0.9)}
    assert told["places"] == []


def test_what_does_not_fit_the_terminal_is_counted(tmp_path, command, monkeypatch):
    monkeypatch.setattr(inspection_text, "MAX_ROWS", 2)
    instance = random_instance(1, servers=4, users=7, layers=3)
    write_instance(instance, tmp_path / "a.json")
    write_placement(Placement.empty(instance), instance, tmp_path / "p.json")
    out = command("inspect", tmp_path / "a.json", tmp_path / "p.json").out
    assert "and 5 other users; --json has all" in out
    assert "and 2 other servers; --json has all" in out
    assert len(rows(out, "Who pays")) == 2


def test_a_placement_that_does_not_fit_is_shown_and_fails(files, command):
    full = TWO_CELLS_PLACEMENT | {"experts": {"edge-1": [[0, 0, 0], [0, 0, 1]]}}
    files[2].write_text(json.dumps(full))
    ended = command("inspect", *files)
    assert ended.code == 1
    assert rows(ended.out, "Latency a token")[2][-1] == "no"
    assert "\nother does not fit: server edge-1 holds 2 bytes, expected at most 1\n" in ended.out
    assert rows(ended.out, "Storage of other")[1] == ["edge-1", "2", "2", "1", "200.0"]


def test_names_are_text_and_not_markup(tmp_path, command):
    names = ("[bold]a[/bold]", ":smile: [link=x]")
    instance = with_fields(two_cells(), server_names=names, user_names=names)
    write_instance(instance, tmp_path / "a.json")
    write_placement(Placement.empty(instance), instance, tmp_path / "[red]\x1b[31m.json")
    ended = command("inspect", tmp_path / "a.json", tmp_path / "[red]\x1b[31m.json")
    assert ended.code == 0
    assert [row[0] for row in rows(ended.out, "Storage of")] == list(names)
    assert r"Storage of [red]\x1b[31m" in ended.out
    assert "\x1b" not in ended.out


def test_a_page_is_written_and_named(files, tmp_path, command):
    ended = command("inspect", *files, "--html", tmp_path / "inside.html")
    assert ended.out.endswith(f"page: {tmp_path / 'inside.html'}\n")
    assert "only in other" in (tmp_path / "inside.html").read_text()


def test_a_run_folder_has_its_placements(tmp_path, command, write_suite, run_suite):
    run_suite(write_suite(tmp_path, ["slim-greedy"]), tmp_path / "run")
    ended = command("inspect", tmp_path / "run", "--instance", "two-cells", "-s", "slim-greedy")
    assert (ended.code, ended.err) == (0, "")
    table = rows(ended.out, "Latency a token")
    assert [row[:2] for row in table[:2]] == [["no expert cached", "110.0"], ["optimum", "51.00"]]
    assert table[2][0] == "slim-greedy"
    assert_bad_input(command("inspect", tmp_path / "run"), "--instance: is missing", "random-1")
    assert_bad_input(
        command("inspect", tmp_path / "run", tmp_path / "a.json"), "PLACEMENT", "expected --solver"
    )


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["best.json", "best.json"], ["PLACEMENT", "best.json", "twice"]),
        (["none.json"], ["none.json: No such file"]),
        (["cells.json"], ["cells.json: format: is 'slimbench.instance'"]),
        (["--solver", "exact"], ["--solver", "expected a run's folder"]),
        (["--instance", "a"], ["--instance", "expected a run's folder"]),
        (["best.json", "--html", "none/page.html"], ["none/page.html: No such file"]),
    ],
)
def test_bad_input_is_one_line(arguments, words, files, tmp_path, command, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert_bad_input(command("inspect", "cells.json", *arguments), *words)
