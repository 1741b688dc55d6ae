"""Train and test parts of a trace: no token in both, none lost, and each goes whole."""

import json

import numpy as np
import pytest
from samples import assert_same, with_fields

from slimbench.instances import InstanceError, Model
from slimbench.instances.generate import make_instance, read_recipe
from slimbench.instances.token_split import TokenSplit
from slimbench.instances.traces import read_trace

TOKENS = [(user, token) for user in ("ann", "bob") for token in range(1000)]
MODEL = Model("moe-llava-phi2-2.7b-4e", 16, 4, 2, 1)


def test_parts_are_disjoint_and_cover_everything():
    parts = [TokenSplit(7, low, high) for low, high in ((0.0, 0.3), (0.3, 0.7), (0.7, 1.0))]
    held = np.array([[part.holds(*token) for part in parts] for token in TOKENS])
    assert (held.sum(axis=1) == 1).all()
    assert np.abs(held.mean(axis=0) - [0.3, 0.4, 0.3]).max() < 4 * 0.5 / np.sqrt(len(TOKENS))


def test_a_larger_part_holds_the_smaller_and_a_seed_makes_another_split():
    small, large, other = TokenSplit(7, 0.0, 0.1), TokenSplit(7, 0.0, 0.4), TokenSplit(8, 0.0, 0.1)
    assert all(large.holds(*token) for token in TOKENS if small.holds(*token))
    assert any(small.holds(*token) != other.holds(*token) for token in TOKENS)
    assert small.holds("ann", 12) == small.holds("ann", "12")  # a CSV file has no integers


def trace(folder, rows):
    path = folder / "trace.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def token_rows():
    """Each token calls one and the same expert pair in two layers, so that a torn token would show."""
    return [
        {"user": user, "model": MODEL.name, "layer": layer, "experts": [token % 3, 3], "token": token}
        for user, token in TOKENS[::10]
        for layer in (0, 1)
    ]


def test_tokens_go_whole_and_parts_add_up_to_the_trace(tmp_path):
    path = trace(tmp_path, token_rows())
    whole, users = read_trace(path, [MODEL])
    counts = []
    for low, high in ((0.0, 0.4), (0.4, 1.0)):
        part, names = read_trace(path, [MODEL], TokenSplit(1, low, high))
        assert names == users
        by_layer = [part.rates[part.layers == layer] for layer in (0, 1)]
        np.testing.assert_array_equal(*by_layer)
        n_tokens = sum(TokenSplit(1, low, high).holds(*token) for token in TOKENS[::10])
        counts.append(part.rates * n_tokens)
    assert len(whole.rates) == len(counts[0]) == len(counts[1])
    np.testing.assert_allclose(counts[0] + counts[1], whole.rates * len(TOKENS[::10]), rtol=1e-12)


def test_a_split_needs_tokens_with_names(tmp_path):
    rows = token_rows()
    del rows[3]["token"]
    assert read_trace(trace(tmp_path, rows), [MODEL])
    with pytest.raises(InstanceError, match="row 4: token: is missing, expected one to split the trace by"):
        read_trace(tmp_path / "trace.jsonl", [MODEL], TokenSplit(1, 0.0, 0.5))


def test_a_part_without_a_token_is_refused(tmp_path):
    path = trace(tmp_path, token_rows()[:2])
    (low, high) = (0.0, 0.5) if not TokenSplit(1, 0.0, 0.5).holds("ann", 0) else (0.5, 1.0)
    with pytest.raises(InstanceError, match="token: has none from"):
        read_trace(path, [MODEL], TokenSplit(1, low, high))


def recipe(part, device_experts=0):
    return read_recipe(
        {
            "name": "t",
            "dispatch": "single",
            "seed": 3,
            "models": [MODEL.name],
            "layers": 2,
            "network": {"servers": 2},
            "routing": {
                "kind": "trace",
                "path": "trace.jsonl",
                "part": part,
                "device_experts": device_experts,
            },
        }
    )


def test_a_planner_of_another_part_sees_the_same_network_and_devices(tmp_path):
    trace(tmp_path, token_rows())
    evaluated, note = make_instance(recipe([0.5, 1.0], 1), tmp_path)
    assert "tokens 0.5 to 1 of a split by hash, seed 3" in note
    seen, _ = make_instance(recipe([0.5, 1.0], 1), tmp_path, part=(0.0, 0.5))
    alone, _ = make_instance(recipe([0.0, 0.5]), tmp_path)
    routing = ("activation_users", "activation_models", "activation_layers", "rates", "group_offsets",
               "group_indices", "base_latency_s")  # fmt: skip
    assert_same(with_fields(seen, **{name: getattr(evaluated, name) for name in routing}), evaluated)
    # Expert 3 is in every group: devices hold it in both, so that groups are single experts.
    assert set(seen.group_sizes) == set(evaluated.group_sizes) == {1}
    assert set(alone.group_sizes) == {2}
    np.testing.assert_allclose(np.sort(seen.rates), np.sort(alone.rates), rtol=1e-9)
    assert seen.rates.tolist() != evaluated.rates.tolist()


@pytest.mark.parametrize("part", [[0.5, 0.5], [-0.1, 0.5], [0.5, 1.5]])
def test_a_part_that_is_none_is_refused(part):
    with pytest.raises(InstanceError, match=r"routing.part: is \[.*\], expected 0 <= low < high <= 1"):
        recipe(part)
