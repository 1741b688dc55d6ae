"""``instance``: new, show and from-trace."""

import math

import pytest
from command_line import assert_bad_input, one_object

from slimbench.instances import read_instance

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
        ended = command("instance", "new", file, *(part for s in settings for part in ("--set", s)))
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
    assert command("instance", "new", file, "--set", models, "--set", "layers=1").code == 0
    assert [model.name for model in read_instance(file).models] == ["switch-base-8", "moe-llava-phi2-2.7b-4e"]


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ([], ["models"]),
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
    assert_bad_input(
        command("instance", "new", file, *(part for s in settings for part in ("--set", s))), *words
    )
    assert not file.exists()


def test_an_instance_is_written_only_as_a_known_kind_of_file(tmp_path, command):
    ended = command(
        "instance", "new", tmp_path / "new.txt", "--set", "models=switch-base-8", "--set", "layers=1"
    )
    assert_bad_input(ended, tmp_path / "new.txt", "expected .json, .json.gz, .npz")
    ended = command(
        "instance", "new", tmp_path / "no" / "new.json", "--set", "models=switch-base-8", "--set", "layers=1"
    )
    assert_bad_input(ended, tmp_path / "no" / "new.json")


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
