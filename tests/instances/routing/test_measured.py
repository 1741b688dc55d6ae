import gzip
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from slimbench.instances.problem.errors import InstanceError
from slimbench.instances.routing.measured import (
    mixtral_routing,
    qwen_routing,
    read_fiddler_counts,
    read_vllm_routes,
)
from slimbench.instances.sampling.conditional_poisson import conditional_poisson

REPOSITORY = Path(__file__).parents[3]
DATA = Path(os.environ.get("SLIMBENCH_DATA", REPOSITORY.parent / "shared" / "data" / "routing"))
SUBJECTS = sorted(DATA.glob("mixtral-fiddler/*.json"))  # empty where the measured files are not at hand
LAYERS = sorted(DATA.glob("qwen15-moe-vllm/*.jsonl.gz"))

COUNTS = [[6, 4, 3, 2, 2, 1, 1, 1], [2, 3, 3, 3, 3, 2, 2, 2]]  # 10 tokens, two experts each


def write_counts(folder: Path, subject: str, rows: Any = COUNTS) -> Path:
    path = folder / f"{subject}.json"
    path.write_text(json.dumps({"total_input_tokens": 7, "expert_popularity": rows}))
    return path


def write_routes(path: Path, layer: int, groups: list[list[int]], top_k: int = 4) -> Path:
    lines: list[dict[str, Any]] = [
        {"type": "meta", "model_id": "Qwen", "layers_logged": [layer], "top_k": top_k, "seed": 1234}
    ]
    for i, group in enumerate(groups):
        weights = [0.1] * len(group)
        lines.append(
            {
                "type": "route",
                "req_id": "r1",
                "token_idx": i,
                "layer": layer,
                "topk_ids": group,
                "topk_weights": weights,
            }
        )
    text = "".join(json.dumps(line) + "\n" for line in lines).encode()
    path.write_bytes(gzip.compress(text) if path.suffix == ".gz" else text)
    return path


WARM_UP = [[1, 2, 3, 4]] * 5
TOKENS = [[9, 7, 8, 6], [6, 7, 8, 9], [1, 2, 3, 4], [50, 51, 52, 59], [0, 1, 2, 3], [10, 0, 20, 30]]

META = '{"type": "meta", "top_k": 1, "layers_logged": [0]}\n'


# Conditional Poisson


@given(st.lists(st.floats(0.02, 1), min_size=4, max_size=7), st.integers(1, 3))
def test_groups_call_each_expert_as_often_as_asked(weights: list[float], k: int) -> None:
    asked = np.array([weights])
    asked *= k / asked.sum()
    even = k / len(weights)
    asked = even + (asked - even) * min(1, (0.9 - even) / max(asked.max() - even, 1e-9))
    groups, probabilities = conditional_poisson(asked, k)
    reached = np.zeros(len(weights))
    for group, probability in zip(groups, probabilities[0], strict=True):
        reached[group] += probability
    assert reached == pytest.approx(asked[0], abs=1e-11)
    assert probabilities.sum() == pytest.approx(1)


def test_odds_of_two_pairs_depend_on_the_experts_they_differ_in_alone() -> None:
    groups, probabilities = conditional_poisson(np.array([[0.8, 0.6, 0.3, 0.2, 0.1]]), 2)
    p = {(int(i), int(j)): float(q) for (i, j), q in zip(groups, probabilities[0], strict=True)}
    assert p[0, 2] / p[0, 3] == pytest.approx(p[1, 2] / p[1, 3])
    assert p[0, 2] / p[1, 2] == pytest.approx(p[0, 4] / p[1, 4])


def test_an_expert_never_called_is_in_no_group() -> None:
    groups, probabilities = conditional_poisson(np.array([[0.9, 0.7, 0.4, 0.0]]), 2)
    assert probabilities[0][(groups == 3).any(axis=1)].sum() == 0
    assert probabilities.sum() == pytest.approx(1)


@pytest.mark.parametrize("marginals", [[1.0, 0.5, 0.5], [1.2, 0.4, 0.4], [1.1, 1.0, -0.1], [0.5, 0.5, 0.5]])
def test_marginals_that_no_random_pair_can_have_are_refused(marginals: list[float]) -> None:
    with pytest.raises(InstanceError, match="marginals: expected numbers from 0 to below 1 that add up to 2"):
        conditional_poisson(np.array([marginals]), 2)


