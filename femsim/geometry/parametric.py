"""A parametric mandible: an implicit solid built from published morphometrics and meshed as a closed surface.

The solid is designed in *mandibular-plane coordinates*: x left, a posterior along the lower border (menton at 0),
h up, perpendicular to it. Basal bone with ramus and the alveolar process with its occlusal crest are two curtains:
plates of varying thickness over a curve in the (x, a) plane, bounded by a silhouette in (arc length, h). Condyle heads
and chin are blended in. The crest stands for the row of crowns: one smooth ridge of tooth height on which the bite
points lie; there are no separate teeth, sockets, canals or foramina.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.interpolate import PchipInterpolator

from femsim.geometry.asymmetry import Asymmetry
from femsim.geometry.implicit import Curtain, PlanCurve, Silhouette, smooth_union
from femsim.geometry.isosurface import symmetric_surface
from femsim.geometry.shape import MandibleForm, MandibleShape
from femsim.geometry.surface import Surface

__all__ = ["MandibleForm", "MandibleShape", "mandible_surface"]

EDGE_LENGTH = 1.25
"""Mean triangle edge of the surface [mm]; the thinnest part, the coronoid tip, is about three edges thick."""
BUCCAL_CUSP = 3.0
"""The bite point lies this far outside the middle of the crest at the first molar [mm], on its rounded shoulder."""


@dataclass(frozen=True)
class _Design:
    """Construction points shared by the parts, in mandibular-plane coordinates."""

    shape: MandibleShape
    corner: float  # a of the meeting point of lower and posterior tangents
    ramus: np.ndarray  # unit (a, h) along the posterior border, upwards
    front: np.ndarray  # unit (a, h) across the ramus, forwards
    top: float  # distance of the condyle's top from the corner along the ramus
    tilt: float  # angle of the mandibular plane against the horizontal [rad]
    condyle: np.ndarray  # top of the condyle (x, a, h)
    gonion: np.ndarray  # (x, a, h)
    basal: PlanCurve
    arch: PlanCurve
    incisor: np.ndarray  # (x, a, h)
    molar: np.ndarray  # (x, a, h), on the middle of the crest

    @property
    def edge(self) -> float:
        """Anterior border of the ramus at its waist, across from the posterior tangent [mm]."""
        # The posterior border is hollow by 1.3 mm; the plate stands oblique to the sagittal plane.
        return 1.3 + self.shape.ramus_width * float(self.basal.tangent(self.basal.arc_of(self.gonion[1]))[1])

    @property
    def coronoid(self) -> float:
        """Height of the coronoid tip along the ramus [mm]."""
        return self.top + self.shape.coronoid_rise

    def across(self, along: float, forward: float) -> np.ndarray:
        """Point (a, h) given in ramus coordinates."""
        return np.array([self.corner, 0.0]) + along * self.ramus + forward * self.front


def _design(shape: MandibleShape) -> _Design:
    angle = np.radians(shape.gonial_angle)
    ramus = np.array([-np.cos(angle), np.sin(angle)])
    front = np.array([-ramus[1], ramus[0]])
    rounding = shape.form.angle_radius
    # The rounded corner passes this far inside the meeting point of its tangents, along their bisector.
    inside = rounding * (1 / np.sin(angle / 2) - 1)
    bisector = ramus + np.array([-1.0, 0.0])
    bisector /= np.linalg.norm(bisector)
    corner = shape.gonion_menton - inside * bisector[0]
    gonion = np.array([corner, 0.0]) + inside * bisector
    head = shape.condyle_depth / 2
    # Condyle top: on the posterior tangent shifted forwards by half a head, ramus_height away from the gonion.
    start = np.array([corner, 0.0]) + head * front - gonion
    top = -start @ ramus + np.sqrt((start @ ramus) ** 2 - start @ start + shape.ramus_height**2)
    condyle = np.array([corner, 0.0]) + head * front + top * ramus
    pole = 0.5 * shape.condyle_width * np.cos(np.radians(shape.form.condyle_turn))
    condyle_x = shape.bicondylar_width / 2 - pole
    gonion_x = shape.bigonial_width / 2 - shape.ramus_thickness / 2 - shape.form.angle_inset
    basal = _basal_curve(shape.form, gonion_x, gonion[0], condyle_x, condyle[0])
    width = shape.arch_width * shape.bigonial_width / shape.form.scale[0]
    depth = shape.arch_depth * shape.gonion_menton / shape.form.scale[1]
    arch_a = shape.form.arch_start + shape.form.arch_depth * depth
    arch = PlanCurve.through(np.column_stack([shape.form.arch_half_width * width, arch_a]))
    incisor = np.array([0.0, arch_a[0], shape.symphysis_height + shape.crown_height_incisor])
    line = condyle - incisor[1:]
    tilt = np.radians(shape.bonwill_inclination) - np.arctan2(line[1], line[0])
    molar = _molar_place(shape, arch, incisor, condyle, tilt)
    return _Design(
        shape,
        corner,
        ramus,
        front,
        top,
        tilt,
        np.array([condyle_x, *condyle]),
        np.array([gonion_x, *gonion]),
        basal,
        arch,
        incisor,
        molar,
    )


def _basal_curve(form: MandibleForm, gonion_x: float, gonion_a: float, condyle_x: float, condyle_a: float) -> PlanCurve:
    """A power curve (a parabola, blunter at the chin) to the angle, straightening towards the condyle."""
    start, power = form.basal_start, form.basal_power
    share = np.linspace(0, 0.94, 14)
    parabola = np.column_stack([gonion_x * share, start + (gonion_a - start) * share ** (1 / power)])
    end = np.array([[gonion_x, gonion_a], [condyle_x, condyle_a]])
    beyond = end[1] + 0.2 * (end[1] - end[0])
    return PlanCurve.through(np.vstack([parabola, end, beyond]))


def _molar_place(
    shape: MandibleShape, arch: PlanCurve, incisor: np.ndarray, condyle: np.ndarray, tilt: float
) -> np.ndarray:
    """Where the crest has the first molar's share of the horizontal way from incisor to condyle."""
    height = shape.body_height + shape.crown_height_molar

    def horizontal(a: np.ndarray | float, h: np.ndarray | float) -> np.ndarray:
        return np.asarray(a * np.cos(tilt) - h * np.sin(tilt))

    start, end = horizontal(incisor[1], incisor[2]), horizontal(condyle[0], condyle[1])
    place = (start + shape.first_molar_share * (end - start) + height * np.sin(tilt)) / np.cos(tilt)
    s = float(np.interp(place, arch.points[:, 1], arch.arc))
    return np.array([arch.point(s)[0], place, height])


