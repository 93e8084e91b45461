"""DICOM doses and structures against the dose they were written from."""

from __future__ import annotations

import numpy as np
import pytest
from dicom_models import (
    AXIAL,
    OTHER_FRAME,
    DoseFile,
    smooth_dose,
    turned,
    write_plan,
    write_registration,
    write_scan,
    write_structures,
)

from femsim.errors import InputError
from femsim.tissue import Course, course_eqd2, eqd2
from femsim.tissue.contours import contour_surface, filling_points
from femsim.tissue.dicom_dose import read_dicom_dose
from femsim.tissue.dicom_structures import read_structure

ASCENDING = tuple(2.5 * k for k in range(20))
DESCENDING = tuple(-2.5 * k for k in range(20))
OBLIQUE = tuple(tuple(axis) for axis in (turned(20.0, 2) @ turned(-35.0, 0))[:3, :2].T)
SETS = {
    "axis-aligned": DoseFile(),
    "implicit little endian": DoseFile(syntax="1.2.840.10008.1.2"),
    "32 bits": DoseFile(bits=32),
    "descending offsets": DoseFile(offsets=DESCENDING, position=(-40.0, -50.0, 20.0)),
    "absolute offsets": DoseFile(offsets=tuple(-30.0 + 2.5 * k for k in range(20))),
    "absolute descending offsets": DoseFile(
        offsets=tuple(20.0 - 2.5 * k for k in range(20)), position=(-40.0, -50.0, 20.0)
    ),
    "uneven planes": DoseFile(offsets=(0.0, 2.0, 5.0, 7.0, 12.0, 20.0)),
    "oblique": DoseFile(orientation=OBLIQUE),
    "oblique, descending": DoseFile(orientation=OBLIQUE, offsets=DESCENDING),
    "feet first": DoseFile(orientation=((-1.0, 0.0, 0.0), (0.0, 1.0, 0.0)), position=(40.0, -50.0, 20.0)),
    "feet first, absolute": DoseFile(
        orientation=((-1.0, 0.0, 0.0), (0.0, 1.0, 0.0)),
        position=(40.0, -50.0, -30.0),
        offsets=tuple(-30.0 + 2.5 * k for k in range(20)),
    ),
    "prone": DoseFile(orientation=((-1.0, 0.0, 0.0), (0.0, -1.0, 0.0)), position=(40.0, 30.0, -30.0)),
    "sagittal": DoseFile(orientation=((0.0, 1.0, 0.0), (0.0, 0.0, -1.0)), position=(30.0, -30.0, 40.0)),
}


@pytest.mark.parametrize("name", SETS)
def test_dose_at_random_points(name, tmp_path):
    """Whatever the orientation, offsets and bits, an affine dose comes back to the rounding of its pixels."""
    file = SETS[name]
    file.write(tmp_path / "dose.dcm")
    write_plan(tmp_path)
    write_scan(tmp_path)
    found = read_dicom_dose(tmp_path)
    points = file.points()
    assert np.abs(found.field.dose(points) - smooth_dose(points)).max() < file.rounding
    assert found.fractions == 30
    assert found.notices == ()


def test_known_region_ends_at_the_voxel_centres(tmp_path):
    """The position is the centre of the first voxel: the dose is known there and not half a voxel before."""
    file = DoseFile()
    file.write(tmp_path / "dose.dcm")
    field = read_dicom_dose(tmp_path, fractions=30).field
    corner = np.array([file.position])
    assert field.dose(corner) == pytest.approx(smooth_dose(corner), abs=file.rounding)
    with pytest.raises(InputError, match="unknown at 1 of 1 points"):
        field.dose(corner - [0.5, 0.0, 0.0])


