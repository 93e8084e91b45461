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

from femsim.geometry.implicit import Curtain, PlanCurve, Silhouette, smooth_union
from femsim.geometry.isosurface import symmetric_surface
from femsim.geometry.shape import MandibleShape
from femsim.geometry.surface import Surface
from femsim.parameters import load_parameters

__all__ = ["MandibleShape", "mandible_surface"]

EDGE_LENGTH = 1.25
"""Mean triangle edge of the surface [mm]; the thinnest part, the coronoid tip, is about three edges thick."""


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

    def across(self, along: float, forward: float) -> np.ndarray:
        """Point (a, h) given in ramus coordinates."""
        return np.array([self.corner, 0.0]) + along * self.ramus + forward * self.front


def _form(name: str) -> np.ndarray:
    return load_parameters().vector(f"jaw.form_{name}")


def _design(shape: MandibleShape) -> _Design:
    angle = np.radians(shape.gonial_angle)
    ramus = np.array([-np.cos(angle), np.sin(angle)])
    front = np.array([-ramus[1], ramus[0]])
    rounding = load_parameters()["jaw.form_angle_radius"]
    # The rounded corner passes this far inside the meeting point of its tangents, along their bisector.
    inside = rounding * (1 / np.sin(angle / 2) - 1)
    bisector = (ramus + [-1.0, 0.0]) / np.linalg.norm(ramus + [-1.0, 0.0])
    corner = shape.gonion_menton - inside * bisector[0]
    gonion = np.array([corner, 0.0]) + inside * bisector
    head = shape.condyle_depth / 2
    # Condyle top: on the posterior tangent shifted forwards by half a head, ramus_height away from the gonion.
    start = np.array([corner, 0.0]) + head * front - gonion
    top = -start @ ramus + np.sqrt((start @ ramus) ** 2 - start @ start + shape.ramus_height**2)
    condyle = np.array([corner, 0.0]) + head * front + top * ramus
    pole = 0.5 * shape.condyle_width * np.cos(np.radians(load_parameters()["jaw.form_condyle_turn"]))
    condyle_x = shape.bicondylar_width / 2 - pole
    gonion_x = shape.bigonial_width / 2 - load_parameters()["jaw.form_angle_half"]
    basal = _basal_curve(gonion_x, gonion[0], condyle_x, condyle[0])
    width, depth = shape.bigonial_width / 98.0, shape.gonion_menton / 72.0
    arch_a = load_parameters()["jaw.form_arch_start"] + _form("arch_depth") * depth
    arch = PlanCurve.through(np.column_stack([_form("arch_half_width") * width, arch_a]))
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
        np.array([shape.bigonial_width / 2, *gonion]),
        basal,
        arch,
        incisor,
        molar,
    )


def _basal_curve(gonion_x: float, gonion_a: float, condyle_x: float, condyle_a: float) -> PlanCurve:
    """Parabola from the chin to the angle, straightening towards the condyle."""
    share = np.linspace(0, 0.94, 16) ** 2
    parabola = np.column_stack([gonion_x * np.sqrt(share), gonion_a * share])
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
    shape, basal = d.shape, d.basal
    length, body = shape.gonion_menton, shape.body_height

    def flat(points: list[tuple[float, float]]) -> list[np.ndarray]:
        return [np.array([a, h]) for a, h in points]

    rounding = load_parameters()["jaw.form_angle_radius"]
    half = np.radians(shape.gonial_angle) / 2
    tangent = rounding / np.tan(half)
    centre = d.across(tangent, rounding)
    turn = np.linspace(-np.pi / 2, np.pi / 2 - 2 * half, 6)
    angle = [centre + rounding * np.array([np.cos(t), np.sin(t)]) for t in turn]
    waist = shape.ramus_width * float(basal.tangent(basal.arc_of(d.gonion[1]))[1])
    top, depth = d.top, shape.condyle_depth
    coronoid = top + load_parameters()["jaw.form_coronoid_rise"]
    notch = 0.5 * (top + coronoid) - shape.notch_depth
    edge = 1.3 + waist
    lower = flat([(0.30 * length, 0.4), (0.5 * length, 1.2), (0.68 * length, 1.9), (0.79 * length, 1.2)])
    rear = [(0.40 * top, 1.0), (0.55 * top, 1.3), (0.70 * top, 1.3), (0.84 * top, 1.2), (top - 5.0, 1.6)]
    neck = [(top - 2.5, 0.5 * depth), (top - 5.0, depth - 1.6), (top - 10.0, depth + 0.2)]
    hollow = [(notch + 1.2, depth + 3.6), (notch, 0.5 * (depth + edge) - 1.0), (notch + 3.0, edge - 8.6)]
    tip = [(coronoid - 5.0, edge - 5.6), (coronoid, edge - 2.2), (coronoid - 4.5, edge + 0.6), (0.72 * top, edge + 0.6)]
    anterior = [(0.56 * top, edge), (0.45 * top, edge + 0.8)]
    curve = [*lower, *angle, *(d.across(*p) for p in rear + neck + hollow + tip + anterior)]
    oblique = d.across(0.36 * top, edge + 5.0)
    upper = flat([(d.molar[1] + 10.0, 0.80 * body), (d.molar[1] - 2.0, 0.66 * body), (0.5 * d.molar[1], 0.62 * body)])
    curve += [oblique, *upper]
    points = np.array([[basal.arc_of(a), h] for a, h in curve])
    symphysis = 0.66 * shape.symphysis_height
    ends = np.array([[4.0, symphysis], [-4.0, symphysis], [-30.0, symphysis], [-30.0, 0.3], [-5.0, 0.0], [5.0, 0.0]])
    return Silhouette.around(np.vstack([ends[-2:], points, ends[:-2]]))