def test_a_fit_that_does_not_end_is_an_error_and_not_a_wrong_answer() -> None:
    with pytest.raises(InstanceError, match="marginals: are not met after"):
        conditional_poisson(np.array([[1 - 1e-7, 0.5, 0.5 - 1e-7, 2e-7]]), 2)


def test_too_many_groups_to_enumerate_are_refused() -> None:
    with pytest.raises(InstanceError, match=r"marginals: have \d+ groups of 4 of 60"):
        conditional_poisson(np.full((1, 60), 4 / 60), 4)


# Counts


def test_counts_are_read_as_they_are(tmp_path: Path) -> None:
    assert read_fiddler_counts(write_counts(tmp_path, "law")).tolist() == COUNTS


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([], r"expert_popularity: is empty"),
        ([[2, 2], [4]], r"expert_popularity\[1\]: has 1 experts, expected 2"),
        ([[2, 2], [3, 3]], r"expert_popularity\[1\]: adds up to 6, expected 2 x tokens, the same"),
        ([[2, 2, 1]], r"expert_popularity\[0\]: adds up to 5"),
        ([[0, 0]], r"expert_popularity\[0\]: adds up to 0"),
        ([[3, 1]], r"expert_popularity\[0\]: has a count of 3, expected at most the 2 tokens"),
        ([[5, -1]], r"expert_popularity\[0\]\[1\]: expected int >= 0"),
        ([[2.5, 1.5]], r"expert_popularity\[0\]\[0\]: expected int"),
    ],
)
def test_counts_that_cannot_be_are_refused(tmp_path: Path, rows: Any, message: str) -> None:
    with pytest.raises(InstanceError, match=rf"law\.json: {message}"):
        read_fiddler_counts(write_counts(tmp_path, "law", rows))


def test_subjects_are_dealt_to_users_in_turn(tmp_path: Path) -> None:
    write_counts(tmp_path, "law")
    write_counts(tmp_path, "art", [row[::-1] for row in COUNTS])
    routed = mixtral_routing(tmp_path, users=3)
    assert routed.user_names == ("u0-art", "u1-law", "u2-art")
    assert routed.models[0].layers == 2
    made = routed.activations
    uses = np.zeros((3, 2, 8))
    for u, layer, pair, rate in zip(made.users, made.layers, made.groups, made.rates, strict=True):
        uses[u, layer, pair] += rate
    assert uses[1] == pytest.approx(np.array(COUNTS) / 10 / 3, abs=1e-12)
    assert uses[0] == pytest.approx(uses[1][:, ::-1], abs=1e-12)
    assert uses[2] == pytest.approx(uses[0])
    assert "pairs drawn" in routed.note
    assert "counts measured" in routed.note


def test_fewer_layers_may_be_asked_for_but_not_more_than_were_measured(tmp_path: Path) -> None:
    write_counts(tmp_path, "law")
    assert set(mixtral_routing(tmp_path, 1, layers=1).activations.layers) == {0}
    with pytest.raises(InstanceError, match="layers: is 3, expected 1 to 2"):
        mixtral_routing(tmp_path, 1, layers=3)


def test_a_folder_that_is_not_there_or_empty_is_named(tmp_path: Path) -> None:
    with pytest.raises(InstanceError, match=r"none: routing\.path: is not a folder"):
        mixtral_routing(tmp_path / "none", 1)
    with pytest.raises(InstanceError, match=r"routing\.path: has no measured files"):
        qwen_routing(tmp_path, 1, np.random.default_rng(0))


@pytest.mark.parametrize("path", SUBJECTS, ids=lambda path: path.stem)
def test_published_counts_are_read(path: Path) -> None:
    counts = read_fiddler_counts(path)
    assert counts.shape == (32, 8)
    assert 3 < counts[11].max() / counts[11].min() < 40  # the one layer with a neglected expert


# Tokens


@pytest.mark.parametrize("suffix", ["jsonl", "jsonl.gz"])
def test_warm_up_rows_are_dropped_and_counted(tmp_path: Path, suffix: str) -> None:
    routes = read_vllm_routes(write_routes(tmp_path / f"layer.{suffix}", 8, WARM_UP + TOKENS))
    assert (routes.layer, routes.dropped) == (8, 5)
    assert routes.groups.tolist() == [sorted(group) for group in TOKENS]


