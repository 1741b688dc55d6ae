"""The results folder of an adaptive suite: tables as CSV, everything as JSON, instances as files."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd

from slimbench.bench.adaptive.course import Course
from slimbench.bench.adaptive.tables import Played, period_table, policy_table, sequence_table
from slimbench.bench.results.export import spreadsheet_safe
from slimbench.bench.store.store import StoreError
from slimbench.instances.files.files import write_atomically

FILE_NAME: Final = "adaptive.json"
TABLES: Final = ("sequences", "policies", "periods")


@dataclass(frozen=True)
class AdaptiveResults:
    """What a suite's policies did.

    Attributes
    ----------
    name : str
        Of the suite.
    sequences, policies, periods : DataFrame
        Columns in docs/ADAPTIVE.md.
    provenance : dict of str
    """

    name: str
    sequences: pd.DataFrame
    policies: pd.DataFrame
    periods: pd.DataFrame
    provenance: dict[str, str]

    @classmethod
    def of(cls, name: str, all_played: list[Played], provenance: dict[str, str]) -> AdaptiveResults:
        """The tables of all sequences."""
        return cls(
            name, sequence_table(all_played), policy_table(all_played), period_table(all_played), provenance
        )


def refuse_adaptive_results(folder: Path) -> None:
    """Raise ``StoreError`` if a folder has results."""
    if (folder / FILE_NAME).exists():
        raise StoreError(f"{folder}: has results already, expected another folder")


def write_results(results: AdaptiveResults, all_played: list[Played], folder: Path) -> None:
    """Write ``sequences.csv``, ``policies.csv``, ``periods.csv`` and ``adaptive.json``, each as a whole.

    Raises
    ------
    StoreError
        If the folder cannot be written.
    """
    contents = {
        f"{name}.csv": spreadsheet_safe(getattr(results, name)).to_csv(index=False, lineterminator="\n")
        for name in TABLES
    }
    contents[FILE_NAME] = json.dumps(_object(results, all_played), indent=1)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in contents.items():
            write_atomically(folder / name, text.encode("utf-8", errors="replace"))
    except OSError as error:
        raise StoreError(f"{folder}: cannot be written ({error.strerror})") from None


def sequence_folder(folder: Path, sequence_hash: str) -> Path:
    """Where the instances of a sequence lie: names never become paths."""
    return folder / "sequences" / sequence_hash[:16]


def _object(results: AdaptiveResults, all_played: list[Played]) -> dict[str, Any]:
    return {
        "format": "slimbench.adaptive",
        "version": 1,
        "name": results.name,
        "provenance": results.provenance,
        **{name: _rows(getattr(results, name)) for name in TABLES},
        "placements": [
            {
                "sequence": one.named.sequence.name,
                "policy": course.call.label,
                "bits": [_bits(course, t) for t in range(len(course.steps))],
            }
            for one in all_played
            for course in one.courses
        ],
    }


def _bits(course: Course, period: int) -> str:
    """The placement of a period, (N, X) row by row, eight experts a byte, in base64."""
    holds = course.steps[period].placement.holds
    return base64.b64encode(np.packbits(holds).tobytes()).decode("ascii")


def _rows(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Rows as JSON can hold them, to the last bit; null for what is not a finite number."""
    plain = frame.replace([np.inf, -np.inf], np.nan).astype(object)
    plain = plain.where(plain.notna(), None)
    return [
        {str(key): value.item() if isinstance(value, np.generic) else value for key, value in row.items()}
        for row in plain.to_dict("records")
    ]
