"""Bend a plate to the buccal surface: its path in the lateral projection, its normals, its clearance, its holes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from scipy.ndimage import gaussian_filter1d, maximum_filter1d

from femsim.errors import GeometryError
from femsim.geometry.arch import Arch, resampled
from femsim.geometry.graft import Graft
from femsim.geometry.plan import PlatePlan
from femsim.geometry.plate import Plate, arc_length, plate_section, section_directions, sweep_section
from femsim.geometry.resection import BonePiece, Resection
from femsim.geometry.surface import Surface
from femsim.parameters import ParameterSet

STEP = 1.0
"""Spacing [mm] of stations while the plate is bent."""

SECTION_STEP = 1.5
"""Spacing [mm] of the sections of the finished plate: fine against its bends, coarse enough for the mesher."""

ACROSS = np.linspace(-0.5, 0.5, 7)
"""Samples across the plate, in plate widths, at which the bone under it is probed."""

CLEARANCE_ROUNDS = 12
"""Each round pushes the plate out by what is missing; smoothing gives some of it back, hence several."""

CLEARANCE_TOLERANCE = 0.02
"""Missing standoff [mm] that is let pass; a bender is not more exact."""

AXIS_PROBE = 10.0
"""A hole's distance to the cut is checked down to this depth [mm] along its axis, the usual thickness of the body."""

DEEP_SHARE = 0.7
"""At that depth the axis must keep this share of the wanted distance to the cut, because axes converge at a bend."""

HIGHEST = 40.0
"""Largest height [mm] of a plate's centreline above the lower border; no body of a jaw is higher."""

WIDTH_RAMP = 5.0
"""Over the defect the plate reaches its other width within this distance [mm] of the cut."""

WAVE_RAMP = 12.0
"""A wave reaches its height within this distance [mm] of the cut; steeper would be a kink."""

HOLE_STEP = 0.05
"""Sampling step [mm] along the plate when holes are placed."""

BEND_LIMIT = 0.75
"""Least radius of an edgewise bend in plate widths; below half a width the swept edges would fold over."""


@dataclass(frozen=True)
class PlateSetting:
    """How a plate is to sit.

    Attributes
    ----------
    width, thickness, pitch : float
        Section on the stumps and hole distance [mm].
    countersink : float
        Depth of the seat of a screw's head [mm].
    bridge_width, edge_radius : float
        Width over the defect and radius of the long edges [mm].
    wave : float
        How much farther off the original contour the plate runs over the defect [mm].
    height : float
        Centreline above the lower border [mm].
    standoff : float
        Least gap to bone [mm].
    first_hole : float
        Distance of the first hole of a stump from the cut [mm].
    end_margin : float
        Plate beyond its last holes [mm].
    path_smoothing, normal_smoothing : float
        Averaging lengths [mm].
    """

    width: float
    thickness: float
    pitch: float
    countersink: float
    bridge_width: float
    edge_radius: float
    wave: float
    height: float
    standoff: float
    first_hole: float
    end_margin: float
    path_smoothing: float
    normal_smoothing: float

    @classmethod
    def from_parameters(cls, parameters: ParameterSet, plan: PlatePlan) -> PlateSetting:
        """Take card ``plates`` and replace what is asked for.

        Raises
        ------
        InputError, GeometryError
            An unknown preset or a value out of its range.
        """
        section = plate_section(parameters, plan)
        defaults = {"height": "height", "standoff": "standoff", "first_hole": "min_distance_to_cut"}
        asked = {"height": plan.height, "standoff": plan.standoff, "first_hole": plan.screws.min_distance_to_cut}
        values = {
            key: parameters[f"plates.{name}"] if (given := asked[key]) is None else float(given)
            for key, name in defaults.items()
        }
        values["wave"] = float(plan.wave)
        limits = {
            "standoff": (parameters["plates.least_clearance"], 5.0, "standoff from the bone"),
            "first_hole": (2.0, 30.0, "minimal_distance_to_cut"),
            "wave": (0.0, 20.0, "wave over the defect"),
        }
        for key, (low, high, words) in limits.items():
            if not low <= values[key] <= high:
                raise GeometryError(
                    f"plate: {words} is {values[key]:g} mm, allowed are {low:g} to {high:g} mm for this plate"
                )
        return cls(
            **section,
            end_margin=parameters["plates.end_margin"],
            path_smoothing=parameters["plates.path_smoothing"],
            normal_smoothing=parameters["plates.normal_smoothing"],
            **values,
        )