def test_fraction_size_is_that_of_each_voxel(tmp_path):
    """EQD2 uses the plan's fractions and each point's own dose."""
    file = DoseFile(bits=32)
    file.write(tmp_path / "dose.dcm")
    write_plan(tmp_path, fractions=25)
    found, points = read_dicom_dose(tmp_path), file.points()
    total = smooth_dose(points)
    expected = total * (total / 25 + 3.0) / 5.0
    assert course_eqd2([Course(None, found.fractions, found.field)], points, 3.0) == pytest.approx(expected, abs=1e-4)


def test_fraction_dose_is_multiplied(tmp_path):
    """A FRACTION dose counts once for every fraction when the user says so, or the prescription does."""
    file = DoseFile(summation="FRACTION", factor=1 / 30)
    file.write(tmp_path / "dose.dcm")
    write_plan(tmp_path)
    points = file.points()
    for found in (read_dicom_dose(tmp_path, fraction_dose="one"), read_dicom_dose(tmp_path, prescription=60.0)):
        assert np.abs(found.field.dose(points) - smooth_dose(points)).max() < 30 * file.rounding
        assert "multiplied by 30" in " ".join(found.notices)
    whole = read_dicom_dose(tmp_path, fraction_dose="all")
    assert np.abs(whole.field.dose(points) - smooth_dose(points) / 30).max() < file.rounding


@pytest.mark.parametrize(
    ("factor", "fractions", "prescription", "clue"),
    [
        (1 / 30, 30, None, "is missing"),  # nobody says
        (1.0, 5, None, "is missing"),  # 60 Gy in 5 fractions would pass as 300 Gy or less
        (1 / 3, 3, 30.0, "of 30 Gy fits both"),  # within a factor of two either reading fits
        (1 / 30, 30, 15.0, "of 15 Gy fits neither"),
    ],
)
def test_fraction_dose_is_never_guessed(tmp_path, factor, fractions, prescription, clue):
    """The standard and common exports differ on FRACTION: what no one states and no prescription tells is refused."""
    DoseFile(summation="FRACTION", factor=factor).write(tmp_path / "dose.dcm")
    write_plan(tmp_path, fractions=fractions)
    with pytest.raises(InputError, match=f"{clue}; write 'fraction_dose: one'"):
        read_dicom_dose(tmp_path, prescription=prescription)


def test_fraction_dose_of_all_fractions_by_its_prescription(tmp_path):
    """A FRACTION dose that already reaches the prescription is not multiplied, and this is said."""
    file = DoseFile(summation="FRACTION")
    file.write(tmp_path / "dose.dcm")
    write_plan(tmp_path, fractions=5)
    found, points = read_dicom_dose(tmp_path, prescription=60.0), file.points()
    assert np.abs(found.field.dose(points) - smooth_dose(points)).max() < file.rounding
    assert "all 5 fractions" in " ".join(found.notices)


def test_one_session_and_one_fraction(tmp_path):
    """FRACTION_SESSION is one fraction by its definition; with one fraction in all there is nothing to decide."""
    file = DoseFile(summation="FRACTION_SESSION", factor=1 / 30)
    file.write(tmp_path / "dose.dcm")
    write_plan(tmp_path)
    points = file.points()
    assert np.abs(read_dicom_dose(tmp_path).field.dose(points) - smooth_dose(points)).max() < 30 * file.rounding
    file = DoseFile(summation="FRACTION", factor=1 / 4)
    file.write(tmp_path / "dose.dcm")
    write_plan(tmp_path, fractions=1)
    assert np.abs(read_dicom_dose(tmp_path).field.dose(points) - smooth_dose(points) / 4).max() < file.rounding


