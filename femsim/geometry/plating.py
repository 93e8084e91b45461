"""One plate on an operated jaw: bent to the bone, its holes filled with screws, checked as a surgeon would."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace

import numpy as np

from femsim.errors import GeometryError, InputError
from femsim.geometry.arch import Arch
from femsim.geometry.drawn_holes import Bore
from femsim.geometry.drawn_plate import drawn_plate, hole_piece, placed
from femsim.geometry.graft import Graft, joined, make_graft
from femsim.geometry.hole import Hole
from femsim.geometry.plan import DrawnPlate, GraftPlan, HolePlan, PlatePlan, ScrewPlan
from femsim.geometry.plate import Plate, metal_beside, section_directions
from femsim.geometry.plate_path import PlateSetting, holes_on_struts, plan_plate
from femsim.geometry.resection import BonePiece, Resection
from femsim.geometry.screws import FARTHEST_ENTRY, Screw, place_screw, screw_thread, spread_axes
from femsim.geometry.surface import Surface
from femsim.parameters import ParameterSet

SCREWS_PER_STUMP = (1, 8)
"""Holes per stump that a user may ask for."""

KEEP_ROUNDS = 6
"""Rounds in which holes are moved off a cut until their screws keep the wanted distance; two or three are needed."""

KEEP_TOLERANCE = 0.05
"""A screw nearer to the cut than asked by less than this [mm] stays where it is."""

CLEARANCE_SLACK = 0.1
"""A plate nearer to the bone than usual by more than this [mm] is told."""

USUAL_SCREWS = 3
"""Fewer screws than this per stump are pointed out: three to four are usual."""

FAR_TIP = 6.0
"""A tip farther than this [mm] beyond the far cortex would stand in the floor of the mouth."""

WIDE_GAP = 3.0
"""A plate farther than this [mm] off the bone under its centreline is pointed out."""

CUT_SLACK = 0.2
"""A screw nearer to a cut than asked by more than this [mm] is told; less is the thickness of a saw blade."""

THICKEST_SCREW = 0.6
"""Largest screw diameter over the width of the plate: the locking hole needs a rim."""

STRUTS = (1, 4)
"""Struts of fibula in one defect that a user may ask for; shorter pieces lose their blood supply."""

MOST_SCREWS_PER_STRUT = 4
"""Screws in one strut that a user may ask for."""

TOLD_TILT = 2.0
"""A screw turned off its hole's axis by more than this [degrees] is told."""


def put_plate(
    surface: Surface,
    arch: Arch,
    resection: Resection,
    parameters: ParameterSet,
    plan: PlatePlan,
    name: str = "plate",
    first: int = 1,
    graft: GraftPlan | None = None,
) -> tuple[Plate, tuple[Screw, ...], Graft | None, tuple[str, ...]]:
    """Bend a plate, place its screws and list what a surgeon should look at.

    Parameters
    ----------
    surface : Surface
        The jaw before the resection.
    arch : Arch
    resection : Resection
    parameters : ParameterSet
        Cards ``plates`` and ``screws``.
    plan : PlatePlan
    name : str
    first : int
        Number of the first screw.
    graft : GraftPlan, optional
        Fibula that this plate carries in every defect.

    Returns
    -------
    Plate
    tuple of Screw
        Named ``screw-<first>``, ... by their holes, from the right to the left of the jaw.
    Graft or None
    tuple of str
        Remarks.

    Raises
    ------
    InputError, GeometryError
        What cannot be built, where, by how much and what to try.
    """
    if plan.drawn is not None:
        return _put_drawn(surface, arch, resection, parameters, plan, plan.drawn, name, first, graft)
    setting = PlateSetting.from_parameters(parameters, plan)
    counts = _counts(plan.per_stump, resection)
    farther: dict[str, float] = {}
    for _ in range(KEEP_ROUNDS):
        plate, pieces = plan_plate(surface, arch, resection, setting, counts, name, farther)
        filled = None
        if graft is not None:
            filled = _filled(plate, resection, parameters, setting.standoff, graft)
            plate, pieces = holes_on_struts(plate, pieces, filled, setting, graft.screws)
        plans = _hole_plans(plan.screws, len(pieces))
        threads = _threads(parameters, plan.screws, plans, setting.width)
        struts = {} if filled is None else {strut.piece.name: strut.surface for strut in filled.struts}
        bones = [struts.get(piece.name, surface) for piece in pieces]
        screws = _screwed(bones, parameters, plate, pieces, plans, threads, plan.screws.length, first)
        short = _too_near(screws, resection, setting.first_hole)
        if not plan.screws.whole_screw or not short:
            break
        farther |= {piece: farther.get(piece, 0.0) + missing for piece, missing in short.items()}
    plate = _with_holes(plate, setting, plans, threads)
    return plate, screws, filled, _remarks(plate, screws, plan.screws, setting.first_hole, first, struts, parameters)


