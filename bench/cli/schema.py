"""``slimbench schema``: the JSON schema of suites."""

from __future__ import annotations

import json

from slimbench.bench.suites.schema import suite_schema


def schema() -> None:
    """Print the JSON schema of suites, for editors."""
    print(json.dumps(suite_schema(), indent=2))
