"""Make the shipped traces anew, as ``nox -s record-tiny`` does."""

from __future__ import annotations

import argparse
import json
import multiprocessing
import platform
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from typing import Final

import torch
import transformers

from slimbench.instances.files.files import write_atomically
from tiny_moe.making import SEED, make_trace
from tiny_moe.readme import readme
from tiny_moe.train import TINY_MODELS

STEPS: Final = 300
RECORDED_TOKENS: Final = 4096  # of each user
DATA: Final = Path(__file__).parents[2] / "instances" / "data" / "tiny-moe"


def main() -> None:
    """Write traces, figures and README into a folder; both models at a time, one thread each."""
    parser = argparse.ArgumentParser(prog="tiny_moe", description=main.__doc__)
    parser.add_argument("--out", type=Path, default=DATA)
    parser.add_argument("--steps", type=int, default=STEPS)
    parser.add_argument("--recorded-tokens", type=int, default=RECORDED_TOKENS)
    asked = parser.parse_args()
    asked.out.mkdir(parents=True, exist_ok=True)
    make = partial(make_trace, out=asked.out, steps=asked.steps, recorded_tokens=asked.recorded_tokens)
    with ProcessPoolExecutor(len(TINY_MODELS), multiprocessing.get_context("spawn")) as pool:
        traces = list(pool.map(make, TINY_MODELS))
    figures = {
        "python": platform.python_version(),
        "torch": torch.__version__,
        "transformers": transformers.__version__,
        "seed": SEED,
        "traces": traces,
    }
    write_atomically(asked.out / "figures.json", json.dumps(figures, indent=1).encode() + b"\n")
    write_atomically(asked.out / "README.md", readme(figures).encode())


if __name__ == "__main__":
    main()
