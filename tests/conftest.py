"""Settings of hypothesis: the same examples in every run, and no test that depends on speed."""

from hypothesis import HealthCheck, settings

settings.register_profile(
    "slimbench",
    derandomize=True,
    database=None,
    deadline=None,
    max_examples=60,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("slimbench")