def test_warm_up_is_a_run_of_one_group_in_any_order_and_a_single_row_is_not_a_run(tmp_path: Path) -> None:
    routes = read_vllm_routes(write_routes(tmp_path / "a.jsonl", 0, [[4, 3, 2, 1], *WARM_UP, *TOKENS]))
    assert routes.dropped == 6
    routes = read_vllm_routes(write_routes(tmp_path / "b.jsonl", 0, TOKENS[2:]))
    assert (routes.dropped, len(routes.groups)) == (0, 4)


@pytest.mark.parametrize(
    ("groups", "message"),
    [
        (WARM_UP, "has no measured tokens"),
        ([*TOKENS, [1, 2, 3]], r"line 8: topk_ids: is \[1, 2, 3\], expected 4 distinct"),
        ([[1, 2, 3, 3]], "line 2: topk_ids: is .* expected 4 distinct"),
        ([[1, 2, 3, -4]], r"line 2: topk_ids\[3\]: expected int >= 0"),
    ],
)
def test_routes_that_cannot_be_are_refused(tmp_path: Path, groups: list[list[int]], message: str) -> None:
    with pytest.raises(InstanceError, match=message):
        read_vllm_routes(write_routes(tmp_path / "layer.jsonl", 0, groups))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty, expected meta"),
        ('{"type": "route", "layer": 0, "topk_ids": [1]}', "line 1: type: expected meta"),
        (META + '{"type": "route"', "line 2: is not JSON"),
        (META + META, "line 2: type: expected meta on the first line"),
        (META + '{"type": "route", "layer": 3, "topk_ids": [1]}', "line 2: layer: is 3, expected 0"),
    ],
)
def test_files_of_another_make_are_refused(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "layer.jsonl"
    path.write_text(text)
    with pytest.raises(InstanceError, match=rf"layer\.jsonl: {message}"):
        read_vllm_routes(path)


def test_a_broken_gzip_file_is_named(tmp_path: Path) -> None:
    path = write_routes(tmp_path / "layer.jsonl.gz", 0, TOKENS)
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(InstanceError, match="is not a complete gzip file"):
        read_vllm_routes(path)


def test_each_measured_token_belongs_to_exactly_one_user(tmp_path: Path) -> None:
    write_routes(tmp_path / "layer12.jsonl", 12, WARM_UP + TOKENS)
    write_routes(tmp_path / "layer8.jsonl", 8, WARM_UP + TOKENS)
    routed = qwen_routing(tmp_path, 3, np.random.default_rng(1))
    made = routed.activations
    assert routed.models[0].layers == 2
    for layer in range(2):
        rows = made.layers == layer
        assert made.rates[rows].sum() == pytest.approx(1)
        counts: dict[tuple[int, ...], int] = {}
        for user, group, rate in zip(made.users[rows], made.groups[rows], made.rates[rows], strict=True):
            assert made.rates[rows & (made.users == user)].sum() == pytest.approx(1 / 3)
            key = tuple(int(e) for e in group)
            counts[key] = counts.get(key, 0) + round(float(rate) * 3 * 2)  # 3 users of 2 tokens each
        assert counts == {
            (6, 7, 8, 9): 2,
            (1, 2, 3, 4): 1,
            (50, 51, 52, 59): 1,
            (0, 1, 2, 3): 1,
            (0, 10, 20, 30): 1,
        }
    assert "layers 8, 12 of 24" in routed.note
    assert "5 of 11 rows of each layer dropped as warm-up" in routed.note


def test_more_users_than_tokens_are_refused(tmp_path: Path) -> None:
    write_routes(tmp_path / "layer8.jsonl", 8, WARM_UP + TOKENS)
    with pytest.raises(InstanceError, match="has 6 tokens, expected one or more for 7 users"):
        qwen_routing(tmp_path, 7, np.random.default_rng(1))


@pytest.mark.parametrize("path", LAYERS, ids=lambda path: path.name)
def test_published_routes_keep_4357_tokens_of_12805_rows(path: Path) -> None:
    routes = read_vllm_routes(path)
    assert routes.dropped == 8448
    assert routes.groups.shape == (4357, 4)
    top_share = np.sort(np.bincount(routes.groups.ravel(), minlength=60))[-6:].sum() / routes.groups.size
    assert 0.12 < top_share < 0.15  # with the warm-up it would be three times that
