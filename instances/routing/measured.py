"""Read published measurements of routing, of Mixtral and of Qwen1.5-MoE."""

from __future__ import annotations

import re
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec
import numpy as np

from slimbench.instances.files.bounded import MAX_TEXT_BYTES, read_content, read_lines
from slimbench.instances.files.files import naming_file
from slimbench.instances.files.records import Choice, naming_field
from slimbench.instances.problem.arrays import IndexArray, IntArray
from slimbench.instances.problem.errors import InstanceError
from slimbench.instances.problem.validation import MAX_ACTIVATIONS
from slimbench.instances.routing.activations import Routed, merged
from slimbench.instances.routing.log import RoutingLog
from slimbench.instances.routing.recipe import Count
from slimbench.instances.sampling.conditional_poisson import conditional_poisson
from slimbench.instances.zoo import zoo_model

MIXTRAL: Final = "mixtral-8x7b"
QWEN: Final = "qwen1.5-moe-a2.7b"


class MixtralFiddler(Choice, frozen=True, kw_only=True, tag="mixtral-fiddler"):
    """Mixtral-8x7B-Instruct on MMLU subjects (github.com/efeslab/fiddler, branch popularity, Apache-2.0).

    Parameters
    ----------
    path : str
        Folder of the measured files, one a subject.
    device_experts : int
        Most-used experts of each layer that a device holds itself.
    """

    path: str = "mixtral-fiddler"
    device_experts: Count = 0


class QwenVllm(Choice, frozen=True, kw_only=True, tag="qwen15-moe-vllm"):
    """Qwen1.5-MoE-A2.7B-Chat on GSM8K questions (github.com/weiran0129/vLLM-MoE-Logger, Logs).

    Parameters
    ----------
    path : str
        Folder of the measured files, one a layer.
    device_experts : int
        Most-used experts of each layer that a device holds itself.
    """

    path: str = "qwen15-moe-vllm"
    device_experts: Count = 0


# Counts


class _Fiddler(msgspec.Struct):
    total_input_tokens: int
    expert_popularity: list[list[Count]]


def read_fiddler_counts(path: Path, top_k: int = 2) -> IntArray:
    """How often each expert was chosen: (layers, experts) int64.

    Every row adds up to ``top_k`` times the routed tokens. These are more than the file's
    ``total_input_tokens``, by 35 to 67 % in the published files, so that field is not used.

    Raises
    ------
    InstanceError
        If rows differ in length or sum, the sum is no multiple of ``top_k``, or an expert has more than one
        count a token.
    """
    with naming_file(path):
        with naming_field():
            rows = msgspec.json.decode(read_content(path, MAX_TEXT_BYTES), type=_Fiddler).expert_popularity
        for layer, row in enumerate(rows):
            field = f"expert_popularity[{layer}]"
            if len(row) != len(rows[0]):
                raise InstanceError(field, f"has {len(row)} experts, expected {len(rows[0])} as in layer 0")
            if sum(row) != sum(rows[0]) or sum(row) % top_k or not sum(row):
                raise InstanceError(
                    field, f"adds up to {sum(row)}, expected {top_k} x tokens, the same in every layer"
                )
            if max(row) > sum(row) // top_k:
                raise InstanceError(
                    field, f"has a count of {max(row)}, expected at most the {sum(row) // top_k} tokens"
                )
        if not rows:
            raise InstanceError("expert_popularity", "is empty, expected one row a layer")
        return np.array(rows, np.int64)


def mixtral_routing(folder: Path, users: int, layers: int | None = None) -> Routed:
    """Subjects as kinds of users, dealt in turn: user u is of kind u modulo their number.

    Users have equal shares of the tokens; a rate is the probability of the group over the number of users.
    """
    zoo = zoo_model(MIXTRAL)
    files = _files(folder, r"(.+)\.json")
    counts = np.stack(_same_shape([read_fiddler_counts(path, zoo.top_k) for path in files], files))
    if counts.shape[2] != zoo.experts_per_layer:
        raise InstanceError(
            "expert_popularity", f"has {counts.shape[2]} experts, expected {zoo.experts_per_layer}", files[0]
        )
    model = zoo.model(_measured_layers(layers, counts.shape[1]))
    counts = counts[:, : model.layers]
    tokens = counts[:, :1].sum(axis=2, keepdims=True) / zoo.top_k
    groups, flat = conditional_poisson((counts / tokens).reshape(-1, counts.shape[2]), zoo.top_k)
    probabilities = flat.reshape(len(files), model.layers, len(groups))
    if users * model.layers * len(groups) > MAX_ACTIVATIONS:
        most = MAX_ACTIVATIONS // (model.layers * len(groups))
        raise InstanceError("network.users", f"are {users}, expected at most {most} with this routing")
    user, layer, group = np.meshgrid(
        np.arange(users), np.arange(model.layers), np.arange(len(groups)), indexing="ij"
    )
    rates = probabilities[user % len(files), layer, group] / users
    subjects = [path.stem for path in files]
    return Routed(
        merged(user.ravel(), np.zeros(user.size), layer.ravel(), rates.ravel(), groups[group.ravel()]),
        (model,),
        (zoo,),
        tuple(f"u{u}-{subjects[u % len(files)]}" for u in range(users)),
        f"{MIXTRAL}: expert counts measured ({len(files)} MMLU subjects as kinds of users, Fiddler); "
        "pairs drawn, not measured: conditional Poisson fitted to the measured counts",
    )


