"""The problem: instances, placements, what a placement is worth, files, and generators."""

from slimbench.instances.errors import InstanceError
from slimbench.instances.evaluation import Evaluation, evaluate
from slimbench.instances.files import read_instance, read_placement, write_instance, write_placement
from slimbench.instances.instance import Instance, Model
from slimbench.instances.placement import Placement
from slimbench.instances.validation import DISPATCHES, Dispatch

__all__ = [
    "DISPATCHES",
    "Dispatch",
    "Evaluation",
    "Instance",
    "InstanceError",
    "Model",
    "Placement",
    "evaluate",
    "read_instance",
    "read_placement",
    "write_instance",
    "write_placement",
]
