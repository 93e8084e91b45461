"""Frame and landmarks of the real jaw, in any orientation, against the points given with it."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from femsim.errors import GeometryError, InputError
from femsim.geometry.frame import Frame, axis_rotations, rotation_angle, snapped_rotation
from femsim.geometry.landmarks import LANDMARK_NAMES, Landmarks, find_landmarks
from femsim.geometry.surface import Surface, read_surface
from femsim.geometry.symmetry import area_samples, symmetry_plane

GIVEN = {
    "condyle_left": (51.8, 31.5, 83.6),
    "incisor": (0.0, -47.0, 41.8),
    "first_molar_left": (24.8, -20.4, 47.0),
    "condyle_right": (-51.8, 31.5, 83.6),
    "first_molar_right": (-24.8, -20.4, 47.0),
}
CHECKED = GIVEN | {
    "gonion_left": (46.0, 25.4, 24.8),
    "gonion_right": (-46.0, 25.4, 24.8),
    "coronoid_left": (47.4, -0.6, 80.2),
    "coronoid_right": (-47.4, -0.6, 80.2),
    "menton": (0.0, -40.0, 7.3),
}
"""The points given with the jaw, and those found in the pose of its file and looked at."""
RAS = np.diag([-1.0, -1.0, 1.0])
UPSIDE_DOWN, FACE_DOWN = np.diag([-1.0, 1.0, -1.0]), np.diag([1.0, -1.0, -1.0])
"""Half turns that look like a mirrored jaw in one view."""
Y_UP = np.array([[1.0, 0.0, 0.0], [0.0, 0.0, 1.0], [0.0, -1.0, 0.0]])
RANDOM = [rotation.as_matrix() for rotation in Rotation.random(6, random_state=20)]


@pytest.fixture(scope="module")
def real(real_jaw_path) -> Surface:
    return read_surface(real_jaw_path)


def assert_near_given(points: dict[str, np.ndarray]) -> None:
    for name, expected in CHECKED.items():
        assert np.linalg.norm(points[name] - expected) < 3.0, name


def test_real_jaw_keeps_the_axes_of_its_file(real: Surface) -> None:
    """An oriented surface keeps its exact coordinates, and the given landmarks are found within 3 mm."""
    frame, landmarks = find_landmarks(real)
    np.testing.assert_array_equal(frame.rotation, np.eye(3))
    np.testing.assert_array_equal(frame.origin, np.zeros(3))
    assert_near_given(landmarks.points)
    assert tuple(landmarks.points) == LANDMARK_NAMES


@pytest.mark.parametrize(
    "rotation",
    [RAS, Y_UP, UPSIDE_DOWN, FACE_DOWN, *RANDOM],
    ids=["ras", "y-up", "upside-down", "face-down", *(f"random-{k}" for k in range(len(RANDOM)))],
)
def test_landmarks_in_any_orientation(real: Surface, rotation: np.ndarray) -> None:
    """However the file is turned and shifted, the same points are left, right, front and top."""
    shift = np.array([40.0, -150.0, 900.0])
    frame, landmarks = find_landmarks(real.transformed(rotation, shift))
    assert_near_given({k: (v - shift) @ rotation for k, v in landmarks.in_file(frame).items()})
    assert rotation_angle(frame.rotation @ rotation, np.eye(3)) < 3.0
    assert abs(landmarks["incisor"][0]) < 1.0
    assert landmarks["condyle_left"][0] > 40.0


@pytest.mark.parametrize("rotation", RANDOM[:2], ids=["random-0", "random-1"])
def test_left_stays_left(real: Surface, rotation: np.ndarray) -> None:
    """A jaw that has lost its left coronoid has lost the left one in any pose; its mirror image, the right one."""
    points = real.points.copy()
    lost = (points[:, 0] > 30.0) & (points[:, 2] > 70.0) & (points[:, 1] < 12.0)
    points[lost, 2] = 70.0 + 0.2 * (points[lost, 2] - 70.0)
    for side, sign in (("left", 1.0), ("right", -1.0)):
        mirrored = Surface(points * [sign, 1.0, 1.0], real.triangles[:, :: int(sign)])
        frame, found = find_landmarks(mirrored.transformed(rotation, np.array([5.0, 6.0, 7.0])))
        other = "right" if side == "left" else "left"
        assert found[f"coronoid_{side}"][2] < found[f"coronoid_{other}"][2] - 5.0
        assert np.linalg.det(frame.rotation) == pytest.approx(1.0)


def test_swapped_sides_are_refused(real: Surface) -> None:
    """Points whose left and right were exchanged are refused, not taken for a mirrored jaw."""
    with pytest.raises(GeometryError, match=r"condyle_left lies 51.8 mm on the right of the midline"):
        find_landmarks(real, {"condyle_left": np.array(GIVEN["condyle_right"])})
    with pytest.raises(GeometryError, match=r"incisor lies 24.8 mm on the left"):
        find_landmarks(real, {"incisor": np.array(GIVEN["first_molar_left"])})


@pytest.mark.parametrize("rotation", [RAS, Y_UP], ids=["ras", "y-up"])
def test_permuted_axes_are_snapped(real: Surface, rotation: np.ndarray) -> None:
    """A file in RAS or y-up axes yields exactly permuted axes, not a small rotation of them."""
    frame, _ = find_landmarks(real.transformed(rotation, np.zeros(3)))
    np.testing.assert_array_equal(frame.rotation, rotation.T)


def test_overrides_are_kept_in_the_file_frame(real: Surface) -> None:
    """A point picked by the user, in file coordinates, replaces the found one and nothing else."""
    picked = np.array([-24.8, 20.4, 47.0])
    turned = real.transformed(RAS, np.zeros(3))
    frame, landmarks = find_landmarks(turned, {"first_molar_left": picked})
    np.testing.assert_allclose(landmarks["first_molar_left"], [24.8, -20.4, 47.0], atol=1e-9)
    np.testing.assert_allclose(landmarks.in_file(frame)["first_molar_left"], picked, atol=1e-9)
    _, found = find_landmarks(turned)
    np.testing.assert_allclose(landmarks["gonion_left"], found["gonion_left"])


def test_unknown_override_names_the_closest(real: Surface) -> None:
    """A misspelt landmark is refused with the closest known name."""
    with pytest.raises(InputError, match="did you mean 'condyle_left'"):
        find_landmarks(real, {"condyl_left": np.zeros(3)})


@pytest.mark.parametrize("value", [[1.0, 2.0], [1.0, 2.0, np.nan], "left"])
def test_override_must_be_a_point(real: Surface, value: object) -> None:
    """An override that is not three finite numbers is refused by name."""
    with pytest.raises(InputError, match="incisor"):
        find_landmarks(real, {"incisor": value})  # type: ignore[dict-item]


def test_a_wrong_override_is_implausible(real: Surface) -> None:
    """A landmark picked on the wrong spot is refused with its measure and the plausible range."""
    with pytest.raises(GeometryError, match=r"incisor to menton [0-9.]+ mm, plausible 10 to 58 mm"):
        find_landmarks(real, {"menton": np.array([0.0, -40.0, -18.0])})


def test_frame_round_trip_and_refusal() -> None:
    """File to anatomical and back is the identity; a mirrored frame is refused."""
    frame = Frame(RANDOM[0], np.array([1.0, 2.0, 3.0]))
    points = np.random.default_rng(1).normal(size=(7, 3)) * 50
    np.testing.assert_allclose(frame.to_file(frame.to_anatomical(points)), points, atol=1e-12)
    np.testing.assert_allclose(frame.to_anatomical(frame.origin), 0)
    with pytest.raises(InputError, match="not proper"):
        Frame(np.diag([-1.0, 1.0, 1.0]))


def test_axis_rotations_and_snapping() -> None:
    """There are 24 proper axis permutations; a rotation is snapped within the tolerance and kept beyond it."""
    candidates = axis_rotations()
    assert len(np.unique(candidates.reshape(-1, 9), axis=0)) == 24
    np.testing.assert_array_equal(candidates[0], np.eye(3))
    near = Rotation.from_euler("x", 4.9, degrees=True).as_matrix() @ RAS
    far = Rotation.from_euler("x", 5.1, degrees=True).as_matrix() @ RAS
    np.testing.assert_array_equal(snapped_rotation(near, 5.0), RAS)
    np.testing.assert_array_equal(snapped_rotation(far, 5.0), far)
    assert rotation_angle(near, RAS) == pytest.approx(4.9)


def test_symmetry_plane_survives_a_lost_part(real: Surface) -> None:
    """With a tenth of one side missing, the plane of symmetry stays within 1 degree and 1 mm."""
    samples = area_samples(real)
    kept = samples[~((samples[:, 0] > 20) & (samples[:, 1] > -25) & (samples[:, 1] < 5))]
    assert len(kept) < 0.95 * len(samples)
    normal, offset, distance = symmetry_plane(kept)
    assert abs(normal[0]) > np.cos(np.radians(1.0))
    assert abs(offset) < 1.0
    assert distance < 1.5


def test_landmarks_need_every_name() -> None:
    """A set with a missing landmark is refused and names it."""
    points = {name: np.zeros(3) for name in LANDMARK_NAMES if name != "menton"}
    with pytest.raises(InputError, match="menton missing"):
        Landmarks(points)
