"""Every reader of files that nobody vouches for: what it is given, and how it may refuse."""

from __future__ import annotations

import contextlib
import functools
import io
import json
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from random import Random
from typing import Any
from unittest.mock import patch

import numpy as np
from fuzz.archives import changed_archive, changed_gzip
from fuzz.documents import changed_document, changed_toml
from fuzz.mutation import changed_bytes
from fuzz.reader import Reader
from fuzz.rows import JSON_FRAGMENTS, changed_csv, changed_json_lines, changed_parquet
from fuzz.run_folders import changed_results, run_folder
from libraries import index_document, small_library
from samples import TWO_CELLS, TWO_CELLS_PLACEMENT, placed, two_cells
from suite_text import ENTRY, HEAD

from slimbench.bench.execution.verification import verify_run
from slimbench.bench.library.records import described
from slimbench.bench.results.results import load_results
from slimbench.bench.store.store import FILE_NAME, StoreError
from slimbench.bench.suites import suite_instances
from slimbench.bench.suites.suite import SuiteError, read_suite
from slimbench.formulations import ContradictionError
from slimbench.instances import (
    Instance,
    InstanceError,
    Model,
    read_instance,
    read_placement,
)
from slimbench.instances.files import json_format, npz_format
from slimbench.instances.generators.generate import Recipe, make_instance
from slimbench.instances.library.index import read_index
from slimbench.instances.library.library import Library, read_library
from slimbench.instances.routing.measured import read_fiddler_counts, read_vllm_routes
from slimbench.instances.traces.counts import count_trace
from slimbench.instances.traces.traces import read_trace

MODELS = [Model("toy", 2, 4, 2, 1), Model("other", 1, 8, 3, 1)]
SUITE = (
    f"{HEAD}seed = 7\nrepeats = 3\ndescription = 'all'\n"
    "[limits]\ntime_s = 2\nmemory_mb = 512\n"
    '[reference]\nsolver = "exact"\ncross_check = ["milp"]\ntime_s = 4.5\n'
    f'[[instances]]\n{ENTRY}seed = [1, 2]\nwithout = ["random"]\nrouting = {{ kind = "zipf", tokens = 4 }}\n'
    '[[instances]]\nfile = "a.json"\n[[instances]]\nlibrary = "dr*"\n'
    '[[instances]]\nscenario = "metro-tree"\nlayers = 1\nnetwork = { servers = 2, users = 3 }\n'
    "routing = { tokens = 4 }\n"
)
FIDDLER = {"total_input_tokens": 3, "expert_popularity": [[2, 1, 1], [1, 2, 1]]}
VLLM: list[Any] = [
    {"type": "meta", "layers_logged": [3], "top_k": 2},
    {"type": "route", "layer": 3, "topk_ids": [0, 1]},
    {"type": "route", "layer": 3, "topk_ids": [1, 2]},
]
FOUND = {"saving_s": 0.05, "by": "A. Name", "version": "", "date": "2026-01-01"}
LIBRARY_RECORDS = {
    "bounds": [
        FOUND | {"library": "prices+highspy"},
        FOUND | {"library": "ortools", "refuted": "yes"},
    ],
    "history": [FOUND],
}
DRAWN_TOKENS = 2**12  # a recipe that draws more is not followed


def _document(rng: Random, document: Any) -> bytes:
    if rng.random() < 0.4:
        return changed_bytes(rng, json.dumps(document).encode(), JSON_FRAGMENTS)
    return changed_document(rng, document)


def _instance_document(rng: Random) -> bytes:
    return _document(rng, placed(TWO_CELLS) if rng.random() < 0.5 else TWO_CELLS)


@functools.cache
def _arrays() -> Mapping[str, Any]:
    instance = json_format.decode_instance(json.dumps(placed(TWO_CELLS)).encode())
    with np.load(io.BytesIO(npz_format.encode_instance(instance))) as file:
        return dict(file)


def _read_trace(path: Path) -> None:
    """Read a trace, and if that goes well a part of its tokens."""
    read_trace(path, MODELS)
    count_trace(path, MODELS, part=(0.0, 0.5), max_groups=1).activations(min_support=2)