def plan_plate(
    surface: Surface,
    arch: Arch,
    resection: Resection,
    setting: PlateSetting,
    counts: tuple[int, ...],
    name: str,
    farther: Mapping[str, float] | None = None,
) -> tuple[Plate, tuple[BonePiece, ...]]:
    """Bend a plate over the defects along the original buccal contour and place its holes on the bone that stays.

    Parameters
    ----------
    surface : Surface
        The jaw before the resection.
    arch : Arch
    resection : Resection
    setting : PlateSetting
    counts : tuple of int
        Holes in every bone piece, by ascending arch coordinate.
    name : str
    farther : mapping of str to float, optional
        By how much more than ``first_hole`` the holes of a bone piece keep off its cuts [mm].

    Returns
    -------
    Plate
        Holes ordered from the right to the left of the jaw.
    tuple of BonePiece
        The piece under every hole.

    Raises
    ------
    GeometryError
        The plate leaves the bone, its holes do not fit, or it would have to bend too sharply.
    """
    if not setting.width / 2 <= setting.height <= HIGHEST:
        raise GeometryError(
            f"plate: height above the lower border is {setting.height:g} mm, allowed are {setting.width / 2:g} to "
            f"{HIGHEST:g} mm for this plate"
        )
    bent = _Bent.over(surface, arch, resection, setting, counts)
    marks, pieces = _hole_marks(bent, resection, setting, counts, farther or {})
    low, high = marks[0] - setting.end_margin, marks[-1] + setting.end_margin
    arc = bent.arc
    if low < arc[0] - 1e-9 or high > arc[-1] + 1e-9:
        end = 0 if low < arc[0] else -1
        missing = max(arc[0] - low, high - arc[-1])
        raise GeometryError(
            f"plate: {counts[end]} screws do not fit on the {resection.pieces[end].name} stump, the plate misses the "
            f"bone by {missing:.1f} mm; take fewer screws, a smaller pitch or another height"
        )
    count = int(np.ceil((high - low) / SECTION_STEP)) + 1
    at = np.linspace(low, high, count)
    path, outward = bent.at(at)
    _, outward, _ = section_directions(path, outward)
    over = resection.depth(path - (setting.thickness / 2 + setting.standoff) * outward)
    width = setting.width + (setting.bridge_width - setting.width) * ramp(over, WIDTH_RAMP)
    _check_bends(path, outward, width, setting.thickness)
    holes, normals = bent.at(np.array(marks))
    solid = sweep_section(path, outward, width, setting.thickness, setting.edge_radius)
    plate = Plate(
        name=name,
        surface=solid,
        path=path,
        outward=outward,
        holes=holes,
        hole_axes=-normals,
        width=setting.width,
        thickness=setting.thickness,
        clearance=_clearance(surface, resection, path, outward, setting),
    )
    return plate, pieces


