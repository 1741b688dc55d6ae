"""``instance``: new, show and from-trace."""

import math

import pytest
from command_line import assert_bad_input, one_object

from slimbench.instances import read_instance
from slimbench.instances.generators.scenario import shipped_scenarios

# instance


def test_a_new_instance_is_what_was_asked_for_and_the_same_every_time(tmp_path, command):
    files = [tmp_path / "cells.json.gz", tmp_path / "twice" / "cells.json.gz"]
    files[1].parent.mkdir()
    settings = [
        "models=switch-base-8",
        "layers=2",
        "dispatch=serial",
        "network.servers=3",
        "network.users=4",
        "seed=5",
    ]
    for file in files:
        ended = command(
            "instance", "new", "random", "--out", file, *(part for s in settings for part in ("--set", s))
        )
        assert ended.code == 0
        assert str(file) in ended.out
    assert files[0].read_bytes() == files[1].read_bytes()
    instance = read_instance(files[0])
    assert (instance.name, instance.dispatch, instance.n_servers, instance.n_users) == (
        "cells",
        "serial",
        3,
        4,
    )
    assert (instance.models[0].name, instance.models[0].layers) == ("switch-base-8", 2)
    assert command("solve", files[0], "--solver", "slim-dp").code == 0


def test_several_models_are_a_list(tmp_path, command):
    file = tmp_path / "two.npz"
    models = 'models=["switch-base-8", "moe-llava-phi2-2.7b-4e"]'
    assert command("instance", "new", "random", "-o", file, "--set", models, "--set", "layers=1").code == 0
    assert [model.name for model in read_instance(file).models] == ["switch-base-8", "moe-llava-phi2-2.7b-4e"]


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (["models=[]"], ["models: is empty"]),
        (["models"], ["--set: is 'models', expected key=value"]),
        (["models=gpt-9"], ["models[0]", "gpt-9"]),
        (["models=switch-base-8", "layers=many"], ["layers"]),
        (["models=switch-base-8", "network.servers=0"], ["network.servers"]),
        (["models=switch-base-8", "network.colour=1"], ["network", "colour"]),
        (["models=switch-base-8", "dispatch=both"], ["dispatch"]),
        (
            ["models=switch-base-8", "layers=1", "layers.deep=1"],
            ["--set: is 'layers.deep=1', but layers has no fields"],
        ),
    ],
)
def test_a_setting_that_does_not_fit_is_one_line(tmp_path, command, settings, words):
    file = tmp_path / "new.json"
    parts = (part for s in settings for part in ("--set", s))
    assert_bad_input(command("instance", "new", "random", "--out", file, *parts), *words)
    assert not file.exists()


def test_an_instance_is_written_only_as_a_known_kind_of_file(tmp_path, command):
    ended = command("instance", "new", "random", "--out", tmp_path / "new.txt")
    assert_bad_input(ended, tmp_path / "new.txt", "expected .json, .json.gz, .npz")
    ended = command("instance", "new", "random", "--out", tmp_path / "no" / "new.json")
    assert_bad_input(ended, tmp_path / "no" / "new.json")


def test_a_scenario_is_changed_field_by_field_and_written_under_its_name(tmp_path, command, monkeypatch):
    monkeypatch.chdir(tmp_path)
    settings = ("network.servers=3", "network.users=5", "routing.tokens=4", "network.layout.kind=random")
    ended = command("instance", "new", "metro-ring", *(part for s in settings for part in ("--set", s)))
    assert (ended.code, ended.err) == (0, "")
    instance = read_instance(tmp_path / "metro-ring.json.gz")
    assert (instance.name, instance.n_servers, instance.n_users) == ("metro-ring", 3, 5)
    assert instance.models[0].name == "mixtral-8x7b"
    assert (instance.user_positions_m >= 0).all()  # a square, no longer cells around the origin


def test_scenarios_are_listed_with_what_they_are(command):
    listed = one_object(command("instance", "scenarios", "--json").out)
    assert list(listed) == list(shipped_scenarios())
    lines = command("instance", "scenarios").out
    assert all(name in lines and description in lines for name, description in listed.items())


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["moon"], ["scenario: is 'moon', expected one of", "urban-micro"]),
        (["cells.json"], ["SCENARIO: is cells.json, expected such as: random --out cells.json"]),
        (["highway", "--set", "network.servers=0"], ["network.servers: is 0", "(scenario highway)"]),
        (["highway", "--set", "network.speed=5"], ["network.speed: is not a field", "(scenario highway)"]),
        (["metro-tree", "--set", "network.backhaul.branching=1"], ["backhaul.branching: expected int >= 2"]),
        (["multi-tenant", "--set", "models=dbrx"], ["tenants[0].models: names", "expected one of dbrx"]),
        (["random", "--picture", "map.gif"], ["--picture: is 'map.gif', expected .svg, .pdf, .png"]),
    ],
)  # fmt: skip
def test_a_scenario_that_cannot_be_is_one_line(tmp_path, command, monkeypatch, arguments, words):
    monkeypatch.chdir(tmp_path)
    assert_bad_input(command("instance", "new", *arguments), *words)
    assert list(tmp_path.iterdir()) == []


def test_an_instance_is_drawn_when_made_and_when_shown(tmp_path, command):
    file, made, shown = (tmp_path / name for name in ("town.json", "made.svg", "shown.png"))
    small = ("--set", "network.servers=4", "--set", "network.users=6", "--set", "routing.tokens=4")
    ended = command("instance", "new", "metro-tree", "--out", file, *small, "--picture", made)
    assert (ended.code, ended.err) == (0, "")
    assert str(made) in ended.out
    assert made.read_bytes().startswith(b"<svg")
    facts = one_object(command("instance", "show", file, "--json", "--picture", shown).out)
    assert facts["picture"] == str(shown)
    assert shown.read_bytes().startswith(b"\x89PNG")


def test_what_has_no_places_is_not_drawn(cells, tmp_path, command):
    picture = tmp_path / "map.svg"
    assert_bad_input(command("instance", "show", cells, "--picture", picture), "position_m: is not known")
    assert not picture.exists()


def test_show_says_what_an_instance_is(cells, command):
    facts = one_object(command("instance", "show", cells, "--json").out)
    assert (facts["name"], facts["dispatch"], facts["servers"], facts["users"], facts["activations"]) == (
        "two-cells", "single", 2, 2, 3,
    )  # fmt: skip
    assert facts["sha256"] == read_instance(cells).sha256
    lines = command("instance", "show", cells).out
    assert facts["sha256"] in lines


def test_an_instance_is_made_of_a_routing_trace(tmp_path, command):
    trace, out = tmp_path / "trace.csv", tmp_path / "traced.json"
    rows = [
        f"u{token % 2},switch-base-8,{layer},{(token + layer) % 8}"
        for token in range(8)
        for layer in range(6)
    ]
    trace.write_text("user,model,layer,experts\n" + "\n".join(rows) + "\n")
    arguments = [
        "instance",
        "from-trace",
        trace,
        out,
        "--model",
        "switch-base-8",
        "--set",
        "network.servers=2",
    ]
    ended = command(*arguments)
    assert (ended.code, ended.err) == (0, "")
    instance = read_instance(out)
    assert (instance.n_users, instance.n_servers) == (2, 2)
    assert math.fsum(instance.rates) == pytest.approx(6)  # one group a token and layer
    trace.write_text("user,model,layer,experts\nu0,switch-base-8,0,99\n")
    assert_bad_input(command(*arguments), trace)
    assert_bad_input(
        command("instance", "from-trace", tmp_path / "none.csv", out, "--model", "switch-base-8"), "none.csv"
    )
