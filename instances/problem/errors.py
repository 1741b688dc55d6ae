"""InstanceError, which malformed data raise."""

from __future__ import annotations

from pathlib import Path
from typing import Final

LONGEST: Final = 600  # characters told of a field or a problem: both may quote what a file says


class InstanceError(ValueError):
    """An instance, placement, trace or generator parameter is not what it must be.

    Parameters
    ----------
    field : str
        Where the fault is, in the words of the file format, such as ``activations[3].rate``.
    problem : str
        What is wrong and what was expected.
    file : Path, optional
        The file that was read, if any.
    """

    def __init__(self, field: str, problem: str, file: Path | None = None) -> None:
        field, problem = shortened(field), shortened(problem)
        self.field, self.problem, self.file = field, problem, file
        message = ": ".join([*([str(file)] if file else []), *([field] if field else []), problem])
        super().__init__(one_line(message))

    def in_file(self, file: Path) -> InstanceError:
        """The same error, naming the file it was found in."""
        return InstanceError(self.field, self.problem, file)


def shortened(text: str) -> str:
    """A text for a message, its middle left out if it is long."""
    return text if len(text) <= LONGEST else f"{text[: LONGEST // 2]} ... {text[-LONGEST // 2 :]}"


def one_line(message: str) -> str:
    """A message in which line ends and what cannot be seen are written out."""
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in message)
