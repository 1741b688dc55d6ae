"""``slimbench compare``: exit codes, tables for people and programs, bad input."""

from command_line import assert_bad_input, one_object
from compared_runs import NAMES, rows
from run_folders import write_run


def test_codes_say_same_worse_and_nothing_in_common(folders, tmp_path, command):
    old, new = folders(rows(), rows(saving_s=0.7))
    assert command("compare", old, old).code == 0
    ended = command("compare", old, new)
    assert ended.code == 3
    assert "worse" in ended.out
    assert command("compare", new, old).code == 0
    other = write_run(tmp_path / "other", rows(solver="[b]"))
    ended = command("compare", old, other)
    assert (ended.code, ended.err) == (4, "slimbench: no solver has measured any instance in both\n")


def test_a_run_that_has_not_begun_has_nothing_in_common_with_any(folders, command):
    old, new = folders(rows(), rows(status="planned"), references=[])
    assert command("compare", old, new).code == 4
    assert one_object(command("compare", new, old, "--json").out)["solvers"] == []


def test_a_refuted_bound_is_told_and_fails(folders, tmp_path, command):
    old, _ = folders(rows(), rows())
    better = write_run(tmp_path / "better", rows(saving_s=1.6))
    ended = command("compare", old, better)
    assert ended.code == 1
    assert ended.err.startswith("slimbench: contradiction: i0: ")


def test_json_has_everything_and_nothing_that_json_has_not(folders, command):
    names = NAMES[:2]
    old, new = folders(rows(names=names), rows(names=names, status="crashed", saving_s=None))
    ended = command("compare", old, new, "--json")
    content = one_object(ended.out)
    assert ended.code == 3
    assert content["is_regression"] is True
    assert [row["after"] for row in content["worse_statuses"]] == ["crashed"] * 2
    assert [row["verdict"] for row in content["solvers"]] == ["too few to test"] * 2
    assert content["solvers"][0]["factor"] is None
    assert [row["instance"] for row in content["cells"]] == names


def test_markdown_and_the_terminal_show_names_as_they_stand(folders, command):
    name = "a[mark=[/b]|]"
    old, new = folders(rows(solver=name), rows(solver=name, saving_s=0.7, code_version="sources 2"))
    shown = command("compare", old, new)
    assert name in shown.out
    assert f"{name}: code changed (sources 1 -> sources 2)" in shown.out
    markdown = command("compare", old, new, "--markdown").out
    (line,) = [line for line in markdown.splitlines() if "quality" in line]
    assert r"a\[mark=\[/b\]\|\]" in line
    assert "| 0.8000 | 0.7000 | 0.875 |" in line


def test_only_changed_rows_and_their_order(folders, command):
    before = [*rows(solver="x"), *rows(solver="b"), *rows(solver="c")]
    after = [*rows(solver="x", saving_s=0.7), *rows(solver="b", saving_s=0.2), *rows(solver="c")]
    old, new = folders(before, after)

    def order(*options):
        content = one_object(command("compare", old, new, "--json", *options).out)
        return [row["solver"] for row in content["solvers"]]

    assert order("--only-changed") == ["x", "b"]
    assert order("--only-changed", "--sort", "factor") == ["b", "x"]
    assert order("--sort", "solver") == ["b", "b", "c", "c", "x", "x"]
    assert order("--sort", "p")[-1] == "c"


def test_bad_input_is_refused(folders, tmp_path, command):
    old, new = folders(rows(), rows())
    assert_bad_input(command("compare", old, tmp_path), "has no results.sqlite")
    for options in (
        ("--alpha", 0),
        ("--alpha", 1),
        ("--factor", 0.5),
        ("--factor", "nan"),
        ("--sort", "luck"),
        ("--json", "--markdown"),
    ):
        ended = command("compare", old, new, *options)
        assert (ended.code, ended.out) == (2, "")
        assert "Traceback" not in ended.err
