"""What is optimal: AND-terms, exact subproblems, MILP formulations and their backends."""

from slimbench.formulations.errors import ContradictionError, SolverError

__all__ = ["ContradictionError", "SolverError"]
