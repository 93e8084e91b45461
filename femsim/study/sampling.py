"""Draw patients: points of the unit cube by a fixed seed, and the values that they stand for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.stats import qmc, truncnorm

from femsim.errors import InputError
from femsim.parameters import load_parameters
from femsim.scenario.quantities import read_quantity
from femsim.study.changes import PATIENT, parameter_of
from femsim.study.schema import Sampled, Sampling
from femsim.tissue import TissueConstants, bonded_history
from femsim.units import QUANTITY, format_quantity, parse_quantity

NORMAL_WIDTH = 4.0
"""Standard deviations in the range of a normal distribution, which is cut at its ends."""
REST_DAYS = 120.0
"""The dip of bonding after insertion lies in the first weeks."""
MOST_DRAWS = 200
"""Rounds of drawing again before a study is refused: with fewer than one patient in a hundred holding at rest."""


@dataclass(frozen=True)
class Range:
    """A sampled value with numbers.

    Attributes
    ----------
    key : str
        Path, parameter or patient word.
    low, high : float
        In ``unit``.
    unit : str
        As written in the study file, or of the card; empty for a plain number.
    distribution : str
        ``uniform``, ``loguniform`` or ``normal``.
    mark : str
        Evidence mark of the card that the range comes from; empty for a range of the study file.
    """

    key: str
    low: float
    high: float
    unit: str
    distribution: str
    mark: str = ""

    def value(self, share: float) -> float:
        """Value below which ``share`` (0..1) of the patients lie."""
        if self.distribution == "loguniform":
            return float(self.low * (self.high / self.low) ** share)
        if self.distribution == "normal":
            half = 0.5 * NORMAL_WIDTH
            return float(truncnorm.ppf(share, -half, half, 0.5 * (self.low + self.high), self._deviation))
        return float(self.low + share * (self.high - self.low))

    @property
    def _deviation(self) -> float:
        return (self.high - self.low) / NORMAL_WIDTH

    def written(self, share: float) -> Any:
        """Value as a scenario would have it: quantity string, or plain number."""
        return format_quantity(self.value(share), self.unit) if self.unit else self.value(share)


def range_of(key: str, sampled: Sampled) -> Range:
    """Turn one entry of ``sample`` into numbers.

    Raises
    ------
    InputError
        No range anywhere, ends in the wrong order, or a distribution that they do not allow.
    """
    entry, mark = parameter_of(key), ""
    if sampled.low is None:
        name = sampled.card or key
        card = parameter_of(name)
        if card is None:
            raise InputError(f"{name!r} is no parameter of the cards, so it has no range there; write low and high")
        if card.range is None:
            raise InputError(f"the card of {name} states no range; write low and high, or leave it out")
        (low, high), unit, mark = card.range, card.unit, card.mark
        kind = sampled.distribution or ("uniform" if card.distribution == "fixed" else card.distribution)
    else:
        unit = entry.unit if entry else PATIENT.get(key, _unit_of(sampled.low))
        low, high = read_quantity(sampled.low, unit), read_quantity(sampled.high, unit)
        kind = sampled.distribution or "uniform"
    if not low < high:
        raise InputError(f"low {low:g} is not below high {high:g} {unit}".rstrip())
    if kind == "loguniform" and not low > 0.0:
        raise InputError(f"low is {low:g}; a loguniform distribution needs a positive one")
    return Range(key, low, high, unit, kind, mark)


def _unit_of(text: Any) -> str:
    match = QUANTITY.fullmatch(text) if isinstance(text, str) else None
    unit = (match["unit"] or "") if match else ""
    if unit:
        parse_quantity(text, unit)
    return unit


@dataclass(frozen=True)
class Patients:
    """Sampled patients.

    Attributes
    ----------
    ranges : tuple of Range
    cube : ndarray, shape (n, d)
        Points of the unit cube.
    blocks : tuple of str
        Block of every patient: ``A``; with Saltelli's scheme also ``B`` and ``AB:<key>``.
    rows : ndarray of int, shape (n,)
        Row inside the block.
    """

    ranges: tuple[Range, ...]
    cube: np.ndarray
    blocks: tuple[str, ...]
    rows: np.ndarray

    def __len__(self) -> int:
        return len(self.cube)

    def changes(self, number: int) -> dict[str, Any]:
        """Written value of every sampled key for patient ``number``, counted from 0."""
        shares = self.cube[number]
        return {one.key: one.written(float(share)) for one, share in zip(self.ranges, shares, strict=True)}

    def table(self) -> list[dict[str, Any]]:
        """One row per patient: number, block, row and its point of the unit cube."""
        rows = []
        for number, (block, row) in enumerate(zip(self.blocks, self.rows, strict=True)):
            shares = zip(self.ranges, self.cube[number], strict=True)
            cube = {f"unit:{one.key}": float(share) for one, share in shares}
            rows.append({"sample": number + 1, "block": block, "row": int(row) + 1, **cube})
        return rows


def draw(ranges: Sequence[Range], sampling: Sampling, fixed: Mapping[str, Any] | None = None) -> Patients:
    """Draw the patients of a study.

    Parameters
    ----------
    ranges : sequence of Range
    sampling : Sampling
    fixed : mapping, optional
        Parameters of the base scenario, for ``holds_at_rest``.
    """
    names, count = [one.key for one in ranges], sampling.samples
    width = len(names)
    if sampling.method == "saltelli":
        return _saltelli(tuple(ranges), sampling)
    if sampling.method == "sobol":
        cube = qmc.Sobol(width, rng=np.random.default_rng(sampling.seed)).random(count)
    else:
        generator = np.random.default_rng(sampling.seed)
        cube = qmc.LatinHypercube(width, rng=generator).random(count)
        if sampling.holds_at_rest:
            cube = _that_hold(ranges, cube, generator, fixed or {})
    return Patients(tuple(ranges), cube, ("A",) * count, np.arange(count))


def _saltelli(ranges: tuple[Range, ...], sampling: Sampling) -> Patients:
    """Blocks A, B and, for every value, A with the column of that value from B."""
    width, count = len(ranges), sampling.samples
    both = qmc.Sobol(2 * width, rng=np.random.default_rng(sampling.seed)).random(count)
    first, second = both[:, :width], both[:, width:]
    mixed = []
    for column in range(width):
        block = first.copy()
        block[:, column] = second[:, column]
        mixed.append(block)
    names = ["A", "B", *(f"AB:{one.key}" for one in ranges)]
    blocks = tuple(name for name in names for _ in range(count))
    return Patients(ranges, np.vstack([first, second, *mixed]), blocks, np.tile(np.arange(count), len(names)))


def _that_hold(
    ranges: Sequence[Range], cube: np.ndarray, generator: np.random.Generator, fixed: Mapping[str, Any]
) -> np.ndarray:
    """Draw again until ``len(cube)`` patients hold at rest.

    Contact at insertion, lag, formation and resorption of bonding come from the same experiments and are not
    independent: some combinations of their ranges let a screw that nobody loads count as loose.
    """
    wanted, kept = len(cube), np.empty((0, len(ranges)))
    for _ in range(MOST_DRAWS):
        good = [holds_at_rest(_parameters(ranges, row, fixed)) for row in cube]
        kept = np.vstack([kept, cube[good]])
        if len(kept) >= wanted:
            return kept[:wanted]
        cube = qmc.LatinHypercube(len(ranges), rng=generator).random(wanted)
    raise InputError(f"sampling: after {MOST_DRAWS} rounds only {len(kept)} of {wanted} patients hold screws at rest")


def _parameters(ranges: Sequence[Range], row: np.ndarray, fixed: Mapping[str, Any]) -> dict[str, str]:
    drawn = {one.key: one.written(float(share)) for one, share in zip(ranges, row, strict=True)}
    named = {key: value for key, value in {**fixed, **drawn}.items() if parameter_of(key) is not None}
    return {key: value if isinstance(value, str) else repr(value) for key, value in named.items()}


def holds_at_rest(overrides: Mapping[str, str]) -> bool:
    """Whether bonding without motion in healthy bone keeps a screw's holding force above the threshold."""
    cards = load_parameters(overrides)
    tissue = TissueConstants.from_parameters(cards)
    bonded = bonded_history(np.arange(1.0, REST_DAYS), 1.0, tissue)
    return bool(bonded.min() > cards["loosening.loose_holding"] * tissue.Bi)
