"""Parametric targets other than the sphere: a capsule along a line, and the inside of a closed surface."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from femsim.errors import InputError
from femsim.geometry.surface import Surface, checked_closed
from femsim.tissue.dose import checked_points, soft_edge

Point = tuple[float, float, float]


@dataclass(frozen=True)
class CapsuleField:
    """A target around the straight line between two points, with a soft edge as in :class:`TargetField`.

    Attributes
    ----------
    start, end : tuple of float
        Ends of the axis, mm, anatomical frame; the rounded ends reach one radius further.
    radius : float
        mm.
    penumbra : float
        Width from 80 % to 20 %, mm.

    Examples
    --------
    >>> capsule = CapsuleField((0, 0, 0), (40, 0, 0), radius=15, penumbra=8)
    >>> capsule.relative(np.array([[20.0, 15.0, 0.0], [55.0, 0.0, 0.0]]))
    array([0.5, 0.5])
    """

    start: Point
    end: Point
    radius: float
    penumbra: float

    def __post_init__(self) -> None:
        for name in ("start", "end"):
            point = np.asarray(getattr(self, name), dtype=float)
            if point.shape != (3,) or not np.all(np.isfinite(point)):
                raise InputError(f"the capsule's {name} is {point.tolist()}; it needs three finite coordinates in mm")
            object.__setattr__(self, name, tuple(float(value) for value in point))
        for name in ("radius", "penumbra"):
            _check_positive(f"capsule's {name}", getattr(self, name))

    def relative(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return dose over prescription (n,) at points (n, 3) in mm."""
        start, axis = np.asarray(self.start), np.subtract(self.end, self.start)
        offsets = checked_points(points) - start
        length2 = float(axis @ axis)
        along = np.clip(offsets @ axis / length2, 0.0, 1.0) if length2 > 0.0 else np.zeros(len(offsets))
        outside = np.linalg.norm(offsets - along[:, None] * axis, axis=1) - self.radius
        return soft_edge(outside, self.penumbra)


@dataclass(frozen=True, eq=False)
class SurfaceField:
    """The inside of a closed surface, with a soft edge as in :class:`TargetField`.

    Attributes
    ----------
    surface : Surface
        Closed, in the anatomical frame, mm.
    penumbra : float
        Width from 80 % to 20 %, mm.
    name : str
        For messages.

    Raises
    ------
    GeometryError
        The surface is open.
    """

    surface: Surface
    penumbra: float
    name: str = "target surface"

    def __post_init__(self) -> None:
        _check_positive("penumbra of the target", self.penumbra)
        object.__setattr__(self, "surface", checked_closed(self.surface, self.name))

    def relative(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return dose over prescription (n,) at points (n, 3) in mm."""
        return soft_edge(self.surface.signed_distance(checked_points(points)), self.penumbra)


def _check_positive(what: str, value: float) -> None:
    if not (np.isfinite(value) and value > 0.0):
        raise InputError(f"the {what} is {value:g} mm; it must be more than 0")
