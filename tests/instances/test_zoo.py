import pytest

from slimbench.instances.problem.errors import InstanceError
from slimbench.instances.problem.instance import Model
from slimbench.instances.zoo import ZooModel, zoo, zoo_model

EVERY = pytest.mark.parametrize("model", zoo().values(), ids=lambda model: model.name)


@EVERY
def test_derived_columns_follow_from_the_others(model: ZooModel) -> None:
    params = model.matrices_per_expert * model.hidden_size * model.expert_intermediate_size
    assert model.params_per_expert == params
    assert model.bytes_per_expert_bf16 == 2 * params
    assert model.routed_params_total == params * model.experts_per_layer * model.moe_layers


@EVERY
def test_a_token_calls_no_more_experts_than_a_layer_has(model: ZooModel) -> None:
    assert 1 <= model.top_k <= model.experts_per_layer


def test_mixtral_has_the_figures_of_its_config() -> None:
    mixtral = zoo_model("mixtral-8x7b")
    assert mixtral.hidden_state_bytes == 8192
    assert mixtral.expert_flop == 2 * 3 * 4096 * 14336
    assert mixtral.group_flop == 2 * mixtral.expert_flop
    assert mixtral.model() == Model("mixtral-8x7b", 32, 8, 2, 352_321_536)
    assert mixtral.model(layers=4) == Model("mixtral-8x7b", 4, 8, 2, 352_321_536)


def test_the_zoo_is_read_only() -> None:
    with pytest.raises(TypeError):
        zoo()["mine"] = zoo_model("dbrx")


def test_unknown_names_are_met_with_close_ones() -> None:
    with pytest.raises(InstanceError, match=r"^models\[1\]: is 'Mixtral-7x8b', expected .*mixtral-8x7b"):
        zoo_model("Mixtral-7x8b", "models[1]")


@pytest.mark.parametrize("layers", [0, 33])
def test_layers_that_a_model_does_not_have_are_refused(layers: int) -> None:
    with pytest.raises(InstanceError, match=f"^layers: is {layers}, expected 1 to 32"):
        zoo_model("mixtral-8x7b").model(layers)