def test_sum_of_plans(tmp_path):
    """A MULTI_PLAN dose needs its fractions from the user and is announced: as one course it understates EQD2."""
    file = DoseFile(summation="MULTI_PLAN")
    file.write(tmp_path / "dose.dcm")
    write_plan(tmp_path)
    with pytest.raises(InputError, match="number of fractions is unknown"):
        read_dicom_dose(tmp_path)
    found, points = read_dicom_dose(tmp_path, fractions=35), file.points()
    assert np.abs(found.field.dose(points) - smooth_dose(points)).max() < file.rounding
    assert "understates EQD2" in " ".join(found.notices)
    first, boost = eqd2(50.0, 25, 3.0), eqd2([20.0, 0.0], 10, 3.0)
    assert np.all(eqd2([70.0, 50.0], 35, 3.0) <= first + boost)


def test_fraction_dose_that_holds_all_fractions_is_noticed(tmp_path):
    """A whole course under the name FRACTION is refused, not multiplied to thousands of Gy."""
    DoseFile(summation="FRACTION").write(tmp_path / "dose.dcm")
    write_plan(tmp_path)
    with pytest.raises(InputError, match="fraction_dose: all"):
        read_dicom_dose(tmp_path, fraction_dose="one")


def test_beams_are_summed(tmp_path):
    """The doses of all beams add up, each on its own grid; setup beams need none."""
    first = DoseFile(summation="BEAM", factor=0.6, beam=1)
    second = DoseFile(summation="BEAM", factor=0.4, beam=2, orientation=OBLIQUE, position=(-50.0, -70.0, -20.0))
    second.shape = (45, 50)
    second.offsets = tuple(3.0 * k for k in range(25))
    first.write(tmp_path / "one.dcm")
    second.write(tmp_path / "two.dcm")
    write_plan(tmp_path, beams=(1, 2), setup_beams=(3,))
    middle = np.array([[-12.0, -18.0, -4.0], [-8.0, -12.0, -8.0]])
    found = read_dicom_dose(tmp_path)
    assert found.field.dose(middle) == pytest.approx(smooth_dose(middle), abs=first.rounding + second.rounding)
    assert found.field.maximum >= found.field.dose(middle).max()
    (tmp_path / "two.dcm").unlink()
    with pytest.raises(InputError, match="no dose file for beam 2"):
        read_dicom_dose(tmp_path)


def test_plan_is_never_added_to_its_beams(tmp_path):
    """With the plan's dose in the folder the beams' doses are left out, and this is said."""
    file = DoseFile()
    file.write(tmp_path / "plan-dose.dcm")
    DoseFile(summation="BEAM", beam=1).write(tmp_path / "beam.dcm")
    write_plan(tmp_path, beams=(1,))
    found, points = read_dicom_dose(tmp_path), file.points(50)
    assert found.field.dose(points) == pytest.approx(smooth_dose(points), abs=file.rounding)
    assert "left out" in " ".join(found.notices)


@pytest.mark.parametrize("inverse", [False, True])
def test_registration_file_moves_the_dose(tmp_path, inverse):
    """A dose in another frame reaches the scan's frame by the registration, in whichever direction it was stored."""
    file, matrix = DoseFile(), turned(12.0, 1, (5.0, -8.0, 3.0))
    file.write(tmp_path / "dose.dcm")
    write_plan(tmp_path)
    write_scan(tmp_path, OTHER_FRAME)
    with pytest.raises(InputError, match="another frame of reference"):
        read_dicom_dose(tmp_path)
    if inverse:
        write_registration(tmp_path, OTHER_FRAME, file.frame, np.linalg.inv(matrix))
    else:
        write_registration(tmp_path, file.frame, OTHER_FRAME, matrix)
    points = file.points()
    moved = points @ matrix[:3, :3].T + matrix[:3, 3]
    found = read_dicom_dose(tmp_path)
    assert np.abs(found.field.dose(moved) - smooth_dose(points)).max() < file.rounding + 1e-6
    by_hand = read_dicom_dose(tmp_path, register=matrix)
    assert by_hand.field.dose(moved) == pytest.approx(found.field.dose(moved))