def _put_drawn(
    surface: Surface,
    arch: Arch,
    resection: Resection,
    parameters: ParameterSet,
    plan: PlatePlan,
    drawn: DrawnPlate,
    name: str,
    first: int,
    graft: GraftPlan | None,
) -> tuple[Plate, tuple[Screw, ...], Graft | None, tuple[str, ...]]:
    """A plate drawn elsewhere: its holes say where the screws stand, nothing is turned but on demand."""
    plans = _hole_plans(plan.screws, len(drawn.points))
    plate, bores = drawn_plate(drawn, surface, arch, resection, plans, name)
    threads = _threads(parameters, plan.screws, plans, plate.width)
    filled = None if graft is None else _filled(plate, resection, parameters, parameters["plates.standoff"], graft)
    held = [_held_by(bore, drawn, surface, resection, filled) for bore in bores]
    missing = [
        f"hole {k + 1} ({where})"
        for k, ((where, piece, _), hole) in enumerate(zip(held, plans, strict=True))
        if piece is None and hole.screw
    ]
    if missing:
        raise GeometryError(
            f"{drawn.name}: no bone for a screw under {' and '.join(missing)}; leave it empty with {{hole: .., screw: "
            "false}} or move the axis"
        )
    for piece in resection.pieces:
        if not any(one is not None and one.name == piece.name for _, one, _ in held):
            raise GeometryError(f"{drawn.name}: no hole lies over the {piece.name} stump; every stump needs a screw")
    pieces = tuple(piece or resection.pieces[0] for _, piece, _ in held)
    bones = [bone for _, _, bone in held]
    screws = _screwed(bones, parameters, plate, pieces, plans, threads, plan.screws.length, first, turn=False)
    wanted = plan.screws.min_distance_to_cut
    to_cut = parameters["plates.min_distance_to_cut"] if wanted is None else wanted
    voids = tuple(
        Hole(plate.holes[k], plate.hole_axes[k], threads[k]["diameter"], plate.thickness)
        for k, (bore, hole) in enumerate(zip(bores, plans, strict=True))
        if not hole.screw and bore.radius == 0.0
    )
    plate = replace(plate, empty_holes=voids, rim=_drawn_rim(bores, threads, drawn))
    struts = set() if filled is None else {strut.piece.name for strut in filled.struts}
    return plate, screws, filled, _remarks(plate, screws, plan.screws, to_cut, first, struts, parameters)


def _drawn_rim(bores: Sequence[Bore], threads: Sequence[dict[str, float]], drawn: DrawnPlate) -> float:
    """Least metal around the drawn seats, or around the screws where nothing is drawn [mm]."""
    rims = [
        bore.edge - max(bore.seat_radius, thread["diameter"] / 2) for bore, thread in zip(bores, threads, strict=True)
    ]
    worst = int(np.argmin(rims))
    if rims[worst] <= 0.0:
        place = placed(drawn.frame, bores[worst].outer)
        raise GeometryError(
            f"{drawn.name}: hole {worst + 1} at {place} has metal only within {bores[worst].edge:.1f} mm of its axis, "
            f"less than its seat or a screw of {threads[worst]['diameter']:g} mm needs; move the axis into the plate"
        )
    return float(rims[worst])


def _held_by(
    bore: Bore, drawn: DrawnPlate, surface: Surface, resection: Resection, graft: Graft | None
) -> tuple[str, BonePiece | None, Surface]:
    """Place of a hole in words, the piece of bone its screw would hold in, and the surface of that bone."""
    where = placed(drawn.frame, bore.outer)
    for strut in () if graft is None else graft.struts:
        if len(strut.surface.ray_hits(bore.inner, bore.axis, FARTHEST_ENTRY)):
            return where, strut.piece, strut.surface
    hits = surface.ray_hits(bore.inner, bore.axis, FARTHEST_ENTRY)
    if len(hits) == 0:
        return where, None, surface
    return where, hole_piece(bore.inner + hits[0] * bore.axis, resection), surface


def _threads(
    parameters: ParameterSet, plan: ScrewPlan, plans: Sequence[HolePlan], width: float
) -> list[dict[str, float]]:
    """Thread of the screw in every hole; refused where it is too thick for the plate."""
    threads = []
    for hole in plans:
        own = hole.diameter is not None
        thread = screw_thread(
            parameters,
            plan.preset,
            diameter=hole.diameter if own else plan.diameter,
            core=None if own else plan.core,
        )
        if thread["diameter"] > THICKEST_SCREW * width:
            raise GeometryError(
                f"screws: a diameter of {thread['diameter']:g} mm does not fit a plate {width:.3g} mm wide, "
                f"at most {THICKEST_SCREW * width:.1f} mm are allowed; take thinner screws or a wider plate"
            )
        threads.append(thread | {"head": max(thread["head"], thread["diameter"])})
    return threads