def _basal(d: _Design) -> Curtain:
    shape, basal = d.shape, d.basal
    places = [basal.arc_of(share * shape.gonion_menton) for share in (0.0, 0.3, 0.52, 0.72, 0.9)]
    body, plate = shape.body_thickness / 2, shape.ramus_thickness / 2
    level = d.condyle[2]

    def half_thickness(s: np.ndarray, h: np.ndarray) -> np.ndarray:
        along = np.interp(s, places, [body, 0.97 * body, 0.95 * body, 0.5 * (body + plate), plate])
        # Thin coronoid and upper ramus, thick neck.
        upper = np.clip((h - 0.5 * level) / (0.5 * level), 0, 1)
        blade = along * (1 - 0.35 * upper)
        ramus = (h * d.ramus[1] + (_a_of(basal, s) - d.corner) * d.ramus[0])
        forward = h * d.front[1] + (_a_of(basal, s) - d.corner) * d.front[0]
        near = np.exp(-((np.maximum(d.top - 3.0 - ramus, 0) / 12.0) ** 2 + (np.maximum(forward - 6.0, 0) / 5.0) ** 2))
        neck = near * (0.36 * shape.condyle_width - blade)
        return blade + np.maximum(neck, 0)

    def middle(s: np.ndarray, h: np.ndarray) -> np.ndarray:
        chin = 1.6 * np.exp(-((s / 13.0) ** 2) - ((h - 0.26 * shape.symphysis_height) / 7.5) ** 2)
        return chin + 0.0 * h

    return Curtain(basal, _basal_silhouette(d), half_thickness, middle)


def _a_of(curve: PlanCurve, s: np.ndarray) -> np.ndarray:
    return np.interp(s, curve.arc, curve.points[:, 1])


def _alveolar(d: _Design) -> Curtain:
    shape, arch = d.shape, d.arch
    at_molar = arch.arc_of(d.molar[1])
    back = arch.arc[-1]
    tall, low = d.incisor[2], d.molar[2]
    top = [(-30.0, tall), (-5.0, tall), (5.0, tall), (0.5 * at_molar, tall - 0.62 * (tall - low)), (at_molar, low)]
    rear = [(back - 9.0, low + 0.4), (back - 3.5, low - 1.2), (back, low - 7.0), (back - 1.0, 0.45 * low)]
    base = [(at_molar, 0.30 * low), (0.5 * at_molar, 0.35 * low), (0.0, 0.35 * tall), (-30.0, 0.35 * tall)]
    silhouette = Silhouette.around(np.array(top + rear + base))
    crest = np.array([[0.0, tall], [at_molar, low], [back, low]])
    margin = np.array([[0.0, shape.symphysis_height], [at_molar, shape.body_height], [back, shape.body_height]])
    wide = np.interp(np.linspace(0, 1, 5), [0, 1], [0, back])

    def half_thickness(s: np.ndarray, h: np.ndarray) -> np.ndarray:
        bone = np.interp(s, wide, _form("ridge_half"))
        edge = np.interp(s, wide, _form("edge_half"))
        low_h, high_h = np.interp(s, margin[:, 0], margin[:, 1]), np.interp(s, crest[:, 0], crest[:, 1])
        up = np.clip((h - low_h) / np.maximum(high_h - low_h, 1.0), 0, 1)
        return bone + (edge - bone) * up

    towards = _offset_between(arch, d.basal)

    def middle(s: np.ndarray, h: np.ndarray) -> np.ndarray:
        low_h = np.interp(s, margin[:, 0], margin[:, 1])
        down = np.clip((low_h - h) / (0.6 * low_h), 0, 1)
        return np.interp(s, arch.arc, towards) * down * down * (3 - 2 * down)

    return Curtain(arch, silhouette, half_thickness, middle)


