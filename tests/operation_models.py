"""Jaws and operations that several tests share; each is planned once per session."""

from __future__ import annotations

from functools import cache

from femsim.geometry.arch import Arch
from femsim.geometry.jaw import Jaw, parametric_jaw
from femsim.geometry.operation import Operation, plan_operation
from femsim.geometry.plan import PlatePlan, SegmentPlan
from femsim.parameters import load_parameters


@cache
def adult_jaw() -> Jaw:
    return parametric_jaw()


@cache
def adult_arch() -> Arch:
    return Arch.fit(adult_jaw().surface, adult_jaw().landmarks.points)


@cache
def planned(from_tooth: int = 33, to_tooth: int = 37, per_stump: int | tuple[int, int] = 3) -> Operation:
    segment = SegmentPlan(teeth=(from_tooth, to_tooth))
    return plan_operation(adult_jaw(), load_parameters(), segments=[segment], plates=[PlatePlan(per_stump=per_stump)])


def planned_with(from_tooth: int, to_tooth: int, *plates: PlatePlan) -> Operation:
    """Plan the removal of some teeth of the adult jaw with the given plates."""
    segment = SegmentPlan(teeth=(from_tooth, to_tooth))
    return plan_operation(adult_jaw(), load_parameters(), segments=[segment], plates=plates)
