"""Measured runs of one solver on a few instances, to be compared with others."""

NAMES = [f"i{i}" for i in range(8)]
JUDGE = {"solver": "judge", "role": "reference", "exact": True, "saving_s": 1.0, "bound_saving_s": 1.0}
REFERENCES = [JUDGE | {"instance": name} for name in NAMES]


def rows(change=lambda i: {}, names=NAMES, **every):
    """A measured run of solver ``a`` on every instance."""
    return [{"instance": name, "saving_s": 0.8, **every, **change(i)} for i, name in enumerate(names)]
