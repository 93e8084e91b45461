"""One design on a page: a run with a short name, its plate's life, its metal and what a study says of it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from femsim.report.ensemble import Band
from femsim.report.read import RunData
from femsim.report.strain import StrainShare, bone_strain

SCREW = "screw-"


@dataclass(frozen=True)
class Design:
    """A run as one of the designs of a page.

    Attributes
    ----------
    name : str
        What tells it from the others in a few words.
    run : RunData
    band : Band or None
        First loosening among virtual patients, when a study of this scenario is known.
    """

    name: str
    run: RunData
    band: Band | None = None

    @property
    def record(self) -> dict[str, Any]:
        """``run.json``."""
        return self.run.record

    @property
    def complete(self) -> bool:
        """Whether the run came to its horizon or to an ending."""
        return bool(self.record["status"] == "complete")

    @property
    def horizon(self) -> float:
        """Days that were to be computed."""
        return float(self.record["horizon_days"])

    @property
    def end_day(self) -> float:
        """Day on which the run ended, or up to which it is known."""
        known = self.record.get("day")
        return float(known if known is not None else self.run.timeline[-1]["day"] if self.run.timeline else 0.0)

    @property
    def loose(self) -> list[dict[str, Any]]:
        """Events of loosening, first one first."""
        return [event for event in self.run.events if event["kind"] == "screw loose"]

    @property
    def first_loose_day(self) -> float:
        """Day of the first loosening; infinite when all screws hold."""
        return min((float(event["day"]) for event in self.loose), default=math.inf)

    @property
    def held_until(self) -> float:
        """Day of the first loosening or of another failure, such as a broken plate; infinite when all holds."""
        failure = self.run.failure
        return min(self.first_loose_day, math.inf if failure is None else float(failure["day"]))

    @property
    def plates(self) -> list[dict[str, Any]]:
        """Rows of the hardware table that are plates."""
        return [row for row in self.run.hardware if not row["part"].startswith(SCREW)]

    @property
    def plate_life(self) -> float | None:
        """Days until the plate's fatigue life is used up at the pace of the run; None when it is not known."""
        broken = [
            e["day"] for e in self.run.events if e["kind"] == "part broken" and not e["subject"].startswith(SCREW)
        ]
        if broken:
            return float(min(broken))
        used = max((row["damage"] for row in self.plates), default=None)
        if used is None or not self.end_day:
            return None
        return float(self.end_day / used) if used > 0 else math.inf

    @property
    def implant_volume(self) -> float | None:
        """Metal of plates and screws [mm3], as designed; None before the mesh is known."""
        mesh = self.record.get("mesh")
        if not mesh or "plate_volume_exact" not in mesh:
            return None
        screws = self.record["operation"]["screws"]
        cylinders = sum(math.pi / 4 * one["diameter_mm"] ** 2 * one["length_mm"] for one in screws)
        return float(mesh["plate_volume_exact"] + cylinders)

    @cached_property
    def strain(self) -> list[StrainShare]:
        """Bone strain on the day of surgery."""
        return bone_strain(self.run)


def short_names(titles: Sequence[str]) -> list[str]:
    """What tells titles apart: their parts between commas without those that all share; numbered where still equal."""
    names = list(titles)
    if len(titles) > 1:
        parts = [[part.strip() for part in title.split(",")] for title in titles]
        shared = set(parts[0]).intersection(*parts[1:])
        shorter = [", ".join(part for part in own if part not in shared) for own in parts]
        if all(shorter) and len(set(shorter)) == len(shorter):
            names = [name[:1].upper() + name[1:] for name in shorter]
    seen: dict[str, int] = {}
    unique = []
    for name in names:
        seen[name] = seen.get(name, 0) + 1
        unique.append(name if seen[name] == 1 else f"{name} ({seen[name]})")
    return unique
