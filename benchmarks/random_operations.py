"""Operations drawn at random with fixed seeds: jaw, defect, plate, screws, standoff; at times a second plate, a graft.

What the planner refuses (no room for a hole, a plate that would touch bone, ...) is drawn again from the same stream of
random numbers. Every refusal is kept with its reason: a refusal of the planner is no failure of the mesher, but it is
not hidden either.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace
from typing import Any

import numpy as np

from femsim.errors import GeometryError, InputError
from femsim.geometry.arch import Arch
from femsim.geometry.jaw import Jaw, parametric_jaw
from femsim.geometry.operation import Operation, plan_operation
from femsim.geometry.plan import GraftPlan, PlatePlan, ScrewPlan, SegmentPlan
from femsim.geometry.presets import preset_names
from femsim.geometry.shape import MandibleShape
from femsim.parameters import ParameterSet, load_parameters

# Raise it when the same seed draws another operation.
DRAWS_VERSION = 1
# A seed that plans nothing in so many draws is an error of this script.
MOST_DRAWS = 60
REAL_SHARE = 0.35
ATROPHIC_SHARE = 0.2
SECOND_PLATE_SHARE = 0.1
GRAFT_SHARE = 0.15
STANDOFF = (0.2, 1.5)
# Conventions of the anatomical frame, not anatomy.
FIXED = ("form", "bonwill_inclination", "first_molar_share")
# Body heights of the card's remark on its range [mm].
DENTATE_HEIGHT, ATROPHIC_HEIGHT, ATROPHIC_SYMPHYSIS = (24.0, 33.0), (10.0, 15.0), (26.0, 29.0)
DEFECTS = ("body", "short body", "angle", "symphysis", "wide symphysis", "hemimandible", "two segments", "oblique body")


@dataclass(frozen=True, eq=False)
class Drawn:
    """One operation that could be planned.

    Attributes
    ----------
    operation : Operation
    choices : dict
        What was drawn.
    refused : list of dict
        Earlier draws of this seed with the planner's reason.
    """

    operation: Operation
    choices: dict[str, Any]
    refused: list[dict[str, Any]] = field(default_factory=list)


def random_operation(seed: int, real: Jaw | None) -> Drawn:
    """Draw until the planner accepts.

    Parameters
    ----------
    seed : int
    real : Jaw, optional
        Taken instead of a parametric jaw in ``REAL_SHARE`` of the draws.
    """
    rng = np.random.default_rng([DRAWS_VERSION, seed])
    parameters = load_parameters()
    refused: list[dict[str, Any]] = []
    for _ in range(MOST_DRAWS):
        choices = _choices(rng, parameters, real is not None)
        try:
            return Drawn(_planned(choices, parameters, real), choices, refused)
        except (GeometryError, InputError) as error:
            refused.append({**choices, "reason": str(error)})
    raise SystemExit(f"seed {seed}: no operation could be planned in {MOST_DRAWS} draws")


def _choices(rng: np.random.Generator, parameters: ParameterSet, with_real: bool) -> dict[str, Any]:
    """Draw one operation; the same numbers are used up whatever comes out."""
    real = bool(rng.random() < REAL_SHARE) and with_real
    shape = _shape(rng, parameters)
    defect = str(rng.choice(DEFECTS))
    chosen: dict[str, Any] = {
        "jaw": "real" if real else "parametric",
        "shape": None if real else shape,
        "defect": defect,
        "side": str(rng.choice(["left", "right"])),
        "share": float(np.round(rng.random(), 3)),
        "plate": str(rng.choice(preset_names(parameters, "plates", "thickness"))),
        "screws": str(rng.choice(preset_names(parameters, "screws", "diameter"))),
        "per_stump": int(rng.integers(2, 5)),
        "length": str(rng.choice(["bicortical", "monocortical"])),
        "standoff": float(np.round(rng.uniform(*STANDOFF), 2)),
        "height": float(np.round(rng.uniform(6.0, 12.0), 1)),
        "edge_radius": float(rng.choice([0.0, 0.0, 0.3])),
    }
    chosen["second_plate"] = bool(rng.random() < SECOND_PLATE_SHARE)
    chosen["graft"] = bool(rng.random() < GRAFT_SHARE)
    return chosen


def _shape(rng: np.random.Generator, parameters: ParameterSet) -> dict[str, float]:
    """Anatomy inside the ranges of the card: with teeth, or atrophic and without."""
    atrophic = bool(rng.random() < ATROPHIC_SHARE)
    drawn: dict[str, float] = {}
    for item in fields(MandibleShape):
        entry = parameters.entry(f"jaw.{item.name}") if item.name not in FIXED else None
        if entry is not None and entry.range is not None:
            drawn[item.name] = float(np.round(rng.uniform(*entry.range), 2))
    height = np.round(rng.uniform(*(ATROPHIC_HEIGHT if atrophic else DENTATE_HEIGHT)), 2)
    drawn["body_height"] = float(height)
    if atrophic:
        drawn["symphysis_height"] = float(np.round(rng.uniform(*ATROPHIC_SYMPHYSIS), 2))
        drawn |= {"crown_height_incisor": 0.0, "crown_height_molar": 0.0}
    return drawn


def _planned(choices: dict[str, Any], parameters: ParameterSet, real: Jaw | None) -> Operation:
    jaw = real
    if choices["jaw"] == "parametric" or jaw is None:
        jaw = parametric_jaw(replace(MandibleShape.default(), **choices["shape"]))
    arch = Arch.fit(jaw.surface, jaw.landmarks.points, parameters)
    segments = _segments(choices, arch)
    plate = PlatePlan(
        preset=choices["plate"],
        height=choices["height"],
        standoff=choices["standoff"],
        edge_radius=choices["edge_radius"],
        per_stump=choices["per_stump"],
        screws=ScrewPlan(preset=choices["screws"], length=choices["length"]),
    )
    plates = [plate]
    if choices["second_plate"]:
        # A thin plate near the alveolar border, as used against torsion.
        second = ScrewPlan(preset="locking-2.0", length="monocortical")
        plates.append(PlatePlan(preset="low-profile-1.0", height=choices["height"] + 11.0, per_stump=2, screws=second))
    graft = GraftPlan() if choices["graft"] else None
    return plan_operation(jaw, parameters, segments=segments, plates=plates, graft=graft)


def _segments(choices: dict[str, Any], arch: Arch) -> list[SegmentPlan]:
    """What is removed; ``share`` moves the cuts within what the name of the defect means."""
    left, share, defect = choices["side"] == "left", choices["share"], choices["defect"]
    quadrant = 30 if left else 40
    sign = 1.0 if left else -1.0

    def tooth(number: int) -> int:
        return quadrant + number

    if defect == "body":
        return [SegmentPlan(teeth=(tooth(3 + round(share)), tooth(6 + round(2 * share) // 2)))]
    if defect == "short body":
        first = 4 + round(2 * share)
        return [SegmentPlan(teeth=(tooth(first), tooth(first + 1)))]
    if defect == "symphysis":
        return [SegmentPlan(teeth=(32, 42))]
    if defect == "wide symphysis":
        return [SegmentPlan(teeth=(33 + round(share), 43 + round(2 * share) // 2))]
    last = sign * arch.tooth(tooth(8))[1]
    if defect == "angle":
        start = sign * arch.tooth(tooth(7))[0 if left else 2]
        return [SegmentPlan(distances=(sign * start, sign * (last + 8.0 * share)))]
    if defect == "hemimandible":
        # From the front teeth into the ramus; the condyle stays.
        return [SegmentPlan(distances=(sign * (2.0 + 8.0 * share), sign * (last + 2.0 + 10.0 * share)))]
    if defect == "oblique body":
        return [SegmentPlan(planes=_oblique(arch, sign, share))]
    other = 70 - quadrant
    return [SegmentPlan(teeth=(tooth(5), tooth(6))), SegmentPlan(teeth=(other + 4, other + 5 + round(share)))]


def _oblique(arch: Arch, sign: float, share: float) -> list[tuple[np.ndarray, np.ndarray]]:
    """Two cuts that lean by up to 25 degrees against each other."""
    places = sign * np.array([16.0, 42.0])
    points, tangents = arch.point(places), arch.tangent(places)
    lean = np.tan(np.radians(25.0 * share))
    up = np.array([0.0, 0.0, 1.0])
    return [(point, t + s * lean * up) for point, t, s in zip(points, tangents, (1.0, -1.0), strict=True)]