def holes_on_struts(
    plate: Plate, pieces: tuple[BonePiece, ...], graft: Graft, setting: PlateSetting, count: int
) -> tuple[Plate, tuple[BonePiece, ...]]:
    """The plate with holes over every strut of a graft besides those it has, and the piece under every hole.

    Raises
    ------
    GeometryError
        A strut is too short for its screws.
    """
    arc = arc_length(plate.path)
    fine = np.arange(0.0, arc[-1], HOLE_STEP)
    bent = _Bent(plate.path, plate.outward)
    path, normal = bent.at(fine)
    marks = [float(fine[np.argmin(np.linalg.norm(path - hole, axis=1))]) for hole in plate.holes]
    holes, axes, under = list(plate.holes), list(plate.hole_axes), list(pieces)
    entry = path - (setting.thickness / 2 + setting.standoff) * normal
    for strut in graft.struts:
        room = _room(strut.piece, entry, normal)
        usable = fine[room >= setting.first_hole]
        steps = _centred(strut.piece, usable, setting, count)
        centres, outward = bent.at(steps)
        marks += steps.tolist()
        holes += list(centres)
        axes += list(-outward)
        under += [strut.piece] * count
    order = np.argsort(marks, kind="stable")
    made = replace(plate, holes=np.array(holes)[order], hole_axes=np.array(axes)[order])
    return made, tuple(under[k] for k in order)