def _basal_silhouette(d: _Design) -> Silhouette:
    """Outline of body and ramus; the offsets of a few mm in it are drawing, chosen by eye like a sculptor's."""
    shape, basal = d.shape, d.basal
    length, body = shape.gonion_menton, shape.body_height

    def flat(points: list[tuple[float, float]]) -> list[np.ndarray]:
        return [np.array([a, h]) for a, h in points]

    rounding = shape.form.angle_radius
    half = np.radians(shape.gonial_angle) / 2
    tangent = rounding / np.tan(half)
    centre = d.across(tangent, rounding)
    turn = np.linspace(-np.pi / 2, np.pi / 2 - 2 * half, 6)
    angle = [centre + rounding * np.array([np.cos(t), np.sin(t)]) for t in turn]
    top, depth = d.top, shape.condyle_depth
    coronoid = d.coronoid
    # Lowest point of the hollow, below the line that joins the two tips.
    notch = 0.5 * (top + coronoid) - shape.notch_depth
    edge, tip_edge = d.edge, d.edge + shape.coronoid_forward
    lower = flat([(0.30 * length, 0.4), (0.5 * length, 1.2), (0.68 * length, 1.9), (0.79 * length, 1.2)])
    rear = [(0.40 * top, 0.9), (0.55 * top, 1.3), (0.70 * top, 1.2), (0.84 * top, 0.5), (top - 6.0, -0.2)]
    neck = [(top - 2.5, 0.5 * depth), (top - 6.0, depth + 0.3), (top - 11.0, depth + 2.0)]
    hollow = [(notch + 1.2, depth + 5.6), (notch, 0.5 * (depth + tip_edge) + 0.8), (notch + 4.2, tip_edge - 7.4)]
    tip = [(coronoid - 2.2, tip_edge - 3.0), (coronoid, tip_edge - 0.2), (coronoid - 3.6, tip_edge + 1.6)]
    fore = shape.coronoid_forward
    anterior = [(0.73 * top, edge + 1.6 + 0.75 * fore), (0.61 * top, edge + 0.2 + 0.2 * fore)]
    anterior += [(0.48 * top, edge), (0.38 * top, edge + 1.2)]
    curve = [*lower, *angle, *(d.across(*p) for p in rear + neck + hollow + tip + anterior)]
    start = d.across(0.30 * top, edge + 4.0)
    target = np.array([d.molar[1] + 2.0, 0.74 * body])
    # The oblique line runs down from the anterior border and fades on the body beside the first molar.
    curve += [start + share * (target - start) + [0.0, -sag] for share, sag in ((0.0, 0.0), (0.5, 1.5), (1.0, 0.0))]
    curve += flat([(0.5 * d.molar[1], 0.70 * body)])
    points = np.array([[basal.arc_of(a), h] for a, h in curve])
    symphysis = 0.70 * shape.symphysis_height
    ends = np.array([[4.0, symphysis], [-4.0, symphysis], [-30.0, symphysis], [-30.0, 0.3], [-5.0, 0.0], [5.0, 0.0]])
    return Silhouette.around(np.vstack([ends[-2:], points, ends[:-2]]))


