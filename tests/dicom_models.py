"""Synthetic DICOM sets of one plan: an affine dose, so that trilinear interpolation is exact wherever the place is."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

pydicom = pytest.importorskip("pydicom", reason="the optional package pydicom is absent (femsim[dicom])")

from pydicom.dataset import Dataset, FileDataset, FileMetaDataset  # noqa: E402
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian  # noqa: E402

RT_DOSE = "1.2.840.10008.5.1.4.1.1.481.2"
RT_PLAN = "1.2.840.10008.5.1.4.1.1.481.5"
RT_STRUCTURES = "1.2.840.10008.5.1.4.1.1.481.3"
CT = "1.2.840.10008.5.1.4.1.1.2"
REGISTRATION = "1.2.840.10008.5.1.4.1.1.66.1"
FRAME, OTHER_FRAME, PLAN_UID = "1.2.3.10", "1.2.3.11", "1.2.3.20"
PATIENT = "Bramble^Rosalind"
GRADIENT = np.array([0.21, -0.13, 0.17])
AXIAL = ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0))


def smooth_dose(points):
    """Affine dose in Gy, positive over the grids used here: 2 % to 80 Gy."""
    return 40.0 + np.asarray(points) @ GRADIENT


@dataclass
class DoseFile:
    """One RT Dose file; the defaults are an axial grid with relative ascending offsets."""

    orientation: tuple = AXIAL
    position: tuple = (-40.0, -50.0, -30.0)
    spacing: tuple = (3.0, 2.0)
    offsets: tuple = tuple(2.5 * k for k in range(20))
    shape: tuple = (24, 30)
    bits: int = 16
    summation: str = "PLAN"
    dose_type: str = "PHYSICAL"
    units: str = "GY"
    frame: str = FRAME
    factor: float = 1.0
    plan: str = PLAN_UID
    beam: int | None = None
    syntax: str = ExplicitVRLittleEndian
    changes: dict = field(default_factory=dict)

    @property
    def centres(self):
        """Voxel centres (frames, rows, columns, 3) by the standard's formula, one voxel at a time."""
        row, column = (np.array(axis) for axis in self.orientation)
        normal = np.cross(row, column)
        frames, (rows, columns) = len(self.offsets), self.shape
        centres = np.zeros((frames, rows, columns, 3))
        for k in range(frames):
            if self.offsets[0] == 0.0:
                start = np.array(self.position) + self.offsets[k] * normal
            else:
                start = np.array([self.position[0], self.position[1], self.offsets[k]])
            for r in range(rows):
                for c in range(columns):
                    centres[k, r, c] = start + c * self.spacing[1] * row + r * self.spacing[0] * column
        return centres

    def write(self, path: Path) -> Path:
        """Write the file and return its path."""
        dose = self.factor * smooth_dose(self.centres)
        assert dose.min() > 0.0
        scaling = float(f"{dose.max() / (2**self.bits - 1):.9e}") * 1.000001
        dataset = dataset_of(path, RT_DOSE, "RTDOSE", self.syntax)
        dataset.FrameOfReferenceUID = self.frame
        dataset.ImagePositionPatient = [f"{x:g}" for x in self.position]
        dataset.ImageOrientationPatient = [f"{x:.12g}" for axis in self.orientation for x in axis]
        dataset.PixelSpacing = list(self.spacing)
        dataset.GridFrameOffsetVector = [f"{x:g}" for x in self.offsets]
        dataset.FrameIncrementPointer = 0x3004000C
        dataset.NumberOfFrames = len(self.offsets)
        dataset.Rows, dataset.Columns = self.shape
        dataset.BitsAllocated = dataset.BitsStored = self.bits
        dataset.HighBit = self.bits - 1
        dataset.PixelRepresentation, dataset.SamplesPerPixel = 0, 1
        dataset.PhotometricInterpretation = "MONOCHROME2"
        dataset.DoseUnits, dataset.DoseType = self.units, self.dose_type
        dataset.DoseSummationType, dataset.DoseGridScaling = self.summation, f"{scaling:.10e}"
        dataset.RescaleSlope, dataset.RescaleIntercept = 7, 3  # to be ignored
        reference = Dataset()
        reference.ReferencedSOPClassUID, reference.ReferencedSOPInstanceUID = RT_PLAN, self.plan
        if self.beam is not None:
            group, beam = Dataset(), Dataset()
            group.ReferencedFractionGroupNumber, beam.ReferencedBeamNumber = 1, self.beam
            group.ReferencedBeamSequence = [beam]
            reference.ReferencedFractionGroupSequence = [group]
        dataset.ReferencedRTPlanSequence = [reference]
        dataset.PixelData = np.round(dose / scaling).astype(f"<u{self.bits // 8}").tobytes()
        dataset["PixelData"].VR = "OW"
        for keyword, value in self.changes.items():
            if value is None:
                delattr(dataset, keyword)
            else:
                setattr(dataset, keyword, value)
        dataset.save_as(path, enforce_file_format=True)
        return path

    def points(self, number=400, seed=3):
        """Random points inside the box of voxel centres."""
        weights = np.random.default_rng(seed).random((number, 3))
        centres = self.centres
        first = centres[0, 0, 0]
        edges = np.array([centres[0, 0, -1], centres[0, -1, 0], centres[-1, 0, 0]]) - first
        return first + weights @ edges

    @property
    def rounding(self):
        """Half a unit of the pixels, Gy, with room for the digits of the scaling."""
        return 1.01 * 0.5 * self.factor * 80.0 / (2**self.bits - 1) + 1e-6


