"""Write a routing trace of Parquet batch by batch, with the facts of its model (docs/FILES.md)."""

from __future__ import annotations

from collections.abc import Sequence
from types import TracebackType
from typing import IO, Any, Final, Self

import numpy as np
import pyarrow
import pyarrow.parquet

from slimbench.instances.problem.arrays import IntArray, offsets_of
from slimbench.instances.traces.facts import FACTS_KEY, encode_facts
from slimbench.instances.traces.recording.routers import Choices
from slimbench.instances.zoo import ZooModel

WEIGHT_DECIMALS: Final = 4  # gate weights are there to be looked at
_BATCH_ROWS: Final = 2**16  # of a row group at least


class TraceWriter:
    """Writes one model's rows, a layer's after another.

    Parameters
    ----------
    file : binary file
    column : str
        ``user`` or ``task``.
    model : str
        Its name.
    calls : (layers, experts) int64
        To each expert's number its calls are added.

    Attributes
    ----------
    rows, dropped : int
        Rows written, and tokens of a layer that called no expert and have none.
    top_k : int
        Most experts of a row.
    """

    def __init__(self, file: IO[bytes], column: str, model: str, calls: IntArray) -> None:
        self.rows = self.dropped = self.top_k = 0
        self._column, self._model, self._calls = column, model, calls
        self._waiting: list[Any] = []
        schema = pyarrow.schema(
            {
                column: pyarrow.string(),
                "model": pyarrow.string(),
                "layer": pyarrow.int16(),
                "experts": pyarrow.list_(pyarrow.int32()),
                "weights": pyarrow.list_(pyarrow.float32()),
                "token": pyarrow.int64(),
            }
        )
        self._writer = pyarrow.parquet.ParquetWriter(
            file,
            schema,
            compression="zstd",
            use_dictionary=[column, "model", "layer", "experts.list.element", "weights.list.element"],
            column_encoding={"token": "DELTA_BINARY_PACKED"},
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._writer.close()

    def write(self, user: str, first_token: int, layers: Sequence[Choices]) -> None:
        """Rows of consecutive tokens of one user in every layer."""
        for layer, choices in enumerate(layers):
            called = choices.experts >= 0
            sizes = called.sum(axis=1)
            tokens = np.flatnonzero(sizes)
            experts = choices.experts[called]
            offsets = pyarrow.array(offsets_of(sizes[tokens]), pyarrow.int32())
            weights = np.round(choices.weights[called], WEIGHT_DECIMALS).astype(np.float32)
            columns = {
                self._column: pyarrow.repeat(user, len(tokens)),
                "model": pyarrow.repeat(self._model, len(tokens)),
                "layer": pyarrow.repeat(pyarrow.scalar(layer, pyarrow.int16()), len(tokens)),
                "experts": _lists(offsets, pyarrow.array(experts, pyarrow.int32())),
                "weights": _lists(offsets, pyarrow.array(weights)),
                "token": pyarrow.array(first_token + tokens, pyarrow.int64()),
            }
            self._waiting.append(pyarrow.table(columns))
            self.rows += len(tokens)
            self.dropped += len(sizes) - len(tokens)
            self.top_k = max(self.top_k, int(sizes.max()))
            self._calls[layer] += np.bincount(experts, minlength=self._calls.shape[1])
        if sum(table.num_rows for table in self._waiting) >= _BATCH_ROWS:
            self._flush()

    def finish(self, facts: ZooModel) -> None:
        """Write what is waiting, and let the file carry the facts of the model."""
        self._flush()
        self._writer.add_key_value_metadata({FACTS_KEY: encode_facts(facts)})

    def _flush(self) -> None:
        self._writer.write_table(pyarrow.concat_tables(self._waiting))
        self._waiting = []


def _lists(offsets: Any, values: Any) -> Any:
    return pyarrow.ListArray.from_arrays(offsets, values)
