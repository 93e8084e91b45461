"""Courses of radiotherapy of a scenario, with their dose fields in the anatomical frame."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from femsim.errors import FemsimError, InputError
from femsim.geometry.operation import Operation
from femsim.geometry.surface import checked_closed, read_surface
from femsim.parameters import ParameterSet
from femsim.scenario import Scenario
from femsim.tissue import (
    PUBLISHED,
    CapsuleField,
    Course,
    DoseGrid,
    Laws,
    SurfaceField,
    TargetField,
    TissueConstants,
    UniformField,
    read_dicom_dose,
    read_dose_image,
    read_structure,
)
from femsim.tissue.dose import Body
from femsim.tissue.dose_grid import check_prescription
from femsim.tissue.own_laws import check_laws, switched

KeyPath = tuple[str | int, ...]


def courses_of(
    scenario: Scenario, operation: Operation, parameters: ParameterSet
) -> tuple[tuple[Course, ...], tuple[str, ...]]:
    """Read every course of a scenario.

    Returns
    -------
    courses : tuple of Course
        Fields take points in the anatomical frame; empty for a healthy jaw.
    notices : tuple of str
        What a reader of the results should know of the doses.

    Raises
    ------
    InputError
        A dose that cannot be used; the sentence starts with the scenario's file and line.
    """
    given = scenario.irradiation
    courses: list[Course] = []
    notices: list[str] = []
    grafts = _grafts(scenario, operation)
    for k, course in enumerate([] if given is None else given.courses):
        kind = next(name for name in type(course.field).model_fields if getattr(course.field, name) is not None)
        place: KeyPath = ("irradiation", "courses", k, "field", kind)
        with named(scenario.source.at(place)):
            found, said = FIELDS[kind](course, getattr(course.field, kind), _Place(scenario, operation, place))
            found = replace(found, grafts=grafts)
            if course.field.is_planned:
                # Here and not hours later: the box of a grid that holds the bone's surface holds all of the bone.
                found.dose(kept_points(operation))
        courses.append(found)
        highest, limit = found.maximum / found.fractions, parameters["tissue.lq_limit"]
        if highest > limit:
            said = (*said, f"up to {highest:.3g} Gy per fraction; beyond {limit:g} Gy EQD2 is an extrapolation")
        notices += [f"radiotherapy course {k + 1}: {sentence}" for sentence in said]
    if given is not None:
        if grafts:
            notices.append("bone of a graft placed after radiotherapy has no dose")
        notices += [f"radiotherapy: the mechanism {name} is switched off" for name in given.switched_off or ()]
        notices += [f"radiotherapy: the law of {name} is {law.name} of the user" for name, law in given.laws()]
    return tuple(courses), tuple(notices)


def laws_of(scenario: Scenario, constants: TissueConstants, highest: float) -> Laws:
    """Return the laws of the three mechanisms, tried at doses up to ``highest`` [Gy EQD2].

    Raises
    ------
    InputError
        An own law that cannot be used; the sentence starts with the scenario's file and line.
    """
    given = scenario.irradiation
    if given is None:
        return PUBLISHED
    with named(scenario.source.at(("irradiation", "own_laws"))):
        own = {
            name: (scenario.files[("irradiation", "own_laws", name, "path")], law.name) for name, law in given.laws()
        }
        laws = switched(given.switched_off or (), own)
        check_laws(laws, constants, highest)
    return laws


def _grafts(scenario: Scenario, operation: Operation) -> tuple[Body, ...]:
    """Return the bodies of bone that was placed after radiotherapy: by this operation, and as the scenario names it."""
    own: tuple[Body, ...] = () if operation.graft is None else (operation.graft,)
    if scenario.irradiation is None or scenario.irradiation.graft is None:
        return own
    key: KeyPath = ("irradiation", "graft", "path")
    matrix = _Place(scenario, operation, ()).matrix
    with named(scenario.source.at(key)):
        surface = read_surface(scenario.files[key]).transformed(matrix[:3, :3], matrix[:3, 3])
        return (*own, checked_closed(surface, "graft"))


def kept_points(operation: Operation) -> np.ndarray:
    """Vertices of the bone that stays, (n, 3) [mm]."""
    points = operation.bone.points
    return points if operation.resection is None else points[~operation.resection.removed(points)]


@contextmanager
def named(place: str) -> Iterator[None]:
    """Put the scenario's file and line before the sentence of an error."""
    try:
        yield
    except FemsimError as error:
        raise InputError(f"{place}: {error}") from error