def _basal(d: _Design) -> Curtain:
    shape, basal = d.shape, d.basal
    places = [basal.arc_of(share * shape.gonion_menton) for share in (0.0, 0.3, 0.5, 0.7, 0.9, 1.1)]
    body, plate = shape.body_thickness / 2, shape.ramus_thickness / 2
    in_body = PchipInterpolator(places, [1.0, 0.98, 0.94, 0.5, 0.0, 0.0])

    def half_thickness(s: np.ndarray, h: np.ndarray) -> np.ndarray:
        share = in_body(np.clip(s, places[0], places[-1]))
        along = plate + (body - plate) * share
        a = _a_of(basal, s) - d.corner
        upwards, forwards = a * d.ramus[0] + h * d.ramus[1], a * d.front[0] + h * d.front[1]
        # The body thins towards the alveolar process, the ramus towards the coronoid; the neck flares to the head.
        taper = 0.30 * _step((h - 0.3 * shape.body_height) / (0.6 * shape.body_height))
        blade = along * (1 - taper * share - 0.45 * (1 - share) * _step((upwards - 0.5 * d.top) / (0.5 * d.top)))
        flare = _step((upwards - d.top + 27.0) / 24.0) * np.exp(-((np.maximum(forwards - 6.0, 0) / 5.0) ** 2))
        return blade + flare * np.maximum(0.45 * shape.condyle_width - blade, 0)

    def middle(s: np.ndarray, h: np.ndarray) -> np.ndarray:
        chin = 3.0 * np.exp(-((s / 12.0) ** 2) - ((h - 0.22 * shape.symphysis_height) / 6.5) ** 2)
        # The mental tubercles give the chin its triangular front.
        tubercle = 0.9 * np.exp(-(((s - 11.0) / 4.5) ** 2) - ((h - 4.0) / 4.0) ** 2)
        hollow = 1.4 * np.exp(-((s / 16.0) ** 2) - ((h - 0.62 * shape.symphysis_height) / 6.0) ** 2)
        # The front of the ramus leans outwards towards the coronoid tip, its rear stays under the condyle.
        a = _a_of(basal, s) - d.corner
        upwards, forwards = a * d.ramus[0] + h * d.ramus[1], a * d.front[0] + h * d.front[1]
        lean = _step((upwards - 0.4 * d.top) / (d.coronoid - 0.4 * d.top)) * _step(forwards / d.edge)
        return chin + tubercle - hollow + shape.coronoid_flare * lean

    def rim(s: np.ndarray, h: np.ndarray) -> np.ndarray:
        # Blunt lower border; towards the alveolar process and the edges of the ramus the section narrows slowly.
        front = _step((places[3] - s) / (places[3] - places[1]))
        above = _step((h - 0.25 * shape.body_height) / (0.4 * shape.body_height))
        return 1.7 + front * (1.1 * above - 0.7)

    return Curtain(basal, _basal_silhouette(d), half_thickness, middle, rim)


