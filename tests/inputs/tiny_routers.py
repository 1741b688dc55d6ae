"""Tiny models of every family with random weights; what their routers choose, worked out in another way."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import transformers

torch.set_num_threads(1)  # small products are slower on two

COMMON = {
    "vocab_size": 300,
    "hidden_size": 16,
    "intermediate_size": 24,
    "num_hidden_layers": 3,
    "num_attention_heads": 2,
    "num_key_value_heads": 2,
    "max_position_embeddings": 64,
}
DEEPSEEK = COMMON | {
    "n_routed_experts": 8,
    "num_experts_per_tok": 2,
    "n_group": 4,
    "topk_group": 2,
    "moe_intermediate_size": 12,
    "n_shared_experts": 2,
    "first_k_dense_replace": 1,
    "kv_lora_rank": 8,
    "q_lora_rank": None,
    "qk_nope_head_dim": 8,
    "qk_rope_head_dim": 4,
    "v_head_dim": 8,
}


@dataclass(frozen=True)
class Family:
    """A family: a model with its head, which of its modules are routers, and what a router would choose.

    ``chosen(router, hidden)`` gives (T, K) expert ids from the (T, H) states that the router was given.
    """

    name: str
    config: Callable[[], Any]
    model: Any
    router: str
    chosen: Callable[[Any, np.ndarray], np.ndarray]
    layers: int
    experts: int
    top_k: int
    params_per_expert: int
    matrices: int
    shared: int = 0


def logits(router: Any, hidden: np.ndarray) -> np.ndarray:
    return hidden @ array(router.weight).T


def array(tensor: torch.Tensor) -> np.ndarray:
    return tensor.detach().double().numpy()


def best(scores: np.ndarray, count: int) -> np.ndarray:
    return np.argsort(-scores, axis=1, kind="stable")[:, :count]


def largest(router: Any, hidden: np.ndarray) -> np.ndarray:
    return best(logits(router, hidden), router.top_k)


def largest_with_bias(router: Any, hidden: np.ndarray) -> np.ndarray:
    return best(logits(router, hidden) + array(router.bias), router.top_k)


def best_of_groups(scores: np.ndarray, of_group: Callable[[np.ndarray], float], router: Any) -> np.ndarray:
    """One token after another: the best experts of the groups that are best by ``of_group``."""
    chosen = []
    for row in scores:
        groups = np.split(row, router.num_group)
        kept = np.argsort([-of_group(group) for group in groups])[: router.topk_group]
        allowed = [e for e in range(len(row)) if e // len(groups[0]) in kept]
        chosen.append(sorted(allowed, key=lambda e: -row[e])[: router.top_k])
    return np.array(chosen)


def deepseek_v2(router: Any, hidden: np.ndarray) -> np.ndarray:
    return best_of_groups(logits(router, hidden), np.max, router)


def deepseek_v3(router: Any, hidden: np.ndarray) -> np.ndarray:
    """Chosen with the correction bias, weighted (and so ordered) without it."""
    scores = 1 / (1 + np.exp(-logits(router, hidden)))
    with_bias = scores + array(router.e_score_correction_bias)
    chosen = best_of_groups(with_bias, lambda group: np.sort(group)[-2:].sum(), router)
    order = np.argsort(-np.take_along_axis(scores, chosen, axis=1), axis=1)
    return np.take_along_axis(chosen, order, axis=1)


def switch(router: Any, hidden: np.ndarray) -> np.ndarray:
    """One token after another, each to its best expert while that has room; -1 if it has none."""
    room = dict.fromkeys(range(router.num_experts), router.expert_capacity)
    chosen = []
    for row in hidden @ array(router.classifier.weight).T:
        expert = int(np.argmax(row))
        chosen.append([expert if room[expert] > 0 else -1])
        room[expert] -= 1
    return np.array(chosen)


FAMILIES = [
    Family("mixtral", lambda: transformers.MixtralConfig(**COMMON, num_local_experts=4),
           transformers.MixtralForCausalLM, "gate", largest, 3, 4, 2, 3 * 16 * 24, 3),
    Family("qwen2-moe", lambda: transformers.Qwen2MoeConfig(
               **COMMON, num_experts=6, num_experts_per_tok=3, moe_intermediate_size=12,
               shared_expert_intermediate_size=24),
           transformers.Qwen2MoeForCausalLM, "gate", largest, 3, 6, 3, 3 * 16 * 12, 3, 2),
    Family("qwen3-moe", lambda: transformers.Qwen3MoeConfig(
               **COMMON, num_experts=6, num_experts_per_tok=3, moe_intermediate_size=12, mlp_only_layers=[1]),
           transformers.Qwen3MoeForCausalLM, "gate", largest, 2, 6, 3, 3 * 16 * 12, 3),
    Family("olmoe", lambda: transformers.OlmoeConfig(**COMMON, num_experts=8, num_experts_per_tok=4),
           transformers.OlmoeForCausalLM, "gate", largest, 3, 8, 4, 3 * 16 * 24, 3),
    Family("deepseek-v2", lambda: transformers.DeepseekV2Config(
               **DEEPSEEK, topk_method="group_limited_greedy"),
           transformers.DeepseekV2ForCausalLM, "gate", deepseek_v2, 2, 8, 2, 3 * 16 * 12, 3, 2),
    Family("deepseek-v3", lambda: transformers.DeepseekV3Config(**DEEPSEEK),
           transformers.DeepseekV3ForCausalLM, "gate", deepseek_v3, 2, 8, 2, 3 * 16 * 12, 3, 2),
    Family("gpt-oss", lambda: transformers.GptOssConfig(
               **COMMON, head_dim=8, num_local_experts=4, num_experts_per_tok=2),
           transformers.GptOssForCausalLM, "router", largest_with_bias, 3, 4, 2,
           3 * 16 * 24 + 2 * 24 + 16, 3),
    Family("switch", lambda: transformers.SwitchTransformersConfig(
               vocab_size=300, d_model=16, d_kv=8, d_ff=24, num_layers=2, num_decoder_layers=2, num_heads=2,
               num_sparse_encoder_layers=1, num_sparse_decoder_layers=1, num_experts=4, expert_capacity=5,
               decoder_start_token_id=0),
           transformers.SwitchTransformersForConditionalGeneration, "router", switch, 2, 4, 1,
           2 * 16 * 24, 2),
]  # fmt: skip


def made(family: Family) -> Any:
    """A model with random weights in which no router is at its initial zeros."""
    torch.manual_seed(3)
    model = family.model(family.config())
    with torch.no_grad():
        for name, tensor in [*model.named_parameters(), *model.named_buffers()]:
            if "experts" not in name and any(part in name for part in (".gate.", ".router.")):
                tensor.copy_(torch.randn_like(tensor))
    return model.eval()


def routers(family: Family, model: Any) -> list[Any]:
    return [
        module for name, module in model.named_modules()
        if name.endswith(f"mlp.{family.router}") and hasattr(module, "num_experts")
    ]  # fmt: skip


def expected(family: Family, model: Any, windows: list[list[int]]) -> list[list[np.ndarray]]:
    """For each window and MoE layer (T, K), what the router chooses from the states that it was given."""
    seen: list[np.ndarray] = []
    hooks = [
        router.register_forward_pre_hook(
            lambda _, args: seen.append(args[0].double().reshape(-1, args[0].shape[-1]).numpy())
        )
        for router in routers(family, model)
    ]
    found = []
    for ids in windows:
        batch = torch.tensor([ids])
        decoder = {}
        if model.config.is_encoder_decoder:
            decoder["decoder_input_ids"] = torch.tensor([[0, *ids[:-1]]])
        with torch.inference_mode():
            model(input_ids=batch, **decoder)
        found.append([family.chosen(r, s) for r, s in zip(routers(family, model), seen, strict=True)])
        seen.clear()
    for hook in hooks:
        hook.remove()
    return found