def _too_near(screws: Sequence[Screw], resection: Resection, wanted: float) -> dict[str, float]:
    """Distance to the cut that is missing along the screws of every piece of bone [mm]."""
    names = {piece.name for piece in resection.pieces}
    missing: dict[str, float] = {}
    for screw in screws:
        if screw.stump in names and screw.distance_to_cut < wanted - KEEP_TOLERANCE:
            missing[screw.stump] = max(missing.get(screw.stump, 0.0), wanted - screw.distance_to_cut)
    return missing


def _with_holes(
    plate: Plate, setting: PlateSetting, plans: Sequence[HolePlan], threads: Sequence[dict[str, float]]
) -> Plate:
    """The plate with its empty holes as voids, and the metal left beside the seats of the heads."""
    depth = setting.countersink
    seats = [thread["head"] if depth > 0.0 else thread["diameter"] for thread in threads]
    rim = metal_beside(plate.holes, np.array(seats), plate.width)
    if rim <= 0.0:
        raise GeometryError(
            f"{plate.name}: seats of {max(seats):g} mm leave no metal in a plate {plate.width:g} mm wide with a pitch "
            f"of {setting.pitch:g} mm; take thinner screws, a wider plate or a larger pitch"
        )
    empty = tuple(
        Hole(plate.holes[k], plate.hole_axes[k], threads[k]["diameter"], plate.thickness, seats[k], depth)
        for k, hole in enumerate(plans)
        if not hole.screw
    )
    return replace(plate, empty_holes=empty, rim=rim)


def _filled(plate: Plate, resection: Resection, parameters: ParameterSet, clearance: float, plan: GraftPlan) -> Graft:
    low, high = STRUTS
    if not low <= plan.struts <= high:
        raise GeometryError(f"graft: {plan.struts} struts in a defect, allowed are {low} to {high}")
    if not 1 <= plan.screws <= MOST_SCREWS_PER_STRUT:
        raise GeometryError(f"graft: {plan.screws} screws in a strut, allowed are 1 to {MOST_SCREWS_PER_STRUT}")
    grafts = [
        make_graft(
            plate.path,
            plate.outward,
            plate.surface,
            segment.cuts,
            parameters,
            plan,
            inner_face=plate.thickness / 2,
            clearance=clearance,
            first=1 + k * plan.struts,
        )
        for k, segment in enumerate(resection.segments)
    ]
    return joined(grafts)


def _counts(per_stump: int | tuple[int, ...], resection: Resection) -> tuple[int, ...]:
    """Holes in every bone piece by ascending arch coordinate, from numbers as the user counts them."""
    names = [piece.name for piece in resection.pieces]
    counts = (per_stump,) * len(names) if isinstance(per_stump, int) else tuple(int(count) for count in per_stump)
    if len(counts) != len(names):
        raise InputError(
            f"screws: {len(counts)} numbers for {len(names)} pieces of bone ({', '.join(names)}); give one each"
        )
    for count in counts:
        if not SCREWS_PER_STUMP[0] <= count <= SCREWS_PER_STUMP[1]:
            raise GeometryError(
                f"screws: {count} per stump, allowed are {SCREWS_PER_STUMP[0]} to {SCREWS_PER_STUMP[1]}"
            )
    # There the mesial stump has the higher arch coordinate.
    return counts[::-1] if resection.side == "right" else counts


def _hole_plans(plan: ScrewPlan, count: int) -> list[HolePlan]:
    wrong = [number for number in plan.holes if not 1 <= number <= count]
    if wrong:
        raise InputError(f"screws: no hole {wrong[0]}; the plate has holes 1 to {count}, from right to left")
    return [plan.holes.get(number, HolePlan()) for number in range(1, count + 1)]