def dataset_of(path: Path, kind: str, modality: str, syntax: str = ImplicitVRLittleEndian) -> FileDataset:
    """An empty data set with a patient who must not be found anywhere later."""
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = kind, "1.2.3.99"
    meta.TransferSyntaxUID = syntax
    dataset = FileDataset(str(path), {}, file_meta=meta, preamble=b"\0" * 128)
    dataset.SOPClassUID, dataset.SOPInstanceUID, dataset.Modality = kind, "1.2.3.99", modality
    dataset.PatientName, dataset.PatientID = PATIENT, "MRN-4711"
    return dataset


def write_plan(folder: Path, fractions: int | None = 30, beams: tuple = (), setup_beams: tuple = ()) -> None:
    """Write an RT Plan with one fraction group."""
    dataset = dataset_of(folder / "plan.dcm", RT_PLAN, "RTPLAN")
    dataset.SOPInstanceUID = PLAN_UID
    group = Dataset()
    group.FractionGroupNumber = 1
    if fractions is not None:
        group.NumberOfFractionsPlanned = fractions
    group.ReferencedBeamSequence, dataset.BeamSequence = [], []
    for number in (*beams, *setup_beams):
        reference, beam = Dataset(), Dataset()
        reference.ReferencedBeamNumber = beam.BeamNumber = number
        beam.TreatmentDeliveryType = "SETUP" if number in setup_beams else "TREATMENT"
        group.ReferencedBeamSequence.append(reference)
        dataset.BeamSequence.append(beam)
    dataset.FractionGroupSequence = [group]
    dataset.save_as(folder / "plan.dcm", enforce_file_format=True)


def write_scan(folder: Path, frame: str = FRAME) -> None:
    """Write one CT slice, for its frame of reference."""
    dataset = dataset_of(folder / "ct.dcm", CT, "CT")
    dataset.FrameOfReferenceUID = frame
    dataset.save_as(folder / "ct.dcm", enforce_file_format=True)