def _step(share: np.ndarray) -> np.ndarray:
    """Smooth step from 0 to 1 over the unit interval."""
    share = np.clip(share, 0, 1)
    return share * share * (3 - 2 * share)


def _a_of(curve: PlanCurve, s: np.ndarray) -> np.ndarray:
    return np.interp(s, curve.arc, curve.points[:, 1])


def _alveolar(d: _Design) -> Curtain:
    shape, arch = d.shape, d.arch
    at_molar = arch.arc_of(d.molar[1])
    back = arch.arc[-1]
    tall, low = d.incisor[2], d.molar[2]
    contacts = _contacts(shape.form.tooth_width, at_molar)
    middles, last = 0.5 * (contacts[1:] + contacts[:-1]), contacts[-1]
    between = min(1.1, 0.17 * shape.crown_height_molar)

    def level(s: np.ndarray | float) -> np.ndarray:
        return np.interp(s, [0.0, at_molar, last], [tall, low, low - 0.8])

    top = [(-30.0, tall), (-3.0, tall), *zip(middles, level(middles), strict=True)]
    top += list(zip(contacts[1:-1], level(contacts[1:-1]) - between, strict=True))
    top.sort()
    rear = [(last - 0.8, low - 2.2), (last + 1.5, low - 7.0), (last + 5.0, low - 12.0), (last + 6.5, 0.42 * low)]
    base = [(at_molar, 0.30 * low), (0.5 * at_molar, 0.35 * low), (0.0, 0.35 * tall), (-30.0, 0.35 * tall)]
    silhouette = Silhouette.around(np.array(top + rear + base))
    crest = np.array([[0.0, tall], [at_molar, low], [back, low]])
    margin = np.array([[0.0, shape.symphysis_height], [at_molar, shape.body_height], [back, shape.body_height]])
    wide = np.linspace(0, back, len(shape.form.ridge_half))
    build = shape.body_thickness / shape.form.scale[2]
    ridge = PchipInterpolator(wide, build * shape.form.ridge_half)
    rim = PchipInterpolator(wide, build * shape.form.edge_half)

    def half_thickness(s: np.ndarray, h: np.ndarray) -> np.ndarray:
        bone, edge = ridge(np.clip(s, 0, back)), rim(np.clip(s, 0, back))
        low_h, high_h = np.interp(s, margin[:, 0], margin[:, 1]), np.interp(s, crest[:, 0], crest[:, 1])
        up = np.clip((h - low_h) / np.maximum(high_h - low_h, 1.0), 0, 1)
        # Embrasures between neighbouring crowns, fading at the alveolar margin.
        gap = np.exp(-(((s[..., None] - contacts) / 1.1) ** 2)).sum(axis=-1) if shape.crown_height_molar else 0.0
        return (bone + (edge - bone) * up) * (1 - 0.26 * gap * _step(2.5 * up))

    towards = _offset_between(arch, d.basal)

    def middle(s: np.ndarray, h: np.ndarray) -> np.ndarray:
        low_h = np.interp(s, margin[:, 0], margin[:, 1])
        down = np.clip((low_h - h) / (0.6 * low_h), 0, 1)
        return np.interp(s, arch.arc, towards) * _step(down)

    return Curtain(arch, silhouette, half_thickness, middle)


def _contacts(widths: np.ndarray, at_molar: float) -> np.ndarray:
    """Arc lengths of the contacts between neighbouring teeth, from the midline to behind the second molar."""
    contacts = np.r_[0.0, np.cumsum(widths)]
    first_molar = 0.5 * (contacts[5] + contacts[6])
    return contacts * at_molar / first_molar


def _offset_between(arch: PlanCurve, basal: PlanCurve) -> np.ndarray:
    """How far outwards the basal curve lies from each point of the arch [mm]."""
    _, outward = basal.locate(arch.points[:, 0], arch.points[:, 1])
    return -outward