# Tokens


@dataclass(frozen=True, eq=False)
class VllmRoutes:
    """The measured tokens of one layer.

    Parameters
    ----------
    layer : int
    groups : (T, k) int32
        Experts of each token, ascending; warm-up rows are not in it.
    dropped : int
        Warm-up rows left out.
    """

    layer: int
    groups: IndexArray
    dropped: int


def read_vllm_routes(path: Path) -> VllmRoutes:
    """Read JSON lines (``.gz`` or plain) of vLLM-MoE-Logger.

    Warm-up rows are left out (``RoutingLog``), and the log must be of one layer.

    Raises
    ------
    InstanceError
        Naming file, line and field of the first fault.
    """
    with naming_file(path), closing(read_lines(path, MAX_TEXT_BYTES)) as lines:
        log = RoutingLog(lines)
        logged = log.facts.layers_logged
        if len(logged) > 1:
            raise InstanceError("line 1: layers_logged", f"is {logged}, expected one layer")
        groups = [sorted(route.topk_ids) for _, route in log]
        if not groups:
            raise InstanceError("", "has no measured tokens, expected routes other than warm-up")
        return VllmRoutes(logged[0], np.array(groups, np.int32), log.dropped)


def qwen_routing(folder: Path, users: int, rng: np.random.Generator, layers: int | None = None) -> Routed:
    """Measured groups, each token given to one user at random, in parts of equal size (but for one token).

    The model keeps only the measured layers, numbered from 0 in their order. A rate is the share of the group
    among the user's tokens, over the number of users.
    """
    zoo = zoo_model(QWEN)
    files = _files(folder, r"(.+)\.jsonl(\.gz)?")
    measured = [read_vllm_routes(path) for path in files]
    for path, routes in zip(files, measured, strict=True):
        if routes.groups.shape[1] != zoo.top_k or routes.groups.max() >= zoo.experts_per_layer:
            raise InstanceError(
                "topk_ids", f"expected {zoo.top_k} of {zoo.experts_per_layer} experts, as {QWEN} has", path
            )
        if len(routes.groups) < users:
            raise InstanceError(
                "", f"has {len(routes.groups)} tokens, expected one or more for {users} users", path
            )
    measured = sorted(measured, key=lambda routes: routes.layer)[: _measured_layers(layers, len(files))]
    keys = rng.random(max(len(routes.groups) for routes in measured))
    # Layers of one length, as published, give the same token to the same user in all of them.
    owners = [np.argsort(np.argsort(keys[: len(routes.groups)])) % users for routes in measured]
    rates = [1 / (users * np.bincount(owner, minlength=users)[owner]) for owner in owners]
    numbers = np.repeat(np.arange(len(measured)), [len(owner) for owner in owners])
    users_of_rows = np.concatenate(owners)
    groups = np.concatenate([routes.groups for routes in measured])
    dropped = [f"{r.dropped:,} of {r.dropped + len(r.groups):,}" for r in measured]
    return Routed(
        merged(users_of_rows, np.zeros(len(numbers)), numbers, np.concatenate(rates), groups),
        (zoo.model(len(measured)),),
        (zoo,),
        tuple(f"u{u}" for u in range(users)),
        f"{QWEN}: groups measured in layers {_listed([r.layer for r in measured])} of {zoo.moe_layers} "
        f"(vLLM-MoE-Logger, GSM8K); which user a token belongs to is drawn; "
        f"{_listed(list(dict.fromkeys(dropped)))} rows of each layer dropped as warm-up",
    )


def _measured_layers(layers: int | None, measured: int) -> int:
    if layers is not None and not 1 <= layers <= measured:
        raise InstanceError("layers", f"is {layers}, expected 1 to {measured}, the measured layers")
    return layers or measured


def _files(folder: Path, pattern: str) -> list[Path]:
    if not folder.is_dir():
        raise InstanceError(
            "routing.path", "is not a folder, expected the measured files in the data folder", folder
        )
    files = sorted(path for path in folder.iterdir() if re.fullmatch(pattern, path.name))
    if not files:
        raise InstanceError("routing.path", f"has no measured files, expected names like {pattern}", folder)
    return files


def _same_shape(counts: Sequence[IntArray], files: Sequence[Path]) -> Sequence[IntArray]:
    for table, path in zip(counts, files, strict=True):
        if table.shape != counts[0].shape:
            raise InstanceError(
                "expert_popularity", f"has shape {table.shape}, expected {counts[0].shape}", path
            )
    return counts


def _listed(items: Sequence[object]) -> str:
    return ", ".join(map(str, items))
