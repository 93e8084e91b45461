"""Find the anatomical frame and the bony landmarks of a mandible surface given in any orientation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches

import numpy as np

from femsim.errors import GeometryError, InputError
from femsim.geometry.frame import Frame, snapped_rotation
from femsim.geometry.surface import Surface
from femsim.geometry.symmetry import area_samples, symmetry_plane
from femsim.parameters import ParameterSet, load_parameters

LANDMARK_NAMES = (
    "condyle_left",
    "condyle_right",
    "coronoid_left",
    "coronoid_right",
    "gonion_left",
    "gonion_right",
    "incisor",
    "menton",
    "first_molar_left",
    "first_molar_right",
)
SNAP_ANGLE = 5.0
"""Found axes closer than this to the file's axes [degrees] are taken to be the file's: no scan is aligned better."""
SNAP_OFFSET = 1.0
"""A midline closer than this to x = 0 [mm] is taken to be x = 0, below the asymmetry of any skull."""
FRAME_ROUNDS = 4
"""The up direction and the incisor depend on each other; two rounds settle it, four leave nothing."""
MIDLINE_BAND = 0.08
"""Half width of the midline strip as a share of the half width of the jaw: about 5 mm."""
OPEN_U_LEAST = 0.25
"""Least distance from symphysis to rami as a share of the longest extent; 0.57 on an adult jaw, 0 on a ball or box."""
MOST_OFF_MIDLINE = 12.0
"""Incisor and menton so far from the midline [mm] belong to another side: half a severe asymmetry of the chin."""
SYMMETRY_LARGEST = 0.04
"""Largest trimmed mirror distance as a share of the longest extent: about 5 mm, a badly deformed jaw."""


@dataclass(frozen=True)
class JawLimits:
    """What a surface must measure to be taken for a mandible, and the conventions of the anatomical frame.

    Attributes
    ----------
    bonwill_inclination : float
        Angle of the condyles-incisor plane against the horizontal [degrees].
    first_molar_share : float
        Anteroposterior place of the first molar between incisor (0) and condyle (1).
    condyle_distance, condyle_incisor, gonion_menton, ramus_height, symphysis, length : tuple of float
        Plausible low and high value [mm].
    """

    bonwill_inclination: float
    first_molar_share: float
    condyle_distance: tuple[float, float]
    condyle_incisor: tuple[float, float]
    gonion_menton: tuple[float, float]
    ramus_height: tuple[float, float]
    symphysis: tuple[float, float]
    length: tuple[float, float]

    @classmethod
    def from_parameters(cls, parameters: ParameterSet) -> JawLimits:
        """Read the card ``jaw``."""

        def span(name: str) -> tuple[float, float]:
            low, high = parameters.vector(f"jaw.plausible_{name}")
            return float(low), float(high)

        return cls(
            bonwill_inclination=parameters["jaw.bonwill_inclination"],
            first_molar_share=parameters["jaw.first_molar_share"],
            condyle_distance=span("condyle_distance"),
            condyle_incisor=span("condyle_incisor"),
            gonion_menton=span("gonion_menton"),
            ramus_height=span("ramus_height"),
            symphysis=span("symphysis"),
            length=span("length"),
        )


@dataclass(frozen=True, eq=False)
class Landmarks:
    """Named points on the mandible; left is +x in the anatomical frame.

    Attributes
    ----------
    points : dict of str to ndarray, shape (3,)
        One point [mm] for each of :data:`LANDMARK_NAMES`: tops of condyles and coronoids, angles, lowest point of the
        chin, lower incisal edge at the midline, and bite points of the first molars (buccal cusp).
    """

    points: dict[str, np.ndarray]

    def __post_init__(self) -> None:
        check_names(self.points)
        missing = [name for name in LANDMARK_NAMES if name not in self.points]
        if missing:
            raise InputError(f"landmarks: {', '.join(missing)} missing; give all of {', '.join(LANDMARK_NAMES)}")
        object.__setattr__(self, "points", {name: _as_point(name, self.points[name]) for name in LANDMARK_NAMES})

    def __getitem__(self, name: str) -> np.ndarray:
        """Return the point of one landmark, shape (3,) [mm]."""
        return self.points[name]

    @property
    def array(self) -> np.ndarray:
        """All points in the order of :data:`LANDMARK_NAMES`, shape (10, 3)."""
        return np.array([self.points[name] for name in LANDMARK_NAMES])

    def pair(self, name: str) -> tuple[np.ndarray, np.ndarray]:
        """Return the left and right point of a paired landmark such as ``condyle``."""
        return self.points[f"{name}_left"], self.points[f"{name}_right"]

    def in_file(self, frame: Frame) -> dict[str, np.ndarray]:
        """Return the points in the coordinates of the surface file."""
        return {name: frame.to_file(point) for name, point in self.points.items()}


def check_names(points: Mapping[str, object]) -> None:
    """Raise :class:`InputError` naming the first unknown landmark and the closest known one."""
    for name in points:
        if name not in LANDMARK_NAMES:
            close = get_close_matches(name, LANDMARK_NAMES, n=1, cutoff=0.4)
            hint = f", did you mean {close[0]!r}?" if close else ""
            raise InputError(f"landmarks: {name!r} is not a landmark{hint} Known are {', '.join(LANDMARK_NAMES)}")


def _as_point(name: str, value: object) -> np.ndarray:
    try:
        point = np.asarray(value, dtype=float)
    except (TypeError, ValueError) as error:
        raise InputError(f"landmark {name}: {value!r} is not a point; give three numbers in mm") from error
    if point.shape != (3,) or not np.all(np.isfinite(point)):
        raise InputError(f"landmark {name}: {value!r} is not a point; give three finite numbers in mm")
    return point


def find_landmarks(
    surface: Surface,
    overrides: Mapping[str, np.ndarray] | None = None,
    limits: JawLimits | None = None,
    name: str = "jaw surface",
) -> tuple[Frame, Landmarks]:
    """Find the anatomical frame and the landmarks of a mandible in any orientation.

    The midsagittal plane is the plane of best mirror symmetry. In it the symphysis is the part on the midline, the
    rami are the parts farthest from it, and the condyles are the points farthest from the symphysis; they are above.
    The horizontal is fixed by the inclination of the condyles-incisor (Bonwill) plane. A frame within
    :data:`SNAP_ANGLE` of the file's axes (in any order and sign, LPS and RAS among them) is snapped to them, and the
    origin moves only across the midline, so an oriented file keeps its coordinates.

    Parameters
    ----------
    surface : Surface
        Closed surface in file coordinates [mm].
    overrides : mapping of str to (3,) array, optional
        Landmarks picked by the user, in file coordinates; they replace the found ones and also guide the frame.
    limits : JawLimits, optional
        Plausible measures; from the parameter card when not given.
    name : str
        Used in messages.

    Returns
    -------
    frame : Frame
    landmarks : Landmarks
        In the anatomical frame.

    Raises
    ------
    GeometryError
        The surface does not measure like a mandible.
    InputError
        An override has an unknown name or is no point.
    """
    limits = limits or JawLimits.from_parameters(load_parameters())
    given = dict(overrides or {})
    check_names(given)
    given = {key: _as_point(key, value) for key, value in given.items()}
    _check_length(surface, limits, name)
    frame = _frame(surface, given, limits, name)
    placed = surface.transformed(frame.rotation, -frame.rotation @ frame.origin)
    fixed = {key: frame.to_anatomical(value) for key, value in given.items()}
    landmarks = Landmarks(_locate_all(placed, fixed, limits))
    _check_plausible(landmarks, limits, name)
    return frame, landmarks


def _check_length(surface: Surface, limits: JawLimits, name: str) -> None:
    points = surface.points - surface.points.mean(axis=0)
    _, axes = np.linalg.eigh(points.T @ points)
    length = float(np.ptp(points @ axes, axis=0).max())
    low, high = limits.length
    if low <= length <= high:
        return
    units = (("metres", 1e3), ("centimetres", 10.0), ("inches", 25.4), ("micrometres", 1e-3))
    guess = [word for word, factor in units if low <= length * factor <= high]
    hint = f"the file is probably in {guess[0]}: export it" if guess else "check that it is one mandible and export it"
    raise GeometryError(
        f"{name}: the longest extent is {length:.4g} mm but a mandible measures {low:g} to {high:g} mm; "
        f"{hint} in millimetres"
    )


def _no_jaw(name: str, reason: str) -> GeometryError:
    return GeometryError(
        f"{name}: the surface does not look like a mandible ({reason}); give one complete mandible as a single "
        "closed surface, or name the landmarks that were not found"
    )


def _frame(surface: Surface, given: Mapping[str, np.ndarray], limits: JawLimits, name: str) -> Frame:
    samples = area_samples(surface)
    length = float(np.ptp(samples, axis=0).max())
    normal, offset, distance = symmetry_plane(samples)
    if distance > SYMMETRY_LARGEST * length:
        raise _no_jaw(name, f"mirrored halves differ by {distance:.1f} mm, allowed {SYMMETRY_LARGEST * length:.1f} mm")
    side = samples @ normal - offset
    half = np.percentile(np.abs(side), 99)
    middle = samples[np.abs(side) < MIDLINE_BAND * half]
    rami = samples[np.abs(side) > 0.75 * half]
    if len(middle) < 10 or len(rami) < 10:
        raise _no_jaw(name, "no bone at the midline or at the sides")
    symphysis = _onto_plane(middle.mean(axis=0), normal, offset)
    backwards = _onto_plane(rami.mean(axis=0), normal, offset) - symphysis
    depth = float(np.linalg.norm(backwards))
    if depth < OPEN_U_LEAST * length:
        raise _no_jaw(
            name, f"its sides lie {depth:.1f} mm behind its middle, at least {OPEN_U_LEAST * length:.1f} mm expected"
        )
    backwards /= depth
    reach = np.linalg.norm(samples - symphysis, axis=1)
    far = samples[reach > reach.max() - 0.04 * length].mean(axis=0)
    condyles = _onto_plane(_mean_of(given, "condyle", far), normal, offset)
    up = condyles - symphysis
    up = up - (up @ backwards) * backwards
    if np.linalg.norm(up) < 0.02 * length:
        raise _no_jaw(name, "no condyles stand above the rami")
    up /= np.linalg.norm(up)
    rotation = _settled_rotation(
        surface, given, limits, np.array([np.cross(backwards, up), backwards, up]), offset, normal
    )
    rotation = snapped_rotation(rotation, SNAP_ANGLE)
    left = rotation[0]
    shift = offset * float(np.sign(left @ normal)) if abs(left @ normal) > 0 else 0.0
    if not np.allclose(left, normal * np.sign(left @ normal), atol=1e-9):
        # A snapped axis tilts about the middle of the jaw, not about a distant file origin.
        centre = _onto_plane(samples.mean(axis=0), normal, offset)
        shift = float(centre @ left)
    return Frame(rotation, left * shift if abs(shift) > SNAP_OFFSET else np.zeros(3))


def _onto_plane(point: np.ndarray, normal: np.ndarray, offset: float) -> np.ndarray:
    return point - (point @ normal - offset) * normal


def _mean_of(given: Mapping[str, np.ndarray], name: str, default: np.ndarray) -> np.ndarray:
    chosen = [value for key, value in given.items() if key in (name, f"{name}_left", f"{name}_right")]
    return np.mean(chosen, axis=0) if chosen else default


def _settled_rotation(
    surface: Surface,
    given: Mapping[str, np.ndarray],
    limits: JawLimits,
    rotation: np.ndarray,
    offset: float,
    normal: np.ndarray,
) -> np.ndarray:
    """Turn about the left axis until the Bonwill plane has its inclination."""
    shift = offset * normal
    for _ in range(FRAME_ROUNDS):
        placed = Surface((surface.points - shift) @ rotation.T, surface.triangles)
        fixed = {key: rotation @ (value - shift) for key, value in given.items()}
        condyle = np.mean([fixed.get(f"condyle_{s}", _condyle(placed, s)) for s in ("left", "right")], axis=0)
        line = condyle - fixed.get("incisor", _incisor(placed))
        turn = np.radians(limits.bonwill_inclination) - np.arctan2(line[2], line[1])
        cosine, sine = np.cos(turn), np.sin(turn)
        rotation = np.array([[1, 0, 0], [0, cosine, -sine], [0, sine, cosine]]) @ rotation
    return rotation


def _locate_all(placed: Surface, fixed: dict[str, np.ndarray], limits: JawLimits) -> dict[str, np.ndarray]:
    points = dict(fixed)
    points.setdefault("incisor", _incisor(placed))
    points.setdefault("menton", _menton(placed))
    for side in ("left", "right"):
        condyle = points.setdefault(f"condyle_{side}", _condyle(placed, side))
        points.setdefault(f"gonion_{side}", _gonion(placed, side))
        points.setdefault(f"coronoid_{side}", _coronoid(placed, side, condyle))
        place = points["incisor"][1] + limits.first_molar_share * (condyle[1] - points["incisor"][1])
        points.setdefault(f"first_molar_{side}", _molar(placed, side, place))
    return points


def _half(placed: Surface, side: str) -> tuple[np.ndarray, np.ndarray]:
    """Triangle centres and areas of one side, x mirrored so that it looks like the left."""
    centres = placed.corners.mean(axis=1) * ((1.0 if side == "left" else -1.0), 1.0, 1.0)
    keep = centres[:, 0] > 0
    return centres[keep], np.linalg.norm(placed.area_vectors, axis=1)[keep]


def _as_side(point: np.ndarray, side: str) -> np.ndarray:
    return point * ((1.0 if side == "left" else -1.0), 1.0, 1.0)


def _section(placed: Surface, axis: int, place: float) -> np.ndarray:
    """Vertices of the section of the surface with a plane normal to an axis, shape (n, 3)."""
    height = placed.points[:, axis] - place
    edges = placed.triangles[:, [[0, 1], [1, 2], [2, 0]]].reshape(-1, 2)
    edges = edges[edges[:, 0] < edges[:, 1]]  # each edge belongs to two triangles, once in either direction
    first, second = height[edges[:, 0]], height[edges[:, 1]]
    cut = (first < 0) != (second < 0)
    share = (first[cut] / (first[cut] - second[cut]))[:, None]
    start, end = placed.points[edges[cut, 0]], placed.points[edges[cut, 1]]
    return start + share * (end - start)


def _incisor(placed: Surface) -> np.ndarray:
    """Highest point of the midline section."""
    section = _section(placed, 0, 0.0)
    if len(section) == 0:
        raise _no_jaw("jaw surface", "no bone at the midline")
    return section[section[:, 2].argmax()]


def _menton(placed: Surface) -> np.ndarray:
    """Lowest point of the midline section."""
    section = _section(placed, 0, 0.0)
    low = section[section[:, 2] < section[:, 2].min() + 0.25]
    return np.array([0.0, low[:, 1].mean(), section[:, 2].min()])


def _condyle(placed: Surface, side: str) -> np.ndarray:
    """Middle of the top of the condyle: area centre of the uppermost 5 mm, raised to its upper surface."""
    centres, areas = _half(placed, side)
    front = centres[centres[:, 0] < 0.3 * centres[:, 0].max()].mean(axis=0)
    seed = centres[np.linalg.norm(centres - front, axis=1).argmax()]
    near = np.linalg.norm(centres - seed, axis=1) < 16.0
    head, weight = centres[near], areas[near]
    top = head[:, 2].max()
    cap = head[:, 2] > top - 5.0
    middle = np.average(head[cap], axis=0, weights=weight[cap])
    column = np.linalg.norm(head[:, :2] - middle[:2], axis=1) < 2.5
    height = head[column, 2].max() if column.any() else top
    return _as_side(np.array([middle[0], middle[1], height]), side)


def _gonion(placed: Surface, side: str) -> np.ndarray:
    """The point of the angle that lies farthest down and back, at 45 degrees."""
    centres, _ = _half(placed, side)
    rear = centres[centres[:, 0] > 0.5 * centres[:, 0].max()]
    reach = rear[:, 1] - rear[:, 2]
    return _as_side(rear[reach > reach.max() - 0.7].mean(axis=0), side)


def _coronoid(placed: Surface, side: str, condyle: np.ndarray) -> np.ndarray:
    """Highest point of the ramus in front of the mandibular notch."""
    points = placed.points * ((1.0 if side == "left" else -1.0), 1.0, 1.0)
    ahead = condyle[1] - points[:, 1]
    front = (points[:, 0] > 0.45 * abs(condyle[0])) & (ahead > 16.0) & (ahead < 55.0)
    if not front.any():
        raise _no_jaw("jaw surface", f"no bone in front of the {side} condyle")
    chosen = points[front]
    return _as_side(chosen[chosen[:, 2].argmax()], side)


def _molar(placed: Surface, side: str, place: float) -> np.ndarray:
    """Buccal cusp of the section at the first molar: the outermost place near its top."""
    section = _section(placed, 1, place) * ((1.0 if side == "left" else -1.0), 1.0, 1.0)
    section = section[section[:, 0] > 5.0]
    if len(section) == 0:
        raise _no_jaw("jaw surface", f"no bone at the {side} first molar")
    near = section[section[:, 2] > section[:, 2].max() - 1.0]
    return _as_side(near[near[:, 0].argmax()], side)


def _check_sides(landmarks: Landmarks, name: str) -> None:
    """Refuse a landmark on the wrong side: a mirrored jaw would be operated on the wrong side without a word."""
    for key, point in landmarks.points.items():
        side = {"left": 1.0, "right": -1.0}.get(key.rpartition("_")[2], 0.0)
        if side * point[0] < 0.0 or (side == 0.0 and abs(point[0]) > MOST_OFF_MIDLINE):
            where = f"{abs(point[0]):.1f} mm on the {'left' if point[0] > 0 else 'right'} of the midline"
            raise GeometryError(
                f"{name}: the landmark {key} lies {where}; left is the patient's left: exchange the names of the "
                "sides, or pick the point again"
            )


def _check_plausible(landmarks: Landmarks, limits: JawLimits, name: str) -> None:
    _check_sides(landmarks, name)
    measured = []
    for side in ("left", "right"):
        condyle, gonion = landmarks[f"condyle_{side}"], landmarks[f"gonion_{side}"]
        measured += [
            (f"{side} condyle to incisor", condyle - landmarks["incisor"], limits.condyle_incisor),
            (f"{side} gonion to menton", gonion - landmarks["menton"], limits.gonion_menton),
            (f"{side} condyle to gonion", condyle - gonion, limits.ramus_height),
        ]
    left, right = landmarks.pair("condyle")
    measured.append(("condyle to condyle", left - right, limits.condyle_distance))
    measured.append(("incisor to menton", landmarks["incisor"] - landmarks["menton"], limits.symphysis))
    for what, vector, (low, high) in measured:
        value = float(np.linalg.norm(vector))
        if not low <= value <= high:
            raise _no_jaw(name, f"{what} {value:.1f} mm, plausible {low:g} to {high:g} mm")
