"""Measure a mandible the way an anatomist does: widths, heights and the gonial angle of a surface with landmarks."""

from __future__ import annotations

import numpy as np
from scipy.spatial import ConvexHull

from femsim.geometry.landmarks import Landmarks
from femsim.geometry.surface import Surface

RAMUS_SHARES = np.linspace(0.30, 0.75, 19)
"""Where the least width of the ramus is looked for, between the angle (0) and the condyle (1)."""


def morphometrics(surface: Surface, landmarks: Landmarks) -> dict[str, float]:
    """Measure a jaw in the anatomical frame, left side for paired lengths.

    The lower and the posterior border are the longest edges of the convex hull of the sagittal projection that face
    down and back: the lines a ruler would touch.

    Returns
    -------
    dict of str to float
        ``bicondylar_width``, ``bigonial_width`` (outer), ``gonion_menton``, ``ramus_height`` (sagittal projection),
        ``symphysis_height``, ``body_height`` (with crowns, perpendicular to the lower border), ``body_thickness``,
        ``ramus_width`` (least), ``condyle_width`` in mm and ``gonial_angle`` in degrees.
    """
    left = surface.points[surface.points[:, 0] > 0]
    border, back = _tangents(left)
    up = np.array([0.0, -border[1], border[0]])
    condyle, gonion, menton = landmarks["condyle_left"], landmarks["gonion_left"], landmarks["menton"]
    molar = landmarks["first_molar_left"]
    # The head ends about 8 mm below its top: its lower part carries the poles, the neck is narrower.
    head = left[(left[:, 2] > condyle[2] - 8.0) & (np.abs(left[:, 1] - condyle[1]) < 10.0)]
    body = _section(surface, molar, np.array([0.0, *border]))
    body = body[(body[:, 0] > 0) & (np.abs(body[:, 0] - molar[0]) < 20.0)]
    return {
        "bicondylar_width": _width(surface, condyle, 12.0),
        "bigonial_width": _width(surface, gonion, 12.0),
        "gonion_menton": float(np.linalg.norm((gonion - menton)[1:])),
        "ramus_height": float(np.linalg.norm((gonion - condyle)[1:])),
        "symphysis_height": _extent(_section(surface, menton, np.array([1.0, 0.0, 0.0])), up),
        "body_height": _extent(body, up),
        "body_thickness": _body_thickness(surface, landmarks, up),
        "ramus_width": _ramus_width(surface, gonion, condyle, back),
        "condyle_width": float(np.ptp(head[:, 0])),
        "gonial_angle": float(np.degrees(np.arccos(np.clip(-border @ back, -1, 1)))),
    }


def _tangents(points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Unit (y, z) along the lower border, backwards, and along the posterior border, upwards."""
    outline = points[:, 1:]
    hull = outline[ConvexHull(outline).vertices]
    edges = np.roll(hull, -1, axis=0) - hull  # counter-clockwise in (y, z): the outside is on the right
    length = np.linalg.norm(edges, axis=1)
    outward = np.column_stack([edges[:, 1], -edges[:, 0]]) / length[:, None]
    lower = edges[np.argmax(np.where(outward[:, 1] < -0.7, length, 0))]
    rear = edges[np.argmax(np.where(outward[:, 0] > 0.7, length, 0))]
    return lower / np.linalg.norm(lower), rear / np.linalg.norm(rear)


def _section(surface: Surface, point: np.ndarray, normal: np.ndarray) -> np.ndarray:
    cut = surface.polydata.slice(normal=normal, origin=point)
    return np.asarray(cut.points, dtype=float)


def _extent(points: np.ndarray, direction: np.ndarray) -> float:
    return float(np.ptp(points @ direction))


def _width(surface: Surface, landmark: np.ndarray, radius: float) -> float:
    near = np.linalg.norm(surface.points[:, 1:] - landmark[1:], axis=1) < radius
    return float(np.ptp(surface.points[near, 0]))


def _body_thickness(surface: Surface, landmarks: Landmarks, up: np.ndarray) -> float:
    """Greatest thickness of the lower half of the body in front of the first molar, across it."""
    gonion, menton, molar = landmarks["gonion_left"], landmarks["menton"], landmarks["first_molar_left"]
    along = gonion - menton
    along = (along - (along @ up) * up) / np.linalg.norm(along - (along @ up) * up)
    across = np.cross(along, up)
    section = _section(surface, molar, along)
    section = section[(section[:, 0] > 5.0) & (section[:, 1] < gonion[1] - 20.0)]
    height = section @ up
    lower = section[height < height.min() + 0.5 * np.ptp(height)]
    return _extent(lower, across)


def _ramus_width(surface: Surface, gonion: np.ndarray, condyle: np.ndarray, back: np.ndarray) -> float:
    direction = np.array([0.0, *back])
    widths = []
    for share in RAMUS_SHARES:
        section = _section(surface, gonion + share * (condyle - gonion), direction)
        section = section[section[:, 0] > 0.6 * gonion[0]]
        front, rear = section[section[:, 1].argmin()], section[section[:, 1].argmax()]
        widths.append(float(np.linalg.norm(front - rear)))
    return min(widths)
