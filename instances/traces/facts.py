"""Read and write the facts of a model in the metadata of a Parquet trace."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import msgspec

from slimbench.instances.files.files import naming_file
from slimbench.instances.files.records import naming_field
from slimbench.instances.problem.errors import InstanceError
from slimbench.instances.problem.validation import MAX_EXPERTS
from slimbench.instances.traces.parquet_sizes import key_values
from slimbench.instances.zoo import BYTES_PER_BF16, ZooModel

FACTS_KEY: Final = b"slimbench.model"  # of the file's metadata: a JSON object of the fields of ZooModel
MAX_FACTS_BYTES: Final = 2**16
MAX_PARAMS: Final = 2**50


def encode_facts(model: ZooModel) -> bytes:
    """The metadata of a trace of this model."""
    return msgspec.json.encode(model)


def read_facts(path: Path) -> ZooModel | None:
    """The model that a trace carries facts of; none if it is not Parquet or has no such metadata.

    Raises
    ------
    InstanceError
        If they are not what they must be, naming the field.
    """
    if path.suffix != ".parquet":
        return None
    with naming_file(path):
        content = key_values(path).get(FACTS_KEY)
        if content is None:
            return None
        place = FACTS_KEY.decode()
        if len(content) > MAX_FACTS_BYTES:
            raise InstanceError(place, f"has {len(content)} bytes, expected at most {MAX_FACTS_BYTES}")
        with naming_field(place):
            model = msgspec.json.decode(content, type=ZooModel)
        _check(model, place)
        return model


def _check(model: ZooModel, place: str) -> None:
    ranges = {
        "moe_layers": (1, MAX_EXPERTS),
        "experts_per_layer": (1, MAX_EXPERTS // max(1, model.moe_layers)),
        "shared_experts": (0, MAX_EXPERTS),
        "top_k": (1, model.experts_per_layer),
        "hidden_size": (1, MAX_PARAMS),
        "expert_intermediate_size": (1, MAX_PARAMS),
        "matrices_per_expert": (1, MAX_PARAMS),
        "params_per_expert": (1, MAX_PARAMS // (max(1, model.moe_layers) * max(1, model.experts_per_layer))),
    }
    for name, (low, high) in ranges.items():
        if not low <= (value := getattr(model, name)) <= high:
            raise InstanceError(f"{place}: {name}", f"is {value}, expected {low} to {high}")
    products = {
        "bytes_per_expert_bf16": BYTES_PER_BF16 * model.params_per_expert,
        "routed_params_total": model.moe_layers * model.experts_per_layer * model.params_per_expert,
    }
    for name, expected in products.items():
        if (value := getattr(model, name)) != expected:
            raise InstanceError(f"{place}: {name}", f"is {value}, expected {expected} by the other fields")
