"""The order of designs: by time to first loosening, then plate life, then implant volume; with ties."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from femsim.report.catalogue import DAYS_PER_YEAR
from femsim.report.design import Design
from femsim.report.ensemble import Ensemble

SAME_TIME = 0.1
"""Times of single runs that differ by less than this share are not told apart: the mesher never makes the same mesh
twice, and the clock of a run moves by several percent with the mesh."""
SAME_LIFE = 2.0
"""Fatigue lives within this factor are not told apart: with the slope of Basquin's law in titanium, a few percent of
stress make that much."""
LONG_LIFE = 100 * DAYS_PER_YEAR
"""Lives beyond a patient's are all the same."""
SAME_VOLUME = 0.01
"""Share of the volume below which two implants are of one size."""
SIGNIFICANT = 0.05
"""p value of the log-rank test from which on two designs of a study are not told apart."""


@dataclass(frozen=True)
class Place:
    """Where a design stands.

    Attributes
    ----------
    design : Design
    rank : int or None
        1 for the first; designs that tie share it; None for a run that is not complete.
    decided_by : str
        ``time``, ``life`` or ``volume``: the first measure that tells it from a neighbour in the order; ``tie`` when
        none does; ``only`` for a single design; ``unfinished`` when it is not ranked.
    """

    design: Design
    rank: int | None
    decided_by: str


@dataclass(frozen=True)
class Ranking:
    """The order of the designs of a page.

    Attributes
    ----------
    places : tuple of Place
        Best first; runs that are not complete last.
    common_horizon : float
        Days over which the designs are compared: the shortest horizon among them.
    from_ensemble : bool
        Whether times are those of a study (median, log-rank test) instead of single runs.
    """

    places: tuple[Place, ...]
    common_horizon: float
    from_ensemble: bool


def rank(designs: Sequence[Design], ensemble: Ensemble | None = None) -> Ranking:
    """Order designs.

    Times count up to the shortest horizon of all; a study decides when it knows every design that is ranked. The order
    goes measure by measure: designs that one measure does not tell from the best of their group stay a group for the
    next measure.
    """
    ranked = [design for design in designs if design.complete]
    common = min((design.horizon for design in ranked or designs), default=0.0)
    studied = ensemble is not None and bool(ranked) and all(design.band is not None for design in ranked)
    groups = [Group(tuple(ranked), "only" if len(ranked) == 1 else "tie")] if ranked else []
    measures = (
        Measure("time", _median, lambda a, b: _same_band(a, b, ensemble))
        if studied
        else Measure(
            "time", lambda design: _time(design, common), lambda a, b: _close(_time(a, common), _time(b, common))
        ),
        Measure("life", _life, lambda a, b: _same_life(_life(a), _life(b))),
        Measure("volume", lambda design: -_volume(design), lambda a, b: _same_volume(_volume(a), _volume(b))),
    )
    for measure in measures:
        groups = [part for group in groups for part in group.split(measure)]
    places, next_rank = [], 1
    for group in groups:
        places += [Place(design, next_rank, group.decided_by) for design in group.designs]
        next_rank += len(group.designs)
    places += [Place(design, None, "unfinished") for design in designs if not design.complete]
    return Ranking(tuple(places), common, studied)


@dataclass(frozen=True)
class Measure:
    """One thing that designs are ordered by.

    Attributes
    ----------
    name : str
    value : callable
        Of a design; the greatest comes first.
    same : callable
        Whether two designs are not told apart by it.
    """

    name: str
    value: Callable[[Design], float]
    same: Callable[[Design, Design], bool]


@dataclass(frozen=True)
class Group:
    """Designs that have not been told apart so far, and by what they were told from the others."""

    designs: tuple[Design, ...]
    decided_by: str

    def split(self, measure: Measure) -> list[Group]:
        """Parts in order: each holds what cannot be told from its best member."""
        parts: list[list[Design]] = []
        for design in sorted(self.designs, key=measure.value, reverse=True):
            if parts and measure.same(parts[-1][0], design):
                parts[-1].append(design)
            else:
                parts.append([design])
        if len(parts) == 1:
            return [self]
        return [Group(tuple(part), measure.name if len(part) == 1 else "tie") for part in parts]


def _time(design: Design, common: float) -> float:
    """Day of the first loosening; a part that breaks before any screw is loose ends the time as well."""
    return design.held_until if design.held_until <= common else math.inf


def _median(design: Design) -> float:
    assert design.band is not None
    return math.inf if design.band.median is None else design.band.median


def _close(a: float, b: float) -> bool:
    return a == b or (math.isfinite(a) and math.isfinite(b) and abs(a - b) <= SAME_TIME * max(a, b))


def _same_band(a: Design, b: Design, ensemble: Ensemble | None) -> bool:
    """Whether a study does not tell two designs apart: by its paired test, else by their intervals."""
    assert ensemble is not None
    assert a.band is not None
    assert b.band is not None
    p = ensemble.differ.get(frozenset((a.record["hash"], b.record["hash"])))
    if p is not None:
        return p >= SIGNIFICANT
    (a_low, a_high), (b_low, b_high) = a.band.limits, b.band.limits
    return a_low <= b_high and b_low <= a_high


def _life(design: Design) -> float:
    """Plate life in days; a life that is not known ranks last."""
    return 0.0 if design.plate_life is None else design.plate_life


def _same_life(a: float, b: float) -> bool:
    a, b = min(a, LONG_LIFE), min(b, LONG_LIFE)
    return max(a, b) <= SAME_LIFE * min(a, b)


def _volume(design: Design) -> float:
    return math.inf if design.implant_volume is None else design.implant_volume


def _same_volume(a: float, b: float) -> bool:
    return a == b or abs(a - b) <= SAME_VOLUME * max(a, b)
