"""The form ``cover`` of ``single`` as one writes it with linopy: arrays of variables, rows by selection."""

from __future__ import annotations

import math

import linopy
import numpy as np
import pandas as pd
import xarray as xr

from slimbench.formulations.milp.levels import level_weights, levels
from slimbench.formulations.milp.workload import reduced_workload
from slimbench.instances import Instance
from slimbench.instances.problem.arrays import IntArray, csr_rows, distinct, offsets_of


def build(instance: Instance, reductions: frozenset[str]) -> linopy.Model:
    """Build the model of groups of two or more; a set of one server needs no z."""
    workload = reduced_workload(instance, reductions)
    all_levels = levels(workload)
    groups, sets, weights = level_weights(workload, all_levels, merged=True)
    of_set = np.concatenate(all_levels.servers)
    pair, entry = csr_rows(offsets_of(all_levels.set_sizes), sets)
    keys, holder_of = distinct(
        groups[pair] * instance.n_servers + of_set[entry], len(workload.group_sizes) * instance.n_servers
    )
    held, holder = np.divmod(keys, instance.n_servers)
    at, expert = workload.members(held)
    several = all_levels.set_sizes[sets] > 1
    named = np.unique(workload.group_experts)
    unit = math.gcd(*(model.expert_bytes for model in instance.models))
    sizes = instance.expert_bytes // unit

    model = linopy.Model()
    servers = pd.RangeIndex(instance.n_servers, name="server")
    x = model.add_variables(coords=[servers, pd.Index(named, name="expert")], name="x", binary=True)
    p = model.add_variables(0, 1, coords=[pd.RangeIndex(len(keys), name="holder")], name="p")
    z = model.add_variables(0, 1, coords=[pd.Index(np.flatnonzero(several), name="served")], name="z")
    room = np.minimum(instance.capacities_bytes // unit, sizes.sum())
    model.add_constraints(
        (x * xr.DataArray(sizes[named], coords={"expert": named})).sum("expert")
        <= xr.DataArray(room, coords={"server": servers}),
        name="capacity",
    )
    together = (1 * _picked(p, "part", holder=at)) - _picked(
        x, "part", server=holder[at], expert=np.searchsorted(named, expert)
    )
    model.add_constraints(together <= 0, name="together")
    wide = several[pair]
    of_row = xr.DataArray(pair[wide], dims="member", coords={"member": range(int(wide.sum()))}, name="served")
    covers = _picked(p, "member", holder=holder_of[wide]).groupby(of_row).sum()
    model.add_constraints(z - covers <= 0, name="covers")
    alone = np.bincount(holder_of[~wide], weights[pair[~wide]], minlength=len(keys))
    worth = (z * xr.DataArray(weights[several], coords=z.coords)).sum() + (
        p * xr.DataArray(alone, coords=p.coords)
    ).sum()
    model.add_objective(worth, sense="max")
    return model


def _picked(variables: linopy.Variable, dimension: str, **places: IntArray) -> linopy.LinearExpression:
    """The variables at some places, one after another along a new dimension."""
    along = {
        name: xr.DataArray(place, dims=dimension, coords={dimension: np.arange(len(place))})
        for name, place in places.items()
    }
    return (1 * variables.isel(along)).drop_vars(list(places))


def size(model: linopy.Model) -> tuple[int, int, int]:
    """Columns, rows, nonzeros."""
    matrix = model.matrices.A
    return matrix.shape[1], matrix.shape[0], matrix.nnz
