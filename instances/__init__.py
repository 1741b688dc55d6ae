"""The problem: instances, placements, what a placement is worth, files, and generators."""

from slimbench.instances.files.files import read_instance, read_placement, write_instance, write_placement
from slimbench.instances.problem.errors import InstanceError
from slimbench.instances.problem.evaluation import Evaluation, evaluate
from slimbench.instances.problem.fields import DISPATCHES, Dispatch
from slimbench.instances.problem.instance import Instance, Model
from slimbench.instances.problem.placement import Placement

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