def _use(instance: Instance) -> str:
    return instance.sha256


def _read_suite(path: Path) -> None:
    """Read a suite and its instances, of a small library; recipes that draw much are not followed."""
    file = read_suite(str(path))
    folder = file.folder
    if not (folder / "a.json").exists():
        (folder / "a.json").write_text(json.dumps(TWO_CELLS))
        small_library(folder / "library")
    library = functools.partial(read_library, folder / "library")
    with (
        patch.object(suite_instances, "make_instance", _make_small),
        patch.object(suite_instances, "read_library", library),
    ):
        list(suite_instances.suite_instances(file.suite, folder, None))


def _read_results(path: Path) -> None:
    """Read and verify the finished run with this results file in place of its own."""
    folder = run_folder()[0]
    for suffix in ("", "-wal", "-shm", "-journal"):
        (folder / f"{FILE_NAME}{suffix}").unlink(missing_ok=True)
    shutil.copyfile(path, folder / FILE_NAME)
    load_results(folder)
    verify_run(folder)


def _make_small(recipe: Recipe, data: Path) -> tuple[Instance, str]:
    network, tokens = recipe.network, getattr(recipe.routing, "tokens", 1)
    if network.users * network.servers * tokens * len(recipe.models) > DRAWN_TOKENS:
        recipe = Recipe(name=recipe.name, dispatch=recipe.dispatch, models=("mixtral-8x7b",), layers=1)
    return make_instance(recipe, data)


@functools.cache
def _library_index() -> dict[str, Any]:
    """An index of two instances, one of them with records."""
    with tempfile.TemporaryDirectory() as name:
        small_library(Path(name))
        index = index_document(Path(name))
    index["instances"][1] |= LIBRARY_RECORDS
    return index


def _read_library(path: Path) -> None:
    """Read an index, make its file's instance, and say what its records prove."""
    (path.parent / "two-cells.json").write_text(json.dumps(TWO_CELLS))
    index = read_index(path)
    library = Library(path.parent, index)
    for entry in index.instances:
        library.matching(entry.name)
        with contextlib.suppress(ContradictionError):
            described(entry)
        if entry.recipe is None:
            library.placement(entry, library.instance(entry))


READERS: dict[str, Reader] = {
    "instance-json": Reader("fuzzed.json", _instance_document, lambda path: _use(read_instance(path))),
    "instance-json-gz": Reader(
        "fuzzed.json.gz",
        lambda rng: changed_gzip(rng, _instance_document(rng)),
        lambda path: _use(read_instance(path)),
    ),
    "instance-npz": Reader(
        "fuzzed.npz", lambda rng: changed_archive(rng, _arrays()), lambda path: _use(read_instance(path))
    ),
    "placement-json": Reader(
        "fuzzed.json",
        lambda rng: _document(rng, TWO_CELLS_PLACEMENT),
        lambda path: read_placement(path, two_cells()).violation(two_cells()),
    ),
    "trace-csv": Reader("fuzzed.csv", changed_csv, _read_trace),
    "trace-csv-gz": Reader(
        "fuzzed.csv.gz",
        lambda rng: changed_gzip(rng, changed_csv(rng)),
        _read_trace,
    ),
    "trace-jsonl": Reader("fuzzed.jsonl", changed_json_lines, _read_trace),
    "trace-parquet": Reader("fuzzed.parquet", changed_parquet, _read_trace),
    "measured-counts": Reader("fuzzed.json", lambda rng: _document(rng, FIDDLER), read_fiddler_counts),
    "measured-routes": Reader("fuzzed.jsonl", lambda rng: changed_json_lines(rng, VLLM), read_vllm_routes),
    "library-index": Reader("index.json", lambda rng: _document(rng, _library_index()), _read_library),
    "results": Reader("results.sqlite", changed_results, _read_results, (StoreError, InstanceError)),
    "suite": Reader(
        "fuzzed.toml",
        lambda rng: changed_toml(rng, SUITE),
        _read_suite,
        (SuiteError, InstanceError),
    ),
}
