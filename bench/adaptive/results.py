"""The results folder of an adaptive suite: tables as CSV, everything as JSON, instances as files."""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd

from slimbench.bench.adaptive.regret import SequenceResult
from slimbench.bench.isolation.messages import PackedPlacement
from slimbench.bench.results.export import spreadsheet_safe
from slimbench.bench.store.store import StoreError
from slimbench.instances.files.files import write_atomically

FILE_NAME: Final = "adaptive.json"
TABLES: Final = ("sequences", "policies", "periods")


@dataclass(frozen=True)
class AdaptiveResults:
    """Tables of an adaptive suite, with the columns of docs/ADAPTIVE.md.

    Attributes
    ----------
    name : str
        Of the suite.
    sequences, policies, periods : DataFrame
    provenance : dict of str
    """

    name: str
    sequences: pd.DataFrame
    policies: pd.DataFrame
    periods: pd.DataFrame
    provenance: dict[str, str]


def refuse_adaptive_results(folder: Path) -> None:
    """Raise ``StoreError`` if a folder has results."""
    if (folder / FILE_NAME).exists():
        raise StoreError(f"{folder}: has results already, expected another folder")


def write_results(results: AdaptiveResults, done: Sequence[SequenceResult], folder: Path) -> None:
    """Write ``sequences.csv``, ``policies.csv``, ``periods.csv`` and ``adaptive.json``, each atomically.

    Raises
    ------
    StoreError
        If the folder cannot be written.
    """
    content = {
        "format": "slimbench.adaptive",
        "version": 1,
        "name": results.name,
        "provenance": results.provenance,
        **{name: _rows(getattr(results, name)) for name in TABLES},
        "placements": [
            {
                "sequence": one.named.sequence.name,
                "policy": episode.call.label,
                "bits": [
                    base64.b64encode(PackedPlacement.pack(step.placement).bits).decode("ascii")
                    for step in episode.steps
                ],
            }
            for one in done
            for episode in one.episodes
        ],
    }
    texts = {
        f"{name}.csv": spreadsheet_safe(getattr(results, name)).to_csv(index=False, lineterminator="\n")
        for name in TABLES
    }
    texts[FILE_NAME] = json.dumps(content, indent=1)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in texts.items():
            write_atomically(folder / name, text.encode("utf-8", errors="replace"))
    except OSError as error:
        raise StoreError(f"{folder}: cannot be written ({error.strerror})") from None


def _rows(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Rows as JSON can hold them, to the last bit; null for what is not a finite number."""
    plain = frame.replace([np.inf, -np.inf], np.nan).astype(object)
    return [
        {str(key): value for key, value in row.items()}
        for row in plain.where(plain.notna(), None).to_dict("records")
    ]
