"""The problem: instances, placements and what they are worth, sequences, files, and what makes instances.

What reads recipes, traces and libraries is imported when it is first asked for.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from slimbench.instances.files.files import read_instance, read_placement, write_instance, write_placement
from slimbench.instances.problem.errors import InstanceError
from slimbench.instances.problem.evaluation import Evaluation, evaluate
from slimbench.instances.problem.fields import DISPATCHES, Dispatch
from slimbench.instances.problem.instance import Instance, Model
from slimbench.instances.problem.placement import Placement

if TYPE_CHECKING:
    from slimbench.instances.generators.generate import Recipe, make_instance, read_recipe
    from slimbench.instances.library.library import Library, read_library
    from slimbench.instances.sequences.recipe import SequenceRecipe, make_sequence, read_sequence_recipe
    from slimbench.instances.sequences.sequence import Sequence

__all__ = [
    "DISPATCHES",
    "Dispatch",
    "Evaluation",
    "Instance",
    "InstanceError",
    "Library",
    "Model",
    "Placement",
    "Recipe",
    "Sequence",
    "SequenceRecipe",
    "evaluate",
    "make_instance",
    "make_sequence",
    "read_instance",
    "read_library",
    "read_placement",
    "read_recipe",
    "read_sequence_recipe",
    "write_instance",
    "write_placement",
]

_MODULES = {
    "Library": "library.library",
    "Recipe": "generators.generate",
    "Sequence": "sequences.sequence",
    "SequenceRecipe": "sequences.recipe",
    "make_instance": "generators.generate",
    "make_sequence": "sequences.recipe",
    "read_library": "library.library",
    "read_recipe": "generators.generate",
    "read_sequence_recipe": "sequences.recipe",
}


def __getattr__(name: str) -> Any:
    """Import what is asked for: every worker imports this package, and few make instances."""
    if name in _MODULES:
        return getattr(importlib.import_module(f"slimbench.instances.{_MODULES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