def _screwed(
    bones: Sequence[Surface],
    parameters: ParameterSet,
    plate: Plate,
    pieces: tuple[BonePiece, ...],
    plans: Sequence[HolePlan],
    threads: Sequence[dict[str, float]],
    length: str | float,
    first: int,
    turn: bool = True,
) -> tuple[Screw, ...]:
    used = [k for k, hole in enumerate(plans) if hole.screw]
    for piece in dict.fromkeys(piece.name for piece in pieces):
        if not any(pieces[k].name == piece for k in used):
            raise GeometryError(f"screws: every hole of the {piece} stump is empty; leave at least one screw in it")
    heads = plate.holes - plate.hole_axes * plate.thickness / 2
    asked = _tilted(plate, plans, parameters)
    free = np.array([turn and plans[k].along == 0.0 and plans[k].up == 0.0 for k in used])
    held_pieces = [pieces[k] for k in used]
    under = [bones[k] for k in used]
    thickest = max((threads[k] for k in used), key=lambda thread: thread["diameter"])
    axes = spread_axes(under, parameters, heads[used], asked[used], thickest, held_pieces, free)
    screws = []
    for k, axis in zip(used, axes, strict=True):
        screw = place_screw(
            bones[k],
            parameters,
            threads[k],
            name=f"screw-{first + k}",
            head=heads[k],
            axis=axis,
            stump=pieces[k].name,
            plate_name=plate.name,
            length=length if (own := plans[k].length) is None else own,
            piece=pieces[k],
        )
        beyond = screw.length - screw.bone_exit
        if beyond > FAR_TIP:
            raise GeometryError(
                f"{screw.name}: a length of {screw.length:g} mm passes the far cortex by {beyond:.1f} mm, at most "
                f"{FAR_TIP:g} mm are allowed; take {np.ceil(screw.bone_exit + 1):g} mm or 'bicortical'"
            )
        screws.append(screw)
    return tuple(screws)


def _tilted(plate: Plate, plans: Sequence[HolePlan], parameters: ParameterSet) -> np.ndarray:
    """Axes (h, 3) of the screws as asked: those of the holes, turned along the plate and up."""
    limit = parameters["screws.tilt"]
    tangent = section_directions(plate.path, plate.outward)[0]
    axes = plate.hole_axes.copy()
    for k, hole in enumerate(plans):
        if hole.along == 0.0 and hole.up == 0.0:
            continue
        at = int(np.argmin(np.linalg.norm(plate.path - plate.holes[k], axis=1)))
        leftward = tangent[at] - (tangent[at] @ axes[k]) * axes[k]
        leftward /= np.linalg.norm(leftward)
        upward = np.cross(leftward, axes[k])
        upward *= np.sign(upward[2])
        axis = axes[k] + np.tan(np.radians(hole.along)) * leftward + np.tan(np.radians(hole.up)) * upward
        axis /= np.linalg.norm(axis)
        angle = float(np.degrees(np.arccos(np.clip(axis @ axes[k], -1, 1))))
        if not angle <= limit:
            raise GeometryError(
                f"screws: hole {k + 1} is tilted by {angle:.1f} degrees, a locking hole takes at most {limit:g}; "
                "give a smaller tilt"
            )
        axes[k] = axis
    return axes


def _remarks(
    plate: Plate,
    screws: tuple[Screw, ...],
    plan: ScrewPlan,
    to_cut: float,
    first: int,
    struts: Collection[str],
    parameters: ParameterSet,
) -> tuple[str, ...]:
    remarks = []
    if plate.clearance[0] < parameters["plates.least_clearance"] - CLEARANCE_SLACK:
        remarks.append(
            f"{plate.name}: comes within {plate.clearance[0]:.2f} mm of the bone; locking plates stand at least "
            f"{parameters['plates.least_clearance']:g} mm off"
        )
    if plate.rim < parameters["plates.least_rim"]:
        remarks.append(f"{plate.name}: only {plate.rim:.1f} mm of metal beside the seat of a screw's head")
    holes = {screw.name: int(screw.name.rpartition("-")[2]) - first + 1 for screw in screws}
    for screw in screws:
        number = holes[screw.name]
        hole = plan.holes.get(number, HolePlan())
        angle = float(np.degrees(np.arccos(np.clip(screw.axis @ plate.hole_axes[number - 1], -1, 1))))
        if angle > TOLD_TILT and hole.along == 0.0 and hole.up == 0.0:
            remarks.append(f"{screw.name}: tilted {angle:.0f} degrees against its hole, off its neighbour or the cut")
    # The wanted distance places the hole; an axis that leans towards the cut comes nearer inside the bone.
    remarks += [
        f"{screw.name}: comes within {screw.distance_to_cut:.1f} mm of the cut in the bone; {to_cut:g} mm were wanted"
        for screw in screws
        if screw.distance_to_cut < to_cut - CUT_SLACK
    ]
    for stump in dict.fromkeys(screw.stump for screw in screws if screw.stump not in struts):
        count = sum(screw.stump == stump for screw in screws)
        if count < USUAL_SCREWS:
            remarks.append(f"{stump} stump: {count} screws, at least {USUAL_SCREWS} are usual")
    if plate.clearance[1] > WIDE_GAP:
        remarks.append(f"{plate.name}: stands up to {plate.clearance[1]:.1f} mm off the bone under its centreline")
    if plan.length == "bicortical":
        remarks += [
            f"{s.name}: the longest screw does not reach the far cortex, {s.bone_exit - s.length:.1f} mm are missing"
            for s in screws
            if not s.bicortical and plan.holes.get(holes[s.name], HolePlan()).length is None
        ]
    return tuple(remarks)