REFUSED = {
    "relative units": (DoseFile(units="RELATIVE"), "only GY"),
    "missing scaling": (DoseFile(changes={"DoseGridScaling": None}), "DoseGridScaling is missing"),
    "missing offsets": (DoseFile(changes={"GridFrameOffsetVector": None}), "holds 0 planes"),
    "missing position": (DoseFile(changes={"ImagePositionPatient": None}), "ImagePositionPatient holds 0"),
    "missing pixels": (DoseFile(changes={"PixelData": None}), "have 0 bytes"),
    "wrong frames": (DoseFile(changes={"NumberOfFrames": 19}), "NumberOfFrames is 19"),
    "signed pixels": (DoseFile(changes={"PixelRepresentation": 1}), "unsigned"),
    "eight bits": (DoseFile(changes={"BitsAllocated": 8}), "16 or 32 bits"),
    "odd summation": (DoseFile(summation="CONTROL_POINT"), "DoseSummationType is CONTROL_POINT"),
    "difference": (DoseFile(dose_type="ERROR"), "DoseType is ERROR"),
    "odd first offset": (DoseFile(changes={"GridFrameOffsetVector": [3.0 + x for x in ASCENDING]}), "neither 0"),
    "zigzag": (DoseFile(changes={"GridFrameOffsetVector": [0.0, 5.0, 2.5, *ASCENDING[3:]]}), "neither ascend"),
    "skewed axes": (DoseFile(changes={"ImageOrientationPatient": [1, 0, 0, 0.5, 0.8, 0]}), "perpendicular"),
    "oblique absolute": (
        DoseFile(orientation=OBLIQUE, changes={"GridFrameOffsetVector": [-30.0 + x for x in ASCENDING]}),
        "oblique",
    ),
    "cGy": (DoseFile(factor=100.0), "not in cGy"),
    "wrong rows": (DoseFile(changes={"Rows": 23}), "contradicts itself"),
    "no frame": (DoseFile(changes={"FrameOfReferenceUID": None}), "no frame of reference"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name, tmp_path):
    """A dose that is not clear is refused with one sentence that names no patient."""
    file, words = REFUSED[name]
    file.write(tmp_path / "dose.dcm")
    write_plan(tmp_path)
    with pytest.raises(InputError, match=words) as refusal:
        read_dicom_dose(tmp_path)
    text = str(refusal.value)
    assert "\n" not in text
    assert "Bramble" not in text


def test_truncated_file(tmp_path):
    """A file that was cut off is refused wherever the cut is."""
    path = DoseFile().write(tmp_path / "dose.dcm")
    whole = path.read_bytes()
    for share in (0.02, 0.3, 0.9, 0.999):
        path.write_bytes(whole[: int(share * len(whole))])
        with pytest.raises(InputError):
            read_dicom_dose(tmp_path, fractions=30)


def test_compressed_pixels(tmp_path):
    """Compressed pixels are refused by name instead of read as numbers."""
    path = DoseFile().write(tmp_path / "dose.dcm")
    plain, run_length = b"1.2.840.10008.1.2.1\0", b"1.2.840.10008.1.2.5\0"
    path.write_bytes(path.read_bytes().replace(plain, run_length, 1))
    with pytest.raises(InputError, match="compressed"):
        read_dicom_dose(tmp_path, fractions=30)


def test_fractions(tmp_path):
    """Fractions come from the user, else from the dose's own plan, else the folder is refused."""
    DoseFile().write(tmp_path / "dose.dcm")
    with pytest.raises(InputError, match="number of fractions is unknown"):
        read_dicom_dose(tmp_path)
    write_plan(tmp_path, fractions=None)
    with pytest.raises(InputError, match="number of fractions is unknown"):
        read_dicom_dose(tmp_path)
    write_plan(tmp_path, fractions=35)
    assert read_dicom_dose(tmp_path).fractions == 35
    used = read_dicom_dose(tmp_path, fractions=33)
    assert used.fractions == 33
    assert "plan has 35" in " ".join(used.notices)


def test_two_plans_in_one_folder(tmp_path):
    """Doses of two plans are two courses and are not read as one."""
    DoseFile().write(tmp_path / "one.dcm")
    DoseFile(plan="1.2.3.21").write(tmp_path / "two.dcm")
    with pytest.raises(InputError, match="one course for each"):
        read_dicom_dose(tmp_path, fractions=30)


def test_effective_dose_is_announced(tmp_path):
    """A dose that is already biologically weighted is used with a notice."""
    DoseFile(dose_type="EFFECTIVE").write(tmp_path / "dose.dcm")
    assert any("EFFECTIVE" in notice for notice in read_dicom_dose(tmp_path, fractions=30).notices)


def circles(radius=20.0, spacing=3.0, half=24.0, frame=None):
    """Contours of a ball of a radius, on planes; ``frame`` (4, 4) turns the stack."""
    angle = np.linspace(0.0, 2 * np.pi, 90, endpoint=False)
    stack = []
    for z in np.arange(-half, half + 0.1, spacing):
        if abs(z) < radius:
            r = np.sqrt(radius**2 - z**2)
            stack.append(np.column_stack([r * np.cos(angle), r * np.sin(angle), np.full(90, z)]))
    return stack if frame is None else [one @ frame[:3, :3].T + frame[:3, 3] for one in stack]


@pytest.mark.parametrize("frame", [None, turned(25.0, 0, (30.0, -10.0, 5.0))])
def test_contours_become_their_body(tmp_path, frame):
    """The volume of a contoured ball is that of the stack of its slices, whatever its orientation."""
    write_structures(tmp_path, {"PTV": circles(frame=frame), "other": circles(5.0)})
    body = read_structure(tmp_path, "ptv").surface
    slices = sum(np.pi * (400.0 - z**2) * 3.0 for z in np.arange(-18.0, 18.1, 3.0))
    assert body.volume == pytest.approx(slices, rel=0.02)
    centre = np.zeros(3) if frame is None else frame[:3, 3]
    assert body.signed_distance(centre[None])[0] == pytest.approx(-20.0, abs=1.0)


def test_hole_is_a_contour_of_its_own():
    """A contour inside another is a hole."""
    square = np.array([[0, 0], [30, 0], [30, 30], [0, 30]], dtype=float)
    stack = [np.column_stack([s, np.full(4, z)]) for z in (0.0, 2.0, 4.0) for s in (square, square / 3 + 10)]
    body = contour_surface(stack, "ring")
    assert body.volume == pytest.approx(6.0 * (900.0 - 100.0), rel=0.03)
    assert not body.contains(np.array([[15.0, 15.0, 2.0]]))[0]
    points, volumes = filling_points(body, 1.0)
    assert volumes.sum() == pytest.approx(body.volume)
    assert len(points) == pytest.approx(body.volume, rel=0.05)


def test_structures_refused(tmp_path):
    """Unknown names list the known ones; one plane, a gap, an open contour or another frame is refused."""
    write_structures(tmp_path, {"PTV": circles(), "flat": circles(half=0.0), "gap": [*circles()[:3], circles()[9]]})
    for name, words in (("GTV", "PTV, flat, gap"), ("flat", "one plane"), ("gap", "gap of")):
        with pytest.raises(InputError, match=words):
            read_structure(tmp_path, name)
    write_scan(tmp_path, OTHER_FRAME)
    with pytest.raises(InputError, match="another frame"):
        read_structure(tmp_path, "PTV")
    write_structures(tmp_path, {"PTV": circles()}, kind="OPEN_PLANAR")
    with pytest.raises(InputError, match="closed planar"):
        read_structure(tmp_path, "PTV")


def test_orientation_used_here_is_oblique():
    """The oblique set is not axis-aligned by mistake."""
    assert np.abs(np.array(OBLIQUE) - np.array(AXIAL)).max() > 0.3