class _Place:
    """Where a field stands: the jaw's frame, teeth, and the absolute paths of named files."""

    def __init__(self, scenario: Scenario, operation: Operation, place: KeyPath) -> None:
        self._scenario, self._operation, self._place = scenario, operation, place

    def file(self, key: str) -> Path:
        return self._scenario.files[(*self._place, key)]

    def point(self, given: int | tuple[float, ...]) -> tuple[float, float, float]:
        """Return a tooth's place or a point of the jaw file in the anatomical frame."""
        if isinstance(given, int):
            assert self._operation.arch is not None  # the schema refuses teeth on the bench block
            found = self._operation.arch.tooth_point(given)
        else:
            found = np.array(given) @ self.matrix[:3, :3].T + self.matrix[:3, 3]
        x, y, z = (float(value) for value in found)
        return x, y, z

    @property
    def matrix(self) -> np.ndarray:
        """From the jaw file to the anatomical frame, (4, 4)."""
        matrix = np.eye(4)
        if self._operation.jaw is not None:
            frame = self._operation.jaw.frame
            matrix[:3, :3], matrix[:3, 3] = frame.rotation, frame.to_anatomical(np.zeros(3))
        return matrix


Read = tuple[Course, tuple[str, ...]]


def _uniform(course: Any, section: Any, place: _Place) -> Read:
    return Course(course.prescription, course.fractions, UniformField()), ()


def _target(course: Any, section: Any, place: _Place) -> Read:
    sphere = TargetField(place.point(section.centre), section.radius, section.penumbra)
    return Course(course.prescription, course.fractions, sphere), ()


def _capsule(course: Any, section: Any, place: _Place) -> Read:
    ends = place.point(section.start), place.point(section.end)
    return Course(course.prescription, course.fractions, CapsuleField(*ends, section.radius, section.penumbra)), ()


def _surface(course: Any, section: Any, place: _Place) -> Read:
    matrix = place.matrix
    surface = read_surface(place.file("path")).transformed(matrix[:3, :3], matrix[:3, 3])
    return Course(course.prescription, course.fractions, SurfaceField(surface, section.penumbra)), ()


def _structure(course: Any, section: Any, place: _Place) -> Read:
    found = read_structure(place.file("folder"), section.name, register=section.register_matrix)
    matrix = place.matrix
    surface = found.surface.transformed(matrix[:3, :3], matrix[:3, 3])
    return Course(course.prescription, course.fractions, SurfaceField(surface, section.penumbra)), found.notices


def _image(course: Any, section: Any, place: _Place) -> Read:
    grid: DoseGrid = read_dose_image(place.file("path"), section.outside)
    if section.register_matrix is not None:
        grid = grid.moved(section.register_matrix)
    check_prescription(grid, course.prescription, "dose image")
    return Course(course.prescription, course.fractions, grid.moved(place.matrix)), ()


def _dicom(course: Any, section: Any, place: _Place) -> Read:
    found = read_dicom_dose(
        place.file("folder"),
        fractions=course.fractions,
        outside=section.outside,
        register=section.register_matrix,
        fraction_dose=section.fraction_dose,
        prescription=course.prescription,
    )
    check_prescription(found.field, course.prescription, "DICOM dose")
    return Course(course.prescription, found.fractions, found.field.moved(place.matrix)), found.notices


FIELDS = {
    "uniform": _uniform,
    "target": _target,
    "capsule": _capsule,
    "surface": _surface,
    "structure": _structure,
    "image": _image,
    "dicom": _dicom,
}
