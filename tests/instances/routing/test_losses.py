"""What a part of a trace lacks, against the whole: bounds that hold, and that nearly bite."""

import json
import math
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from slimbench.instances import Instance, InstanceError, Placement, evaluate
from slimbench.instances.generators.generate import make_instance, read_recipe
from slimbench.instances.routing.losses import Losses

TOKENS, LAYERS, EXPERTS = 240, 32, 8
DISPATCHES = ("single", "parallel", "serial")


@pytest.fixture(scope="module")
def rows() -> list[dict[str, Any]]:
    """Every token of two users in all layers of Mixtral, popularity skewed."""
    rng = np.random.default_rng(0)
    weights = np.arange(1, EXPERTS + 1) ** -1.5
    races = rng.exponential(size=(TOKENS, LAYERS, EXPERTS)) / weights
    groups = np.argsort(races, axis=2)[:, :, :2].tolist()
    return [
        {
            "user": f"u{token % 2}",
            "token": token,
            "model": "mixtral-8x7b",
            "layer": layer,
            "experts": groups[token][layer],
        }
        for token in range(TOKENS)
        for layer in range(LAYERS)
    ]


@pytest.fixture
def trace(tmp_path: Path, rows: list[dict[str, Any]]) -> Path:
    return write(tmp_path / "trace.jsonl", rows)


def write(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def made(trace: Path, dispatch: str = "single", seed: int = 0, **routing: Any) -> tuple[Instance, str]:
    recipe = {
        "name": "traced",
        "dispatch": dispatch,
        "seed": seed,
        "models": ["mixtral-8x7b"],
        "network": {"servers": 3},
        "routing": {"kind": "trace", "path": str(trace), **routing},
    }
    return make_instance(read_recipe(recipe))


def everywhere(instance: Instance) -> Placement:
    return Placement(np.ones((instance.n_servers, instance.n_experts), np.bool_))


@pytest.mark.parametrize("dispatch", DISPATCHES)
@pytest.mark.parametrize("dropped", [{"min_support": 8}, {"max_groups": 500}], ids=lambda d: next(iter(d)))
def test_no_placement_saves_more_with_the_dropped_groups_than_the_bound_and_one_as_much(
    trace: Path, dispatch: str, dropped: dict[str, int]
) -> None:
    whole, _ = made(trace, dispatch)
    part, note = made(trace, dispatch, **dropped)
    assert part.n_activations < whole.n_activations
    bound_s = float(note.split("no placement saves over ")[1].split()[0])  # three digits
    rng = np.random.default_rng(0)
    random = [Placement(rng.random((3, whole.n_experts)) < share) for share in (0.1, 0.5, 0.9)]
    for placement in [*random, everywhere(whole)]:
        more_s = evaluate(whole, placement).saving_s - evaluate(part, placement).saving_s
        assert 0 <= more_s <= 1.006 * bound_s
    assert more_s == pytest.approx(bound_s, rel=0.006)  # everything on the fastest server: the bound itself


def test_the_note_says_what_was_read_and_dropped(trace: Path) -> None:
    rows = TOKENS * LAYERS
    assert made(trace)[1] == f"groups and their rates from the trace trace.jsonl, {rows} rows"
    parts = made(trace, part=(0, 0.5), min_support=3, max_groups=400)[1].split("; ")
    for part, words in zip(
        parts,
        [
            f"{rows} rows",
            "part [0, 0.5) keeps ",
            "max_groups 400 drops ",
            "min_support 3 drops ",
            "no placement saves over ",
            "confidence 95%",
        ],
        strict=True,
    ):
        assert words in part


def test_shares_dropped_add_up_to_the_rates_that_are_missing(trace: Path) -> None:
    part, note = made(trace, min_support=8)
    (share,) = (
        float(words.split("%")[0].split()[-1]) for words in note.split("; ") if "min_support" in words
    )
    assert part.rates.sum() == pytest.approx(LAYERS * (1 - share / 100), abs=LAYERS * 1e-4)


def test_a_sample_saves_what_all_tokens_save_within_the_interval(trace: Path) -> None:
    rng = np.random.default_rng(0)
    placement = Placement(rng.random((3, LAYERS * EXPERTS)) < 0.5)
    for seed in range(5):
        part, note = made(trace, seed=seed, part=(0, 0.25))
        whole, _ = made(trace, seed=seed)  # in the network of that seed
        within_s = float(note.split("all tokens within ")[1].split()[0])
        off_s = abs(evaluate(part, placement).saving_s - evaluate(whole, placement).saving_s)
        assert 0 < off_s <= within_s


def test_the_interval_is_hoeffdings(trace: Path) -> None:
    instance, _ = made(trace)
    most_s = (instance.cloud_latency_s[:, 0] - instance.edge_latency_s[:, :, 0].min(axis=1)).max() * LAYERS
    losses = Losses(np.zeros((2, 1)), 1000)
    assert losses.sampling_s(instance) == pytest.approx(most_s * math.sqrt(math.log(2 / 0.05) / 2000))
    assert Losses(np.zeros((2, 1))).told(instance) == []


def test_no_interval_is_given_where_tokens_are_not_drawn_one_by_one_or_not_complete(
    tmp_path: Path, rows: list[dict[str, Any]]
) -> None:
    prompts = [{**row, "token": None, "prompt": row["token"] // 10} for row in rows]
    incomplete = [row for row in rows if row["layer"] != 5]
    notes = [
        made(write(tmp_path / "a.jsonl", some), part=(0, 0.5))[1] for some in (rows, prompts, incomplete)
    ]
    assert ["confidence" in note for note in notes] == [True, False, False]


@pytest.mark.parametrize(
    ("routing", "message"),
    [
        ({"part": (0.5, 0.5)}, "routing.part: is [0.5, 0.5], expected 0 <= low < high <= 1"),
        ({"part": (float("nan"), 1)}, "routing.part: is [nan, 1], expected 0 <= low < high <= 1"),
        ({"min_support": 0}, "routing.min_support: expected int >= 1"),
        ({"max_groups": 2**40}, "routing.max_groups: is 1099511627776, expected 1 to 8388608"),
        ({"by": "layer"}, "routing.by: is 'layer', expected one of prompt, task, user"),
    ],
)
def test_parameters_out_of_their_range_are_named(routing: dict[str, Any], message: str) -> None:
    with pytest.raises(InstanceError, match="^" + re.escape(message)):
        made(Path("trace.jsonl"), **routing)
