"""The jaw of a scenario, from parameters, a surface or a label, and its bone from a CT."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from femsim.fem.density import DensityLaw, MeasuredBone, calibration_line
from femsim.geometry.jaw import Jaw, jaw_from_labels, jaw_from_surface, parametric_jaw
from femsim.geometry.operation import Operation
from femsim.geometry.shape import MandibleShape
from femsim.images.dicom_series import read_ct_series
from femsim.images.formats import read_image
from femsim.images.grid import VoxelGrid, rigid_matrix
from femsim.parameters import ParameterSet
from femsim.pipeline.courses import kept_points, named
from femsim.scenario import Scenario
from femsim.scenario.scan import Calibration

LEAST_TOLD = 1e-3
"""A calibration line so close to its points [g/cm3] needs no word."""


def jaw_of(scenario: Scenario, parameters: ParameterSet) -> Jaw:
    """Return the jaw of a scenario that is no bench block.

    Raises
    ------
    InputError
        A file that cannot be used; the sentence starts with the scenario's file and line.
    """
    jaw, files = scenario.jaw, scenario.files
    marks = None if jaw.landmarks is None else {str(name): np.array(at) for name, at in jaw.landmarks.items()}
    if jaw.surface is not None:
        with named(scenario.source.at(("jaw", "surface"))):
            return jaw_from_surface(files[("jaw", "surface")], marks)
    if jaw.labels is not None:
        assert jaw.value is not None  # the schema asks for it
        with named(scenario.source.at(("jaw", "labels"))):
            return jaw_from_labels(files[("jaw", "labels")], jaw.value, marks)
    shape = MandibleShape.from_parameters(parameters)
    # The schema lets only the names of the card through.
    return parametric_jaw(replace(shape, **(jaw.parametric or {})))  # type: ignore[arg-type]


def measured_bone(
    scenario: Scenario, parameters: ParameterSet, operation: Operation
) -> tuple[MeasuredBone | None, tuple[str, ...]]:
    """Return the bone of a scenario's CT, if there is one, and what a reader of the results should know of it.

    Raises
    ------
    InputError
        An image or a calibration that cannot be used, a scan that does not hold the bone.
    """
    given = scenario.jaw.ct
    if given is None:
        return None, ()
    with named(scenario.source.at(("jaw", "ct", "image"))):
        scan = _scan(scenario)
    with named(scenario.source.at(("jaw", "ct", "calibration"))):
        slope, intercept, said = _line(given.calibration)
        law = DensityLaw.from_parameters(
            parameters,
            slope,
            intercept,
            phantom=given.calibration.density,
            law=given.law,
            softest=given.softest,
        )
    with named(scenario.source.at(("jaw", "ct"))):
        to_file = np.eye(4) if given.register_matrix is None else rigid_matrix(given.register_matrix, "register")
        measured = MeasuredBone(scan, np.linalg.inv(to_file) @ _to_file(operation), law)
        # Here and not after the mesh: a scan that holds the bone's surface holds all of the bone.
        measured.check_covers(kept_points(operation))
    return measured, said


def _scan(scenario: Scenario) -> VoxelGrid:
    path = scenario.files[("jaw", "ct", "image")]
    if path.is_dir():
        return read_ct_series(path)
    values, matrix = read_image(path, "CT image", "hounsfield")
    return VoxelGrid.even(values.astype(np.float32), matrix, str(path))


def _line(calibration: Calibration) -> tuple[float, float, tuple[str, ...]]:
    if calibration.points is None:
        assert calibration.slope is not None  # the schema asks for both
        assert calibration.intercept is not None
        return calibration.slope, calibration.intercept, ()
    slope, intercept, off = calibration_line(calibration.points)
    if off < LEAST_TOLD:
        return slope, intercept, ()
    told = f"CT calibration: the line through {len(calibration.points)} points is off by up to {off:.3g} g/cm3"
    return slope, intercept, (told,)


def _to_file(operation: Operation) -> np.ndarray:
    """From the anatomical frame to that of the jaw file, (4, 4)."""
    matrix = np.eye(4)
    if operation.jaw is not None:
        matrix[:3, :3], matrix[:3, 3] = operation.jaw.frame.rotation.T, operation.jaw.frame.origin
    return matrix