def _offset_between(arch: PlanCurve, basal: PlanCurve) -> np.ndarray:
    """How far outwards the basal curve lies from each point of the arch [mm]."""
    _, outward = basal.locate(arch.points[:, 0], arch.points[:, 1])
    return -outward


def _condyle_field(d: _Design, x: np.ndarray, a: np.ndarray, h: np.ndarray) -> np.ndarray:
    shape = d.shape
    turn = np.radians(load_parameters()["jaw.form_condyle_turn"])
    half = np.array([0.5 * shape.condyle_width, 0.5 * shape.condyle_depth, 0.5 * load_parameters()["jaw.form_condyle_height"]])
    centre = d.condyle[1:] - half[2] * d.ramus
    back = (a - centre[0]) * -d.front[0] + (h - centre[1]) * -d.front[1]
    up = (a - centre[0]) * d.ramus[0] + (h - centre[1]) * d.ramus[1]
    side = x - d.condyle[0]
    lateral = side * np.cos(turn) - back * np.sin(turn)
    behind = side * np.sin(turn) + back * np.cos(turn)
    radius = (np.abs(lateral / half[0]) ** 2.5 + np.abs(behind / half[1]) ** 2.2 + np.abs(up / half[2]) ** 2.2) ** (1 / 2.2)
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
        Closed, manifold, exactly left-right symmetric, in the anatomical frame.
    landmarks : dict of str to ndarray, shape (3,)
        Known by construction.
    """
    d = _design(shape)
    basal, alveolar = _basal(d), _alveolar(d)

    def field(x: np.ndarray, a: np.ndarray, h: np.ndarray) -> np.ndarray:
        value = smooth_union(basal.field(x, a, h), alveolar.field(x, a, h), 4.0)
        return smooth_union(value, _condyle_field(d, x, a, h), 3.0)

    low = np.array([0.0, -14.0, -4.0])
    high = np.array([shape.bicondylar_width / 2 + 3, d.condyle[1] + 12.0, max(d.condyle[2], d.incisor[2]) + 8.0])
    surface = symmetric_surface(field, low, high, edge)
    cosine, sine = np.cos(d.tilt), np.sin(d.tilt)
    rotation = np.array([[1, 0, 0], [0, cosine, -sine], [0, sine, cosine]])
    crest = d.molar + [np.interp(d.molar[1], d.arch.points[:, 1], np.zeros(len(d.arch.points))) + 3.0, 0, -0.5]
    left = {"condyle": d.condyle, "gonion": d.gonion, "first_molar": crest}
    left["coronoid"] = _coronoid_tip(d)
    points = {"incisor": d.incisor, "menton": np.zeros(3)}
    for name, point in left.items():
        points[f"{name}_left"] = point
        points[f"{name}_right"] = point * (-1.0, 1.0, 1.0)
    # The file frame of the muscle table has its origin behind and below the chin; any origin on the midline would do.
    shift = np.array([0.0, *load_parameters().vector("jaw.form_menton")])
    placed = Surface(surface.points @ rotation.T + shift, surface.triangles)
    return placed, {name: rotation @ point + shift for name, point in points.items()}


def _coronoid_tip(d: _Design) -> np.ndarray:
    outline = d.basal, d.top + load_parameters()["jaw.form_coronoid_rise"]
    waist = d.shape.ramus_width * float(outline[0].tangent(outline[0].arc_of(d.gonion[1]))[1])
    tip = d.across(outline[1], 1.3 + waist - 2.2)
    return np.array([np.interp(tip[0], d.basal.points[:, 1], d.basal.points[:, 0]), *tip])