def _condyle_field(d: _Design, x: np.ndarray, a: np.ndarray, h: np.ndarray) -> np.ndarray:
    shape = d.shape
    turn = np.radians(shape.form.condyle_turn)
    half = np.array([0.5 * shape.condyle_width, 0.5 * shape.condyle_depth, 0.5 * shape.form.condyle_height])
    centre = d.condyle[1:] - half[2] * d.ramus
    back = (a - centre[0]) * -d.front[0] + (h - centre[1]) * -d.front[1]
    up = (a - centre[0]) * d.ramus[0] + (h - centre[1]) * d.ramus[1]
    side = x - d.condyle[0]
    lateral = side * np.cos(turn) - back * np.sin(turn)
    behind = side * np.sin(turn) + back * np.cos(turn)
    radius = (np.abs(lateral / half[0]) ** 2.5 + np.abs(behind / half[1]) ** 2.2 + np.abs(up / half[2]) ** 2.2) ** (
        1 / 2.2
    )
    return (radius - 1) * half[1]


def mandible_surface(shape: MandibleShape, edge: float = EDGE_LENGTH) -> tuple[Surface, dict[str, np.ndarray]]:
    """Build the surface and the landmarks of a parametric mandible.

    Parameters
    ----------
    shape : MandibleShape
    edge : float
        Mean triangle edge [mm].

    Returns
    -------
    surface : Surface
        Closed, manifold, in the anatomical frame; exactly left-right symmetric unless the shape says otherwise.
    landmarks : dict of str to ndarray, shape (3,)
        Known by construction.
    """
    d = _design(shape)
    basal, alveolar = _basal(d), _alveolar(d)

    def field(x: np.ndarray, a: np.ndarray, h: np.ndarray) -> np.ndarray:
        value = smooth_union(basal.field(x, a, h), alveolar.field(x, a, h), 6.0)
        return smooth_union(value, _condyle_field(d, x, a, h), 3.0)

    low = np.array([0.0, -14.0, -4.0])
    tip = _coronoid_tip(d)
    high = np.array([shape.bicondylar_width / 2 + 3, d.condyle[1] + 12.0, max(d.condyle[2], tip[2]) + 8.0])
    surface = symmetric_surface(field, low, high, edge)
    cosine, sine = np.cos(d.tilt), np.sin(d.tilt)
    rotation = np.array([[1, 0, 0], [0, cosine, -sine], [0, sine, cosine]])
    crest = d.molar + np.array([BUCCAL_CUSP * shape.body_thickness / shape.form.scale[2], 0.0, -0.5])
    left = {"condyle": d.condyle, "gonion": d.gonion, "first_molar": crest}
    left["coronoid"] = tip
    half = shape.body_thickness / 2
    # The lower border is a half round about the basal curve; tilting it moves its lowest point forwards.
    forward = d.basal.points[0, 1] - half * sine - float(basal.middle(np.zeros(1), np.array([0.3 * half]))[0])
    lowest = np.array([0.0, forward, half * (1 - cosine)])
    points = {"incisor": d.incisor, "menton": lowest}
    for name, point in left.items():
        points[f"{name}_left"] = point
        points[f"{name}_right"] = point * (-1.0, 1.0, 1.0)
    # The file frame of the muscle table has its origin behind and below the chin; any origin on the midline would do.
    shift = np.array([0.0, *shape.form.menton])
    move = Asymmetry(
        chin=shape.chin_deviation,
        ramus=shape.ramus_difference,
        corner=d.corner,
        direction=d.ramus,
        angle=shape.form.angle_radius,
        top=d.top,
    )
    placed = Surface(move(surface.points) @ rotation.T + shift, surface.triangles)
    moved = move(np.array(list(points.values()))) @ rotation.T + shift
    return placed, dict(zip(points, moved, strict=True))


def _coronoid_tip(d: _Design) -> np.ndarray:
    a, h = d.across(d.coronoid, d.edge + d.shape.coronoid_forward - 0.2)
    s = d.basal.arc_of(a)
    outwards = d.basal.tangent(s)[::-1] * [1.0, -1.0]
    x, back = d.basal.point(s) + d.shape.coronoid_flare * outwards
    return np.array([x, back, h])
