"""Compile the kernels of every solver into numba's cache."""

from slimbench.bench.plugins.plugin import parse_call
from slimbench.bench.plugins.registry import find_solvers
from slimbench.bench.plugins.warm_up import warm_up

solvers = find_solvers()
for name in solvers:
    warm_up(parse_call(name, solvers))
