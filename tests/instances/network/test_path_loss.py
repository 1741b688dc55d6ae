"""Formulas against values computed by hand from the tables of TR 38.901 and TR 37.885."""

import numpy as np
import pytest

from slimbench.instances.network import path_loss
from slimbench.instances.network.path_loss import draw_links, link_loss

PROBABILITIES = [
    (path_loss.umi_los_probability, {0: 1, 18: 1, 50: 0.519585, 200: 0.093518}),
    (path_loss.mixed_office_los_probability, {0: 1, 1.2: 1, 4: 0.551152, 20: 0.211497}),
    (path_loss.open_office_los_probability, {0: 1, 5: 1, 30: 0.702502, 100: 0.424394}),
    (path_loss.highway_los_probability, {0: 1, 100: 0.840313, 500: 0.515, 2000: 0}),
    (path_loss.street_los_probability, {0: 1, 100: 0.335810}),
]
LOSSES = [
    (path_loss.umi_los_db, 3.5, {100: 85.314189, 300: 98.244261}),
    (path_loss.umi_nlos_db, 3.5, {100: 104.643832}),
    (path_loss.office_los_db, 6, {20: 70.508224}),
    (path_loss.office_nlos_db, 6, {20: 86.588169, 0: 53.170844}),  # right below: as with line of sight
    (path_loss.highway_los_db, 6, {100: 87.968042}),
    (path_loss.street_los_db, 6, {100: 86.336545}),
    (path_loss.street_nlos_db, 6, {100: 111.564585}),
]


def drawn(*shape):
    return draw_links(shape, np.random.default_rng(1))


@pytest.mark.parametrize(("probability", "values"), PROBABILITIES, ids=lambda v: getattr(v, "__name__", ""))
def test_probabilities_of_line_of_sight(probability, values):
    distances_m = np.array(list(values), float)
    assert probability(distances_m) == pytest.approx(list(values.values()), abs=1e-6)


@pytest.mark.parametrize("probability", [probability for probability, _ in PROBABILITIES])
def test_line_of_sight_is_a_probability_that_falls_but_for_steps_of_the_tables_rounding(probability):
    values = probability(np.arange(0.0, 475.0, 0.5))
    assert ((values >= 0) & (values <= 1)).all()
    assert (np.diff(values) <= 0.003).all()


@pytest.mark.parametrize(("loss", "ghz", "values"), LOSSES, ids=lambda v: getattr(v, "__name__", ""))
def test_losses(loss, ghz, values):
    distances_m = np.array(list(values), float)
    assert loss(distances_m, ghz) == pytest.approx(list(values.values()), abs=1e-5)


@pytest.mark.parametrize("ghz", [0.5, 3.5, 28, 100])
def test_no_line_of_sight_never_loses_less_than_line_of_sight(ghz):
    distances_m = np.geomspace(1, 5000, 2000)
    assert (path_loss.umi_nlos_db(distances_m, ghz) >= path_loss.umi_los_db(distances_m, ghz)).all()
    assert (path_loss.office_nlos_db(distances_m, ghz) >= path_loss.office_los_db(distances_m, ghz)).all()


def test_the_two_slopes_of_street_canyons_meet_at_the_break_point():
    before_m, after_m = np.array([210 - 1e-6]), np.array([210 + 1e-6])
    step_db = path_loss.umi_los_db(after_m, 3.5) - path_loss.umi_los_db(before_m, 3.5)
    assert step_db == pytest.approx(0, abs=1e-4)


def test_a_vehicle_in_between_costs_five_db_and_beyond_five_hundred_metres_more():
    distances_m = np.array([100.0, 1000.0])
    assert path_loss.blockage_db(distances_m, np.zeros(2)) == pytest.approx([5, 9.000037], abs=1e-5)
    assert path_loss.blockage_db(distances_m, np.full(2, -3.0)).tolist() == [0, 0]


@pytest.mark.parametrize(
    ("model", "ghz", "probability", "los_db", "nlos_db", "shadowing_db"),
    [
        ("umi", 3.5, path_loss.umi_los_probability, path_loss.umi_los_db, path_loss.umi_nlos_db, (4, 7.82)),
        ("inh-mixed", 6, path_loss.mixed_office_los_probability, path_loss.office_los_db,
         path_loss.office_nlos_db, (3, 8.03)),
        ("inh-open", 6, path_loss.open_office_los_probability, path_loss.office_los_db,
         path_loss.office_nlos_db, (3, 8.03)),
    ],
)  # fmt: skip
def test_every_link_is_in_one_state_with_its_loss_and_shadowing(
    model, ghz, probability, los_db, nlos_db, shadowing_db
):
    distances_m = np.full((1, 20_000), 40.0)
    offsets_m = np.stack([distances_m, np.zeros_like(distances_m)], axis=2)
    loss = link_loss(model, offsets_m, ghz, drawn(1, 20_000))
    los = loss.shadowing_db == shadowing_db[0]
    assert los.mean() == pytest.approx(float(probability(np.array(40.0))), abs=0.015)
    assert np.allclose(loss.loss_db[los], los_db(np.array(40.0), ghz))
    assert np.allclose(loss.loss_db[~los], nlos_db(np.array(40.0), ghz))
    assert set(loss.shadowing_db[~los]) == {shadowing_db[1]}


def test_on_a_highway_a_link_is_free_or_blocked_by_a_vehicle():
    offsets_m = np.broadcast_to([100.0, 0.0], (1, 20_000, 2))
    loss = link_loss("v2x-highway", offsets_m, 6, drawn(1, 20_000))
    extra_db = loss.loss_db - path_loss.highway_los_db(np.array(100.0), 6)
    free = extra_db == 0
    at_most_free = 0.840313 + (1 - 0.840313) * 0.105650  # a normal number below -5 / 4
    assert free.mean() == pytest.approx(at_most_free, abs=0.01)
    assert set(loss.shadowing_db.ravel()) == {3}


def test_in_a_grid_only_links_within_a_street_may_be_in_sight():
    beside_m, around_the_corner_m = [250.0, 9.9], [250.0, 10.1]
    loss = link_loss("v2x-urban", np.array([[beside_m, around_the_corner_m]]), 6, drawn(1, 2))
    assert loss.shadowing_db.tolist() == [[3, 4]]
    corner_m = np.hypot(*around_the_corner_m)
    assert loss.loss_db[0, 1] == pytest.approx(path_loss.street_nlos_db(corner_m, 6))
    assert loss.loss_db[0, 0] < loss.loss_db[0, 1]


@pytest.mark.parametrize("model", ["umi", "inh-mixed", "inh-open", "v2x-highway", "v2x-urban"])
def test_a_link_that_comes_nearer_may_come_into_sight_but_not_lose_it(model):
    """Its random numbers stay, the probability of line of sight grows."""
    links = drawn(1, 2000)._replace(blockers=np.full((1, 2000), 1.0))
    lost_db = []
    for distance_m in (200.0, 60.0, 20.0):
        offsets_m = np.broadcast_to([distance_m, 0.0], (1, 2000, 2))
        loss_db = link_loss(model, offsets_m, 6, links).loss_db
        lost_db.append(loss_db > loss_db.min() + 1e-9)
    far, nearer, near = lost_db
    assert 1 > far.mean() > nearer.mean() > near.mean()
    assert not (near & ~nearer).any()
    assert not (nearer & ~far).any()


def test_without_states_no_link_differs_from_another():
    offsets_m = np.ones((2, 3, 2))
    assert np.ptp(link_loss("umi-nlos", offsets_m, 3.5, drawn(2, 3)).loss_db) == 0
