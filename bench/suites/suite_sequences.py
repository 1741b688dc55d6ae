"""Adaptive suite files (TOML): sequences, policies and limits."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final

import msgspec

from slimbench.bench.suites.suite import Limits, Positive, SuiteError, SuiteFile, naming_entry, read_suite_of
from slimbench.bench.suites.sweeps import points_of
from slimbench.instances.generators.scenario import recipe_fields
from slimbench.instances.sequences.recipe import make_sequence, read_sequence_recipe
from slimbench.instances.sequences.sequence import Sequence

OWN_FIELDS: Final = ("sequences", "policies")  # what suites of instances do not have


class OfflinePolicy(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The policies that bound the offline optimum.

    Parameters
    ----------
    policies : tuple of str
        Those that prove bounds; the best bound counts.
    time_s : float, seconds for each of them on one sequence
    """

    policies: Annotated[tuple[str, ...], msgspec.Meta(min_length=1)] = ("offline",)
    time_s: Positive = 60.0


class AdaptiveSuite(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A suite of sequences.

    Parameters
    ----------
    name : str
    description : str
    policies : tuple of str, as ``name[parameter=value]``
    sequences : tuple of tables
        Each a recipe (``slimbench.instances.sequences.recipe.SequenceRecipe``), or ``scenario`` (a shipped
        one, ``scenario``) with what is to be changed of and added to its recipe.
        ``dispatch`` and ``seed`` may be lists.
    seed : int
        From which the seed of every policy on every sequence is drawn.
    limits : Limits
        Of one decision; policies that see the future are given the reference's time.
    reference : OfflinePolicy
    """

    name: Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]
    policies: Annotated[tuple[str, ...], msgspec.Meta(min_length=1)]
    sequences: Annotated[tuple[dict[str, Any], ...], msgspec.Meta(min_length=1)]
    description: str = ""
    seed: Annotated[int, msgspec.Meta(ge=0)] = 0
    limits: Limits = Limits(time_s=20.0)
    reference: OfflinePolicy = OfflinePolicy()


@dataclass(frozen=True)
class NamedSequence:
    """A sequence of a suite and where it comes from, in one line."""

    sequence: Sequence
    note: str


def read_adaptive_suite(name_or_path: str) -> SuiteFile[AdaptiveSuite]:
    """A suite by its shipped name or its path.

    Raises
    ------
    SuiteError
        If there is no such suite, or it is malformed.
    """
    fields = read_suite_of(dict[str, Any], name_or_path)
    if fields.suite.keys().isdisjoint(OWN_FIELDS) and "instances" in fields.suite:
        raise SuiteError("is a suite of instances, expected one of sequences", origin=fields.origin)
    return read_suite_of(AdaptiveSuite, name_or_path)


def has_sequences(name_or_path: str) -> bool:
    """Return whether a suite is one of sequences; False if it is not TOML, which its reader reports."""
    try:
        fields = read_suite_of(dict[str, Any], name_or_path).suite
    except SuiteError:
        return False
    return not fields.keys().isdisjoint(OWN_FIELDS)


def suite_sequences(suite: AdaptiveSuite, folder: Path, data: Path | None) -> Iterator[NamedSequence]:
    """Make every sequence, in the order of the suite.

    Raises
    ------
    SuiteError, InstanceError
        If an entry is malformed, a file is missing, or two sequences have one name.
    """
    names: set[str] = set()
    for position, entry in enumerate(suite.sequences):
        place = f"sequences[{position}]"
        with naming_entry(place), recipe_fields(entry) as fields:
            for point in points_of(fields):
                recipe = read_sequence_recipe(point.fields)
                named = NamedSequence(*make_sequence(recipe, data or folder))
                if named.sequence.name in names:
                    raise SuiteError(f"a second sequence named {named.sequence.name!r}", place)
                names.add(named.sequence.name)
                yield named
