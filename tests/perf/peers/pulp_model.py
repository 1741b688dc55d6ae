"""The form ``cover`` of ``single`` as one writes it with PuLP: a variable a column, a sum a row."""

from __future__ import annotations

import math

import pulp

from slimbench.formulations.milp.levels import level_weights, levels
from slimbench.formulations.milp.workload import reduced_workload
from slimbench.instances import Instance


def build(instance: Instance, reductions: frozenset[str]) -> pulp.LpProblem:
    """Build the model of groups of two or more; a set of one server needs no z."""
    workload = reduced_workload(instance, reductions)
    all_levels = levels(workload)
    groups, sets, weights = (v.tolist() for v in level_weights(workload, all_levels, merged=True))
    servers = [s.tolist() for s in all_levels.servers]
    offsets, experts = workload.group_offsets.tolist(), workload.group_experts.tolist()
    unit = math.gcd(*(model.expert_bytes for model in instance.models))
    sizes = (instance.expert_bytes // unit).tolist()

    problem = pulp.LpProblem("placement", pulp.LpMaximize)
    x = {
        (n, e): pulp.LpVariable(f"x_{n}_{e}", cat=pulp.LpBinary)
        for n in range(instance.n_servers)
        for e in sorted(set(experts))
    }
    p, z = {}, {}
    for g, s in zip(groups, sets, strict=True):
        for n in servers[s]:
            if (n, g) not in p:
                p[n, g] = pulp.LpVariable(f"p_{n}_{g}", 0, 1)
        z[s, g] = pulp.LpVariable(f"z_{s}_{g}", 0, 1) if len(servers[s]) > 1 else p[servers[s][0], g]
    problem += pulp.lpSum(w * z[s, g] for g, s, w in zip(groups, sets, weights, strict=True))
    for n in range(instance.n_servers):
        capacity = min(instance.capacities_bytes[n] // unit, sum(sizes))
        problem += pulp.lpSum(sizes[e] * x[n, e] for e in sorted(set(experts))) <= capacity
    for (n, g), together in p.items():
        for e in experts[offsets[g] : offsets[g + 1]]:
            problem += together <= x[n, e]
    for (s, g), served in z.items():
        if len(servers[s]) > 1:
            problem += served <= pulp.lpSum(p[n, g] for n in servers[s])
    return problem


def size(problem: pulp.LpProblem) -> tuple[int, int, int]:
    """Columns, rows, nonzeros."""
    nonzeros = sum(len(row) for row in problem.constraints.values())
    return len(problem.variables()), len(problem.constraints), nonzeros
