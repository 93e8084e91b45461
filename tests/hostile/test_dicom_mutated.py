"""Damaged DICOM files, five hundred of doses and more of what stands beside them: a result or a refusal, no crash."""

from __future__ import annotations

import numpy as np
import pytest
from dicom_models import (
    FRAME,
    OTHER_FRAME,
    PATIENT,
    DoseFile,
    turned,
    write_plan,
    write_registration,
    write_scan,
    write_structures,
)

from femsim.errors import InputError
from femsim.tissue.contours import contour_surface
from femsim.tissue.dicom_dose import read_dicom_dose
from femsim.tissue.dicom_structures import read_structure

MUTANTS = 500
HEADER_SHARE = 0.7
"""Most of the damage goes where the elements are; damaged pixels only change the dose."""


def damaged(content: bytes, header: int, random: np.random.Generator) -> bytes:
    """Flip a few bytes, cut the end off, or both."""
    found = bytearray(content)
    if random.random() < 0.75:
        for _ in range(random.integers(1, 6)):
            end = header if random.random() < HEADER_SHARE else len(found)
            found[random.integers(0, end)] = random.integers(0, 256)
    if len(found) == len(content) and random.random() < 0.35:
        found = found[: random.integers(0, len(found))]
    return bytes(found)


@pytest.mark.parametrize("bits", [16, 32])
def test_mutated_files(tmp_path, bits):
    """Every damaged file gives finite doses or an InputError of one sentence."""
    file = DoseFile(bits=bits, shape=(8, 9), offsets=tuple(2.5 * k for k in range(6)))
    path = file.write(tmp_path / "dose.dcm")
    content, points = path.read_bytes(), file.points(20)
    header = len(content) - 8 * 9 * 6 * bits // 8
    random = np.random.default_rng(bits)
    doses, refusals = 0, []
    for _ in range(MUTANTS // 2):
        path.write_bytes(damaged(content, header, random))
        try:
            dose = read_dicom_dose(tmp_path, fractions=30, outside=0.0).field.dose(points)
        except InputError as error:
            refusals.append(str(error))
        else:
            assert np.all(np.isfinite(dose))
            assert dose.min() >= 0.0
            doses += 1
    assert doses > 10
    assert len(refusals) > 50
    assert not any("\n" in text for text in refusals)


def ring(radius=15.0):
    angle = np.linspace(0.0, 2 * np.pi, 12, endpoint=False)
    x, y = radius * np.cos(angle), radius * np.sin(angle)
    return [np.column_stack([x, y, np.full(12, height)]) for height in (0.0, 4.0, 8.0)]


def mistyped(content: bytes, random: np.random.Generator) -> bytes:
    """Replace digits by other signs of numbers: values stay readable and become absurd."""
    found = bytearray(content)
    digits = [place for place, sign in enumerate(found) if place > 132 and chr(sign) in "0123456789.-\\"]
    for place in random.choice(digits, 4):
        found[place] = ord(random.choice(list("0123456789.-\\e ")))
    return bytes(found)


@pytest.mark.parametrize("name", ["plan", "reg", "structures", "ct"])
def test_mutated_companions(tmp_path, name):
    """A damaged plan, registration, structure set or scan gives a result or one sentence without the patient."""
    DoseFile(shape=(8, 9), offsets=tuple(2.5 * k for k in range(6))).write(tmp_path / "dose.dcm")
    write_plan(tmp_path, beams=(1,))
    write_scan(tmp_path, OTHER_FRAME)
    write_registration(tmp_path, FRAME, OTHER_FRAME, turned(10.0, 1, (1.0, 2.0, 3.0)))
    write_structures(tmp_path, {"PTV": ring()}, frame=OTHER_FRAME)
    path = tmp_path / f"{name}.dcm"
    content = path.read_bytes()
    random = np.random.default_rng(len(name))
    results, refusals = 0, []
    for _ in range(40):
        change = mistyped(content, random) if random.random() < 0.5 else damaged(content, len(content), random)
        path.write_bytes(change)
        try:
            assert np.isfinite(read_dicom_dose(tmp_path).field.matrix).all()
            assert np.isfinite(read_structure(tmp_path, "PTV").surface.points).all()
            results += 1
        except InputError as error:
            refusals.append(str(error))
    assert results > 2
    assert len(refusals) > 2
    assert not any(word in text for text in refusals for word in ("\n", *PATIENT.split("^")))


def test_structure_larger_than_a_patient():
    """Coordinates kilometres apart are refused instead of being rastered."""
    with pytest.raises(InputError, match="more than a patient"):
        contour_surface([*ring()[:2], ring(3e6)[2]], "structure 'PTV'")
