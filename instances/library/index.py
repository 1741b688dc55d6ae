"""The index of an instance library: its tables, and reading it in full (docs/FILES.md)."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self

import msgspec

from slimbench.instances.files.bounded import read_content
from slimbench.instances.files.files import naming_file
from slimbench.instances.files.json_format import check_header
from slimbench.instances.files.records import naming_field
from slimbench.instances.problem.errors import InstanceError
from slimbench.instances.problem.fields import Dispatch
from slimbench.instances.problem.instance import Instance

INDEX_FORMAT: Final = "slimbench.library"
INDEX_NAME: Final = "index.json"
MAX_INDEX_BYTES: Final = 2**24

Size = Literal["small", "medium", "large"]
# Names become file names and patterns, so no separators, no leading dot; a file lies at most one folder deep.
_Name = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}\Z")]
FileName = Annotated[
    str, msgspec.Meta(pattern=r"^([A-Za-z0-9][A-Za-z0-9._-]{0,99}/)?[A-Za-z0-9][A-Za-z0-9._-]{0,99}\Z")
]
_Hash = Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{64}\Z")]
_Date = Annotated[str, msgspec.Meta(pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}\Z")]
_Text = Annotated[str, msgspec.Meta(max_length=400)]
_Person = Annotated[str, msgspec.Meta(min_length=1, max_length=100)]
_Seconds = Annotated[float, msgspec.Meta(ge=0, le=1e12)]  # not infinite
_Count = Annotated[int, msgspec.Meta(ge=0)]


class _Record(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A table of the index; its texts are printable."""

    def __post_init__(self) -> None:
        for field in self.__struct_fields__:
            value = getattr(self, field)
            if isinstance(value, str) and not value.isprintable():
                raise InstanceError(field, "has characters that cannot be shown, expected printable ones")


class Facts(_Record, frozen=True, kw_only=True):
    """What an instance is, so that a list need not make it.

    Attributes
    ----------
    servers, users, layers, experts, activations : int
        Layers and experts of all models together.
    top_k : int
        K: experts of the largest group, what a device holds itself not counted.
    capacity_share : float
        Mean capacity of a server as a share of the bytes of all experts.
    """

    dispatch: Dispatch
    servers: _Count
    users: _Count
    models: tuple[_Text, ...]
    layers: _Count
    experts: _Count
    top_k: _Count
    activations: _Count
    capacity_share: float

    @classmethod
    def of(cls, instance: Instance) -> Self:
        """The facts of an instance."""
        return cls(
            dispatch=instance.dispatch,
            servers=instance.n_servers,
            users=instance.n_users,
            models=tuple(model.name for model in instance.models),
            layers=instance.n_layers,
            experts=instance.n_experts,
            top_k=instance.max_group_size,
            activations=instance.n_activations,
            capacity_share=round(float(instance.capacities_bytes.mean() / instance.expert_bytes.sum()), 4),
        )


class Found(_Record, frozen=True, kw_only=True):
    """A placement's value and who found it.

    Attributes
    ----------
    by : str
        A solver as it is called, or a person.
    version : str
        Of the solver's sources and libraries; empty for a person.
    """

    saving_s: _Seconds
    by: _Person
    version: _Text = ""
    date: _Date


class Best(Found, frozen=True, kw_only=True):
    """The best placement known; ``placement`` is the SHA-256 of its file, unpacked."""

    latency_s: _Seconds
    placement: _Hash


class Bound(_Record, frozen=True, kw_only=True):
    """A claim that no placement saves more.

    Attributes
    ----------
    saving_s : float, seconds per token
    by, version : str
        The exact solver and its version.
    library : str
        The code bases that it stands on, joined by ``+``.
    refuted : str
        The verified placement that saves more; empty while the claim stands.
    """

    saving_s: _Seconds
    by: _Person
    library: _Text
    version: _Text
    date: _Date
    refuted: _Text = ""


class Entry(_Record, frozen=True, kw_only=True):
    """One instance of the library.

    Attributes
    ----------
    recipe : table or none
        ``slimbench.instances.generators.generate.Recipe`` without its name.
    file : str or none
        Of the library's folder, else of the shipped instance files; in place of a recipe.
    bounds : tuple of Bound
        Those that matter for the least bound and for who agrees with it, and refuted ones.
    history : tuple of Found
        Placements that were the best before, oldest first.
    """

    name: _Name
    size: Size
    sha256: _Hash
    recipe: dict[str, Any] | None = None
    file: FileName | None = None
    facts: Facts
    best: Best | None = None
    bounds: tuple[Bound, ...] = ()
    history: tuple[Found, ...] = ()

    def __post_init__(self) -> None:
        super().__post_init__()
        if (self.recipe is None) == (self.file is None):
            raise InstanceError(self.name, "has a recipe and a file or neither, expected one of them")


class Index(_Record, frozen=True, kw_only=True):
    """The content of ``index.json``.

    Attributes
    ----------
    release : str
        Names the set of instances; results that use it say so.
    date : str
        Of the last change of any record.
    """

    format: str
    version: int
    release: _Name
    date: _Date
    instances: tuple[Entry, ...]


class _Header(msgspec.Struct):
    format: str
    version: int


def read_index(path: Path) -> Index:
    """Read an index file in full; raises as ``decode_index`` does, naming the file."""
    with naming_file(path):
        return decode_index(read_content(path, MAX_INDEX_BYTES))


def decode_index(content: bytes) -> Index:
    """An index from JSON text.

    Raises
    ------
    InstanceError
        Naming the first field that is not as it must be.
    """
    with naming_field(kind=Index):
        header = msgspec.json.decode(content, type=_Header)
        check_header(header.format, header.version, INDEX_FORMAT)
        index = msgspec.json.decode(content, type=Index)
    seen: set[str] = set()
    for i, entry in enumerate(index.instances):
        folded = entry.name.casefold()  # file systems may not tell case apart
        if folded in seen:
            raise InstanceError(f"instances[{i}].name", f"is a second {entry.name!r}")
        seen.add(folded)
    return index