def write_registration(folder: Path, source: str, target: str, matrix: np.ndarray) -> None:
    """Write a spatial registration from one frame to another, beside the identity of the target itself."""
    dataset = dataset_of(folder / "reg.dcm", REGISTRATION, "REG")
    dataset.FrameOfReferenceUID = target
    dataset.RegistrationSequence = []
    for frame, one in ((target, np.eye(4)), (source, matrix)):
        item, outer, inner = Dataset(), Dataset(), Dataset()
        inner.FrameOfReferenceTransformationMatrixType = "RIGID"
        inner.FrameOfReferenceTransformationMatrix = [f"{x:.12g}" for x in one.ravel()]
        outer.MatrixSequence, item.MatrixRegistrationSequence = [inner], [outer]
        item.FrameOfReferenceUID = frame
        dataset.RegistrationSequence.append(item)
    dataset.save_as(folder / "reg.dcm", enforce_file_format=True)


def write_structures(folder: Path, structures: dict, frame: str = FRAME, kind: str = "CLOSED_PLANAR") -> None:
    """Write an RT Structure Set; ``structures`` takes names to lists of contours (n, 3)."""
    dataset = dataset_of(folder / "structures.dcm", RT_STRUCTURES, "RTSTRUCT")
    dataset.StructureSetROISequence, dataset.ROIContourSequence = [], []
    for number, (name, contours) in enumerate(structures.items(), start=1):
        roi, drawn = Dataset(), Dataset()
        roi.ROINumber, roi.ROIName, roi.ReferencedFrameOfReferenceUID = number, name, frame
        drawn.ReferencedROINumber, drawn.ContourSequence = number, []
        for contour in contours:
            item = Dataset()
            item.ContourGeometricType, item.NumberOfContourPoints = kind, len(contour)
            item.ContourData = [f"{x:.4f}" for x in np.ravel(contour)]
            drawn.ContourSequence.append(item)
        dataset.StructureSetROISequence.append(roi)
        dataset.ROIContourSequence.append(drawn)
    dataset.save_as(folder / "structures.dcm", enforce_file_format=True)


def turned(degrees: float, axis: int = 0, shift=(0.0, 0.0, 0.0)) -> np.ndarray:
    """A rigid matrix: a turn about an axis and a shift in mm."""
    angle, (a, b) = np.radians(degrees), [k for k in range(3) if k != axis]
    matrix = np.eye(4)
    matrix[a, a] = matrix[b, b] = np.cos(angle)
    matrix[a, b], matrix[b, a] = -np.sin(angle), np.sin(angle)
    matrix[:3, 3] = shift
    return matrix


def write_ct(folder: Path, hounsfield: np.ndarray, matrix: np.ndarray, changes: dict | None = None) -> None:
    """Write a CT series, one file a slice in shuffled order; ``changes`` takes slice numbers to elements to set."""
    folder.mkdir(exist_ok=True)
    steps = np.linalg.norm(matrix[:3, :3], axis=0)
    row, column = matrix[:3, 0] / steps[0], matrix[:3, 1] / steps[1]
    for k in range(hounsfield.shape[2]):
        path = folder / f"{(37 * k) % 101:03d}.dcm"
        dataset = dataset_of(path, CT, "CT", ExplicitVRLittleEndian)
        dataset.SeriesInstanceUID, dataset.FrameOfReferenceUID = "1.2.3.7", FRAME
        dataset.ImagePositionPatient = [f"{x:.8g}" for x in matrix[:3, 3] + k * matrix[:3, 2]]
        dataset.ImageOrientationPatient = [f"{x:.10g}" for x in (*row, *column)]
        dataset.PixelSpacing = [f"{steps[1]:.8g}", f"{steps[0]:.8g}"]
        dataset.Columns, dataset.Rows = hounsfield.shape[:2]
        dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 16, 12, 11
        dataset.PixelRepresentation, dataset.SamplesPerPixel = 0, 1
        dataset.PhotometricInterpretation = "MONOCHROME2"
        dataset.RescaleSlope, dataset.RescaleIntercept, dataset.RescaleType = "1", "-1024", "HU"
        dataset.PixelData = (hounsfield[:, :, k].T + 1024).astype("<u2").tobytes()
        dataset["PixelData"].VR = "OW"
        for keyword, value in (changes or {}).get(k, {}).items():
            setattr(dataset, keyword, value)
        dataset.save_as(path, enforce_file_format=True)
