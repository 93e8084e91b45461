"""Fixed anatomical cameras: frontal, left, right, inferior, plate close-up; named as in the viewer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import pyvista as pv

FILLED = 0.84
"""Share of a picture that its subject fills."""
FAR = 4.0
"""Distance of the eye over the length of the subject; without perspective it only has to be outside."""
TILT = np.array([0.0, -0.25, 0.28])
"""The close-up looks from a little in front and above, as a surgeon stands."""


@dataclass(frozen=True)
class Camera:
    """A direction of view in the anatomical frame (x to the patient's left, y backward, z up).

    Attributes
    ----------
    back : tuple of float
        From the subject to the eye.
    up : tuple of float
    edges : tuple of str
        Directions at the left and right edge of the picture, as keys of the letters of the viewer.
    """

    back: tuple[float, float, float]
    up: tuple[float, float, float]
    edges: tuple[str, str]


CAMERAS = {
    "frontal": Camera((0.0, -1.0, 0.0), (0.0, 0.0, 1.0), ("right", "left")),
    "left": Camera((1.0, 0.0, 0.0), (0.0, 0.0, 1.0), ("anterior", "posterior")),
    "right": Camera((-1.0, 0.0, 0.0), (0.0, 0.0, 1.0), ("posterior", "anterior")),
    "inferior": Camera((0.0, 0.0, -1.0), (0.0, -1.0, 0.0), ("right", "left")),
}


def aim(plotter: pv.Plotter, name: str, subject: pv.DataSet, aspect: float) -> None:
    """Let a subject fill the picture as seen by one of :data:`CAMERAS`; ``aspect`` is width over height."""
    camera = CAMERAS[name]
    back, up = np.array(camera.back), np.array(camera.up)
    right = np.cross(up, back)
    points = np.asarray(subject.points)
    spans = [np.ptp(points @ axis) for axis in (right, up)]
    middles = [0.5 * ((points @ axis).min() + (points @ axis).max()) for axis in (right, up, back)]
    centre = sum(middle * axis for middle, axis in zip(middles, (right, up, back), strict=True))
    look(plotter, np.asarray(centre), back, up, FAR * subject.length, 0.5 * max(spans[1], spans[0] / aspect) / FILLED)


def outward(jaw: pv.DataSet, plate: pv.DataSet) -> np.ndarray:
    """Horizontal direction from the middle of the jaw to the plate: where a surgeon would stand."""
    points = np.asarray(jaw.points)
    middle = 0.5 * (points.min(axis=0) + points.max(axis=0))
    offset = np.asarray(plate.points).mean(axis=0) - middle
    offset[2] = 0.0
    length = np.linalg.norm(offset)
    return offset / length if length > 1.0 else np.array([0.0, -1.0, 0.0])


def aim_outward(plotter: pv.Plotter, jaw: pv.DataSet, plate: pv.DataSet, subject: pv.DataSet, zoom: float) -> None:
    """Look at a subject (jaw or plate) from the operated side, with room for a colour scale below."""
    direction = outward(jaw, plate) + TILT
    centre = np.array(subject.center)
    centre[2] -= 0.05 * subject.length
    back = direction / np.linalg.norm(direction)
    look(plotter, centre, back, np.array([0.0, 0.0, 1.0]), FAR * subject.length, 0.41 * subject.length / zoom)


def look(
    plotter: pv.Plotter, centre: np.ndarray, back: np.ndarray, up: np.ndarray, distance: float, half_height: float
) -> None:
    """Place the eye; ``half_height`` [mm] is half of what the picture shows from bottom to top."""
    plotter.camera.focal_point = centre
    plotter.camera.position = centre + distance * back
    plotter.camera.up = up
    plotter.camera.parallel_projection = True
    plotter.camera.parallel_scale = half_height
    plotter.renderer.reset_camera_clipping_range()
