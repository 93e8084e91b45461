"""Five hundred damaged DICOM dose files: a dose or a refusal, never a crash."""

from __future__ import annotations

import numpy as np
import pytest
from dicom_models import DoseFile

from femsim.errors import InputError
from femsim.tissue.dicom_dose import read_dicom_dose

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
