"""Settings of hypothesis: no test depends on speed."""

from hypothesis import HealthCheck, settings

settings.register_profile(
    "same", derandomize=True, database=None, deadline=None, max_examples=20, print_blob=False,
    suppress_health_check=[HealthCheck.too_slow],
)  # fmt: skip
settings.register_profile(
    "random", settings.get_profile("same"), derandomize=False, max_examples=300, print_blob=True
)  # asked for by --hypothesis-profile; the blob repeats a failure
settings.load_profile("same")
