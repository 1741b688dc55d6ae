"""Path loss and shadowing between servers and users, by 3GPP TR 38.901 and TR 37.885.

d is the distance in metres, in the plane (d_2D) or between antennas (d_3D), f the carrier in GHz; losses are
in dB, logarithms decadic. A link is in one state; where a model has several, it is in sight if a uniform
number of the link is below the probability of line of sight at d_2D. Shadowing is log-normal with the
standard deviation of the state.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, Literal, NamedTuple

import numpy as np

from slimbench.instances.problem.arrays import BoolArray, FloatArray
from slimbench.instances.sampling.uniform import normal

PathLoss = Literal["umi-nlos", "umi", "inh-mixed", "inh-open", "v2x-highway", "v2x-urban"]

LIGHT_M_PER_S: Final = 3e8  # as TR 38.901 has it in note 1 of table 7.4.1-1
STREET_WIDTH_M: Final = 20.0  # TR 36.885 table A.1.2-1: four lanes and two pavements of 3 m


class LinkDraws(NamedTuple):
    """What is random about every link, wherever its ends are.

    Attributes
    ----------
    shadows : (U, N) float64, standard normal
    sights : (U, N) float64, uniform
        A link is in sight where this is below the probability of line of sight.
    blockers : (U, N) float64, standard normal
        Of the loss by a vehicle in between.
    """

    shadows: FloatArray
    sights: FloatArray
    blockers: FloatArray


class Loss(NamedTuple):
    """Loss of every link, and the standard deviation of its shadowing.

    Attributes
    ----------
    loss_db : (U, N) float64
    shadowing_db : (U, N) float64
    """

    loss_db: FloatArray
    shadowing_db: FloatArray


@dataclass(frozen=True)
class Antennas:
    """Heights of antennas, metres."""

    server_m: float
    user_m: float

    def distance_3d_m(self, distance_2d_m: FloatArray) -> FloatArray:
        """Between antennas."""
        return np.hypot(distance_2d_m, self.server_m - self.user_m)


UMI: Final = Antennas(10.0, 1.5)  # TR 38.901 table 7.2-1
OFFICE: Final = Antennas(3.0, 1.0)  # TR 38.901 table 7.2-2
ROADSIDE: Final = Antennas(5.0, 1.6)  # TR 36.885 table A.1.1-1, unit; TR 37.885 section 6.1.2, vehicle type 2


# UMi street canyon, TR 38.901 tables 7.4.1-1 and 7.4.2-1


def umi_los_probability(d_2d: FloatArray) -> FloatArray:
    """1 up to 18 m, then 18 / d + exp(-d / 36) (1 - 18 / d)."""
    near = 18 / np.maximum(d_2d, 18)
    return np.asarray(near + np.exp(-d_2d / 36) * (1 - near))


def umi_los_db(d_2d: FloatArray, ghz: float) -> FloatArray:
    """32.4 + 21 log d_3D + 20 log f up to 4 (h_server - 1) (h_user - 1) f / c metres, then slope 40."""
    d_3d, height_m = UMI.distance_3d_m(d_2d), UMI.server_m - UMI.user_m
    break_point_m = 4 * (UMI.server_m - 1) * (UMI.user_m - 1) * ghz * 1e9 / LIGHT_M_PER_S
    near_db = 32.4 + 21 * np.log10(d_3d) + 20 * np.log10(ghz)
    far_db = 32.4 + 40 * np.log10(d_3d) + 20 * np.log10(ghz) - 9.5 * np.log10(break_point_m**2 + height_m**2)
    return np.asarray(np.where(d_2d <= break_point_m, near_db, far_db))


def umi_nlos_db(d_2d: FloatArray, ghz: float) -> FloatArray:
    """22.4 + 35.3 log d_3D + 21.3 log f for users 1.5 m high.

    TR 38.901 takes the larger of this and the loss with line of sight, which is never larger up to 5 km.
    """
    return np.asarray(22.4 + 35.3 * np.log10(UMI.distance_3d_m(d_2d)) + 21.3 * np.log10(ghz))


# Indoor office, TR 38.901 tables 7.4.1-1 and 7.4.2-1


def mixed_office_los_probability(d_2d: FloatArray) -> FloatArray:
    """1 up to 1.2 m, exp(-(d - 1.2) / 4.7) up to 6.5 m, then 0.32 exp(-(d - 6.5) / 32.6)."""
    near = np.exp(-(np.maximum(d_2d, 1.2) - 1.2) / 4.7)
    return np.where(d_2d < 6.5, near, 0.32 * np.exp(-(d_2d - 6.5) / 32.6))


def open_office_los_probability(d_2d: FloatArray) -> FloatArray:
    """1 up to 5 m, exp(-(d - 5) / 70.8) up to 49 m, then 0.54 exp(-(d - 49) / 211.7)."""
    near = np.exp(-(np.maximum(d_2d, 5) - 5) / 70.8)
    return np.where(d_2d <= 49, near, 0.54 * np.exp(-(d_2d - 49) / 211.7))


def office_los_db(d_2d: FloatArray, ghz: float) -> FloatArray:
    """32.4 + 17.3 log d_3D + 20 log f."""
    return np.asarray(32.4 + 17.3 * np.log10(OFFICE.distance_3d_m(d_2d)) + 20 * np.log10(ghz))


def office_nlos_db(d_2d: FloatArray, ghz: float) -> FloatArray:
    """17.3 + 38.3 log d_3D + 24.9 log f, at least the loss with line of sight."""
    loss_db = 17.3 + 38.3 * np.log10(OFFICE.distance_3d_m(d_2d)) + 24.9 * np.log10(ghz)
    return np.asarray(np.maximum(loss_db, office_los_db(d_2d, ghz)))


# Vehicles and road-side units of their kind, TR 37.885 tables 6.2-1 and 6.2.1-1


def highway_los_probability(d_2d: FloatArray) -> FloatArray:
    """min(1, 2.1013e-6 d^2 - 0.002 d + 1.0193) up to 475 m, then max(0, 0.54 - 0.001 (d - 475))."""
    near = np.minimum(1, 2.1013e-6 * d_2d**2 - 0.002 * d_2d + 1.0193)
    return np.where(d_2d <= 475, near, np.maximum(0, 0.54 - 0.001 * (d_2d - 475)))


def highway_los_db(d_2d: FloatArray, ghz: float) -> FloatArray:
    """32.4 + 20 log d_3D + 20 log f."""
    return np.asarray(32.4 + 20 * np.log10(ROADSIDE.distance_3d_m(d_2d)) + 20 * np.log10(ghz))


def street_los_probability(d_2d: FloatArray) -> FloatArray:
    """min(1, 1.05 exp(-0.0114 d)), of links within a street."""
    return np.minimum(1, 1.05 * np.exp(-0.0114 * d_2d))


def street_los_db(d_2d: FloatArray, ghz: float) -> FloatArray:
    """38.77 + 16.7 log d_3D + 18.2 log f."""
    return np.asarray(38.77 + 16.7 * np.log10(ROADSIDE.distance_3d_m(d_2d)) + 18.2 * np.log10(ghz))


def street_nlos_db(d_2d: FloatArray, ghz: float) -> FloatArray:
    """36.85 + 30 log d_3D + 18.9 log f, of links between two streets."""
    return np.asarray(36.85 + 30 * np.log10(ROADSIDE.distance_3d_m(d_2d)) + 18.9 * np.log10(ghz))


def blockage_db(d_2d: FloatArray, standard_normal: FloatArray) -> FloatArray:
    """Loss by a vehicle in between: normal, mean 5 + max(0, 15 log d_3D - 41), deviation 4, at least 0.

    TR 37.885 section 6.2.1, the case of a blocker as high as the vehicle and lower than the road-side unit.
    """
    mean_db = 5 + np.maximum(0, 15 * np.log10(ROADSIDE.distance_3d_m(d_2d)) - 41)
    return np.asarray(np.maximum(0, mean_db + 4 * standard_normal))


# Models


def draw_links(shape: tuple[int, ...], rng: np.random.Generator) -> LinkDraws:
    """Draw all that any model needs; ``rng`` is used for uniform numbers only."""
    return LinkDraws(normal(rng, shape), rng.random(shape), normal(rng, shape))


def link_loss(model: PathLoss, offsets_m: FloatArray, ghz: float, links: LinkDraws) -> Loss:
    """Loss of every link in the state that it is in at this distance.

    Parameters
    ----------
    model : PathLoss
    offsets_m : (U, N, 2) float64, metres from server to user
    ghz : float
    links : LinkDraws
        Not used by ``umi-nlos``, which has one state.
    """
    return _MODELS[model](offsets_m, ghz, links)


def _umi_nlos(offsets_m: FloatArray, ghz: float, _links: LinkDraws) -> Loss:
    loss_db = umi_nlos_db(np.linalg.norm(offsets_m, axis=2), ghz)
    return Loss(loss_db, np.full(loss_db.shape, 7.82))


def _umi(offsets_m: FloatArray, ghz: float, links: LinkDraws) -> Loss:
    d_2d = np.linalg.norm(offsets_m, axis=2)
    los = links.sights < umi_los_probability(d_2d)
    return _either(los, umi_los_db(d_2d, ghz), umi_nlos_db(d_2d, ghz), 4.0, 7.82)


def _office(probability: Callable[[FloatArray], FloatArray]) -> _Model:
    def loss(offsets_m: FloatArray, ghz: float, links: LinkDraws) -> Loss:
        d_2d = np.linalg.norm(offsets_m, axis=2)
        los = links.sights < probability(d_2d)
        return _either(los, office_los_db(d_2d, ghz), office_nlos_db(d_2d, ghz), 3.0, 8.03)

    return loss


def _v2x_highway(offsets_m: FloatArray, ghz: float, links: LinkDraws) -> Loss:
    d_2d = np.linalg.norm(offsets_m, axis=2)
    los = links.sights < highway_los_probability(d_2d)
    blocked_db = blockage_db(d_2d, links.blockers)
    return Loss(highway_los_db(d_2d, ghz) + np.where(los, 0.0, blocked_db), np.full(d_2d.shape, 3.0))


def _v2x_urban(offsets_m: FloatArray, ghz: float, links: LinkDraws) -> Loss:
    """Units are on crossings: a user within half a street's width of one along an axis is in its street."""
    d_2d = np.linalg.norm(offsets_m, axis=2)
    los = links.sights < street_los_probability(d_2d)
    blocked_db = blockage_db(d_2d, links.blockers)
    within_db = street_los_db(d_2d, ghz) + np.where(los, 0.0, blocked_db)
    same_street = np.asarray((np.abs(offsets_m) <= STREET_WIDTH_M / 2).any(axis=2))
    return _either(same_street, within_db, street_nlos_db(d_2d, ghz), 3.0, 4.0)


def _either(
    first: BoolArray, first_db: FloatArray, other_db: FloatArray, first_shadowing: float, other: float
) -> Loss:
    return Loss(np.where(first, first_db, other_db), np.where(first, first_shadowing, other))


_Model = Callable[[FloatArray, float, LinkDraws], Loss]
_MODELS: Final[Mapping[PathLoss, _Model]] = {
    "umi-nlos": _umi_nlos,
    "umi": _umi,
    "inh-mixed": _office(mixed_office_los_probability),
    "inh-open": _office(open_office_los_probability),
    "v2x-highway": _v2x_highway,
    "v2x-urban": _v2x_urban,
}