@dataclass(frozen=True, eq=False)
class _Bent:
    """The endless plate: stations along its mid-thickness centreline and unit outward normals there."""

    path: np.ndarray
    outward: np.ndarray

    @property
    def arc(self) -> np.ndarray:
        return arc_length(self.path)

    def at(self, arc: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Centreline points and unit normals at arc lengths, each (k, 3)."""
        own = self.arc
        path = np.column_stack([np.interp(arc, own, self.path[:, k]) for k in range(3)])
        normal = np.column_stack([np.interp(arc, own, self.outward[:, k]) for k in range(3)])
        return path, normal / np.linalg.norm(normal, axis=1, keepdims=True)

    @classmethod
    def over(
        cls, surface: Surface, arch: Arch, resection: Resection, setting: PlateSetting, counts: tuple[int, ...]
    ) -> _Bent:
        """Bend a plate that is longer than needed on both stumps as far as there is bone."""
        middle, points = _probe(arch, resection, setting, counts)
        smooth = gaussian_filter1d(middle, setting.path_smoothing / 2 / STEP, axis=0, mode="nearest")
        tangent = np.gradient(smooth, axis=0)
        tangent /= np.linalg.norm(tangent, axis=1, keepdims=True)
        # Least-squares width direction of the bone under the plate, at every station.
        spread = points - np.nanmean(points, axis=1, keepdims=True)
        weights = np.where(np.isfinite(spread), ACROSS[None, :, None], 0.0)
        across = np.nansum(weights * np.nan_to_num(spread), axis=1)
        normal = np.cross(across, tangent)
        normal /= np.linalg.norm(normal, axis=1, keepdims=True)
        normal *= np.sign(np.einsum("ij,ij->i", normal, arch.normal(arch.locate(smooth)[0])))[:, None]
        normal = gaussian_filter1d(normal, setting.normal_smoothing / STEP, axis=0, mode="nearest")
        _, normal, _ = section_directions(smooth, normal)
        wave = setting.wave * ramp(resection.depth(smooth), WAVE_RAMP)
        path = _lifted(surface, smooth, normal, setting) + wave[:, None] * normal
        _, normal, _ = section_directions(path, normal)
        return cls(path, normal)


def _probe(
    arch: Arch, resection: Resection, setting: PlateSetting, counts: tuple[int, ...]
) -> tuple[np.ndarray, np.ndarray]:
    """Buccal surface under the plate: centre (n, 3) and across its width (n, 7, 3), NaN where the width overhangs."""
    line = arch.parallel_to_border(setting.height, setting.path_smoothing)
    line = resampled(line, STEP)
    inside = (line[:, 0] > resection.span[0]) & (line[:, 0] < resection.span[1])
    if not inside.any():
        raise GeometryError(f"plate: no path {setting.height:g} mm above the lower border crosses the defect")
    # Twice the wanted length on each stump: the projection shortens paths on inclined bone.
    need = [
        2 * (setting.first_hole + setting.pitch * max(count - 1, 0) + setting.end_margin) + 10.0
        for count in (counts[0], counts[-1])
    ]
    first = max(int(np.flatnonzero(inside)[0] - need[0] / STEP), 0)
    last = min(int(np.flatnonzero(inside)[-1] + need[1] / STEP), len(line) - 1)
    line = line[first : last + 1]
    along = np.gradient(line, axis=0)
    along /= np.linalg.norm(along, axis=1, keepdims=True)
    sideways = np.column_stack([-along[:, 1], along[:, 0]])
    probes = line[:, None, :] + setting.width * ACROSS[None, :, None] * sideways[:, None, :]
    points = arch.buccal(probes[..., 0].ravel(), probes[..., 1].ravel()).reshape(len(line), len(ACROSS), 3)
    centre = points[:, len(ACROSS) // 2]
    usable = np.isfinite(points[..., 0]).sum(axis=1) >= 4
    usable &= np.isfinite(centre[:, 0])
    # A jump of the outermost surface means that the ray met another part of the jaw (coronoid, condyle).
    jump = np.r_[0.0, np.linalg.norm(np.diff(centre, axis=0), axis=1)] > 4 * STEP
    usable &= ~jump
    centre_of_defect = int(np.mean(np.flatnonzero((line[:, 0] > resection.span[0]) & (line[:, 0] < resection.span[1]))))
    if not usable[centre_of_defect]:
        raise GeometryError("plate: the plate's path misses the bone over the defect; choose another height")
    bad = np.flatnonzero(~usable)
    low = bad[bad < centre_of_defect].max(initial=-1) + 1
    high = bad[bad > centre_of_defect].min(initial=len(line))
    return centre[low:high], points[low:high]


def _lifted(surface: Surface, base: np.ndarray, normal: np.ndarray, setting: PlateSetting) -> np.ndarray:
    """Mid-thickness centreline at which the inner face stands at least ``standoff`` off the bone everywhere."""
    lift = np.full(len(base), setting.standoff)
    across = section_directions(base, normal)[2]
    window = max(int(setting.width / STEP), 3)
    for _ in range(CLEARANCE_ROUNDS):
        face = (
            base[:, None]
            + lift[:, None, None] * normal[:, None]
            + setting.width * ACROSS[None, :, None] * across[:, None]
        )
        gap = surface.signed_distance(face.reshape(-1, 3)).reshape(face.shape[:2]).min(axis=1)
        missing = setting.standoff - gap
        if missing.max() < CLEARANCE_TOLERANCE:
            break
        lift = lift + gaussian_filter1d(
            maximum_filter1d(np.maximum(missing, 0.0), window, mode="nearest"), window / 3, mode="nearest"
        )
    return base + (lift + setting.thickness / 2)[:, None] * normal


def _hole_marks(
    bent: _Bent, resection: Resection, setting: PlateSetting, counts: tuple[int, ...], farther: Mapping[str, float]
) -> tuple[list[float], tuple[BonePiece, ...]]:
    """Arc lengths of the holes from right to left and the bone piece under each."""
    fine = np.arange(bent.arc[0], bent.arc[-1], HOLE_STEP)
    path, normal = bent.at(fine)
    # Holes are placed where the screw enters bone, not where it leaves the plate.
    entry = path - (setting.thickness / 2 + setting.standoff) * normal
    s = resection.arch.locate(entry)[0]
    gaps = []
    for segment in resection.segments:
        inside = np.flatnonzero((s > segment.span[0]) & (s < segment.span[1]))
        if len(inside) == 0:
            raise GeometryError("plate: the plate's path does not cross the defect; choose another height")
        gaps.append(int(inside.mean()))
    borders = [0, *gaps, len(fine) - 1]
    marks: list[float] = []
    under: list[BonePiece] = []
    for k, (piece, count) in enumerate(zip(resection.pieces, counts, strict=True)):
        part = np.arange(borders[k], borders[k + 1] + 1)
        wanted = setting.first_hole + farther.get(piece.name, 0.0)
        usable = fine[part[_room(piece, entry[part], normal[part]) >= wanted]]
        if not count:
            continue
        steps = setting.pitch * np.arange(count)
        if 0 < k < len(counts) - 1:
            placed = _centred(piece, usable, setting, count)
        elif len(usable) == 0:
            raise GeometryError(
                f"plate: no room for a hole {wanted:.3g} mm from the cut on the {piece.name} stump; "
                "the stump is too short there, move the cut or change the plate's height"
            )
        else:
            placed = usable[-1] - steps[::-1] if k == 0 else usable[0] + steps
        marks += placed.tolist()
        under += [piece] * count
    return marks, tuple(under)


def _room(piece: BonePiece, entry: np.ndarray, normal: np.ndarray) -> np.ndarray:
    """Distance (n,) to the cuts of a piece [mm] that a screw has which enters at (n, 3) against the normal."""
    deep = entry - AXIS_PROBE * normal
    return np.minimum(piece.distance_to_cut(entry), piece.distance_to_cut(deep) / DEEP_SHARE)


def _centred(piece: BonePiece, usable: np.ndarray, setting: PlateSetting, count: int) -> np.ndarray:
    """Arc lengths of holes in the middle of a piece that has a cut on both sides."""
    needed, there = setting.pitch * (count - 1), float(np.ptp(usable)) if len(usable) else -1.0
    if needed > there:
        room = f"{there:.1f} mm lie" if there >= 0 else "no place lies"
        raise GeometryError(
            f"plate: {count} screws need {needed:.1f} mm on the {piece.name} piece of bone and {room} "
            f"{setting.first_hole:g} mm from both cuts; take fewer screws, a smaller pitch or minimal_distance_to_cut"
        )
    return 0.5 * (usable[0] + usable[-1] - needed) + setting.pitch * np.arange(count)


def ramp(depth: np.ndarray, length: float) -> np.ndarray:
    """Smooth step from 0 at a cut to 1 at ``length`` [mm] into the defect."""
    share = np.clip(depth / length, 0.0, 1.0)
    return share**2 * (3.0 - 2.0 * share)


def _check_bends(path: np.ndarray, outward: np.ndarray, width: np.ndarray, thickness: float) -> None:
    tangent, normal, across = section_directions(path, outward)
    arc = arc_length(path)
    edgewise = np.abs(np.einsum("ij,ij->i", np.gradient(tangent, arc, axis=0), across))
    worst = int(np.argmax(edgewise * width))
    if edgewise[worst] * width[worst] * BEND_LIMIT > 1:
        place = ", ".join(f"{v:.1f}" for v in path[worst])
        raise GeometryError(
            f"plate: an edgewise bend of radius {1 / edgewise[worst]:.1f} mm at ({place}) mm is too sharp for a width "
            f"of {width[worst]:g} mm, at least {BEND_LIMIT * width[worst]:.1f} mm are needed; "
            "choose another height or a narrower plate"
        )
    half = width[:, None] / 2 * across, thickness / 2 * normal
    corners = np.stack([path + a * half[0] + b * half[1] for a in (-1, 1) for b in (-1, 1)], axis=1)
    forward = np.einsum("ikj,ij->ik", np.diff(corners, axis=0), tangent[:-1])
    if forward.min() <= 0.1 * arc[1]:
        raise GeometryError(
            "plate: the swept plate would fold over itself at a bend; choose another height or a narrower plate"
        )


def _clearance(
    surface: Surface, resection: Resection, path: np.ndarray, outward: np.ndarray, setting: PlateSetting
) -> tuple[float, float]:
    """Least distance from the whole inner face to bone that stays, and greatest gap under the centreline."""
    across = section_directions(path, outward)[2]
    inner = path - setting.thickness / 2 * outward
    face = inner[:, None] + setting.width * ACROSS[None, :, None] * across[:, None]
    gaps = surface.signed_distance(face.reshape(-1, 3)).reshape(face.shape[:2])
    stays = ~resection.removed(inner - setting.standoff * outward)
    return float(gaps[stays].min()), float(gaps[stays, len(ACROSS) // 2].max())
