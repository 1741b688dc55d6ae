"""Where runs are executed: names, and what goes with a scheduler."""

import pytest

from slimbench.bench.execution.errors import ExecutorError
from slimbench.bench.execution.executor import make_executor


@pytest.mark.parametrize(("name", "scheduler"), [("dask", None), ("serial", "tcp://x:1"), ("threads", None)])
def test_an_executor_that_cannot_be_made_is_told(name, scheduler):
    with pytest.raises(ExecutorError, match=r"expected one of|goes with --scheduler"):
        make_executor(name, 1, 1, scheduler)
