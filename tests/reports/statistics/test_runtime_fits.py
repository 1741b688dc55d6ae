"""Exponents of runtime: recovered where they are known, steady under outliers, absent where unknowable."""

import math

import numpy as np
import pytest

from slimbench.reports.statistics.runtime_fits import runtime_fits


@pytest.fixture
def fitted(make_results, failed):
    """Return the fit of ``[(activations, seconds), ...]``, an instance for each; no seconds are a crash."""

    def fit(*points):
        runs = [
            {"solver": "s", "instance": f"i{n}"}
            | ({"saving_s": 0.5, "runtime_s": seconds} if seconds is not None else failed)
            for n, (_, seconds) in enumerate(points)
        ]
        results = make_results(runs)
        results.instances["activations"] = [size for size, _ in points]
        return runtime_fits(results).iloc[0]

    return fit


def test_a_power_law_has_its_exponent(fitted):
    row = fitted(*((size, 1e-4 * size**1.5) for size in (10, 100, 1000, 10_000, 100_000)))
    assert (row["exponent"], row["exponent_low"], row["exponent_high"]) == pytest.approx((1.5, 1.5, 1.5))
    assert (row["n_instances"], row["n_sizes"], row["activations_min"], row["activations_max"]) == (
        5, 5, 10, 100_000,
    )  # fmt: skip
    assert row["seconds_at_min"] == pytest.approx(1e-4 * 10**1.5)
    assert row["seconds_at_max"] == pytest.approx(1e-4 * 1e5**1.5)


def test_the_exponent_is_the_median_slope(fitted):
    row = fitted((1, 1.0), (math.e, math.e), (math.e**2, math.e**4))  # slopes 1, 2 and 3
    assert row["exponent"] == pytest.approx(2)
    assert math.isnan(row["exponent_low"])


def test_one_instance_out_of_line_does_not_bend_it(fitted):
    points = [(10.0**k, 1e-3 * 10.0**k) for k in range(1, 8)]
    points[-1] = (points[-1][0], 1e-3)
    assert fitted(*points)["exponent"] == pytest.approx(1)


def test_its_interval_holds_the_truth_under_noise(fitted):
    rng = np.random.default_rng(5)
    sizes = np.geomspace(100, 1e6, 25)
    row = fitted(*zip(sizes, 1e-5 * sizes**1.2 * rng.lognormal(0, 0.4, 25), strict=True))
    assert 1.0 < row["exponent_low"] < 1.2 < row["exponent_high"] < 1.4


def test_two_sizes_have_no_exponent(fitted):
    row = fitted((10, 1.0), (10, 2.0), (100, 3.0), (100, 4.0))
    assert (row["n_instances"], row["n_sizes"]) == (4, 2)
    assert math.isnan(row["exponent"])
    assert math.isnan(row["seconds_at_max"])


def test_instances_without_a_time_are_counted_and_left_out(fitted):
    row = fitted((1, 1.0), (10, 10.0), (100, 100.0), (1000, None))
    assert (row["n_instances"], row["n_untimed"], row["activations_max"]) == (3, 1, 100)
    assert row["exponent"] == pytest.approx(1)
    assert math.isnan(fitted((10, None))["activations_min"])


def test_an_instance_without_activations_has_no_place_on_the_line(fitted):
    assert fitted((0, 1.0), (1, 1.0), (10, 10.0), (100, 100.0))["n_untimed"] == 1


def test_a_run_of_nothing_has_no_fits(make_results):
    assert runtime_fits(make_results([])).empty
