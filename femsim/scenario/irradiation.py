"""The irradiation section of a scenario: courses of radiotherapy and where each puts its dose."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator
from pydantic.functional_validators import BeforeValidator

from femsim.scenario.defaults import from_card
from femsim.scenario.quantities import Quantity, problem, problems
from femsim.scenario.section import Section
from femsim.scenario.words import Centre, empty_means_all_defaults

KeyPath = tuple[str | int, ...]
Penumbra = Annotated[float, Quantity("mm", "0.5 mm", "40 mm")]
Outside = Annotated[float, Quantity("Gy", "0 Gy", "120 Gy")]
Row = tuple[float, float, float, float]
Matrix = Annotated[
    tuple[Row, Row, Row, Row],
    Field(description="rigid, from the frame of the dose to that of the jaw file: rotation, shift in mm, 0 0 0 1"),
]


class Uniform(Section):
    """The whole jaw receives the prescribed dose."""


class Target(Section):
    """A sphere that receives the prescribed dose, with a penumbra around it."""

    centre: Centre
    radius: Annotated[float, Quantity("mm", "5 mm", "150 mm")]
    penumbra: Penumbra = from_card("tissue.penumbra")


class Capsule(Section):
    """The surroundings of a straight line receive the prescribed dose, with a penumbra around them."""

    start: Centre
    end: Centre
    radius: Annotated[float, Quantity("mm", "5 mm", "150 mm")]
    penumbra: Penumbra = from_card("tissue.penumbra")


class TargetSurface(Section):
    """The inside of a closed surface receives the prescribed dose, with a penumbra around it."""

    path: str = Field(description="closed surface (STL, OBJ, PLY, VTP) in the frame of the jaw file")
    penumbra: Penumbra = from_card("tissue.penumbra")


class TargetStructure(Section):
    """A contoured structure receives the prescribed dose, with a penumbra around it."""

    folder: str = Field(description="folder with the RT Structure Set, and the scan it was drawn on")
    name: str = Field(description="name of the structure, such as PTV70")
    penumbra: Penumbra = from_card("tissue.penumbra")
    register_matrix: Matrix | None = Field(default=None, alias="register")


class DoseImage(Section):
    """A planned dose in Gy, for the whole course, from an image."""

    path: str = Field(description="VTK (.vti), NRRD or NIfTI image, beside the scenario file")
    outside: Outside | None = Field(default=None, description="dose outside the image; left out: refused")
    register_matrix: Matrix | None = Field(default=None, alias="register")


class DicomPlan(Section):
    """A planned dose from the RT Dose and RT Plan files of one plan."""

    folder: str = Field(description="files of one plan, with its CT or structures, beside the scenario file")
    outside: Outside | None = Field(default=None, description="dose outside the grid; left out: refused")
    register_matrix: Matrix | None = Field(default=None, alias="register")
    fraction_dose: Literal["one", "all"] | None = Field(
        default=None, description="fractions in a dose of the type FRACTION; left out: as the prescription tells"
    )


def _path_alone(key: str) -> BeforeValidator:
    """Read a lone text as the section's file or folder."""
    return BeforeValidator(lambda given: {key: given} if isinstance(given, str) else given)


class DoseField(Section):
    """Exactly one of: uniform, target, capsule, surface, structure, image, dicom."""

    uniform: Uniform | None = None
    target: Target | None = None
    capsule: Capsule | None = None
    surface: Annotated[TargetSurface, _path_alone("path")] | None = None
    structure: TargetStructure | None = None
    image: Annotated[DoseImage, _path_alone("path")] | None = None
    dicom: Annotated[DicomPlan, _path_alone("folder")] | None = None

    _empty = model_validator(mode="before")(empty_means_all_defaults("uniform"))

    @model_validator(mode="after")
    def _one_field(self) -> DoseField:
        kinds = list(type(self).model_fields)
        if sum(getattr(self, kind) is not None for kind in kinds) != 1:
            raise problem(f"needs exactly one of {', '.join(kinds)}")
        return self

    @property
    def is_planned(self) -> bool:
        """Whether the field has its own dose in Gy."""
        return self.image is not None or self.dicom is not None

    def files(self) -> Iterator[tuple[KeyPath, str]]:
        """Yield the place and name of every file or folder that is named."""
        for kind, key in (("surface", "path"), ("structure", "folder"), ("image", "path"), ("dicom", "folder")):
            section: Any = getattr(self, kind)
            if section is not None:
                yield (kind, key), getattr(section, key)


class Course(Section):
    """One course of radiotherapy."""

    prescription: Annotated[float, Quantity("Gy", "0 Gy", "120 Gy")] | None = Field(
        default=None, description="with an image or DICOM dose only a check of its unit; may be left out there"
    )
    fractions: Annotated[int, Field(ge=1, le=100)] | None = Field(
        default=None, description="may be left out where a DICOM plan states it"
    )
    field: DoseField

    @model_validator(mode="after")
    def _dose_is_known(self) -> Course:
        found: list[tuple[KeyPath, str]] = []
        if self.prescription is None and not self.field.is_planned:
            found.append((("prescription",), "the key 'prescription' is missing"))
        if self.fractions is None and self.field.dicom is None:
            found.append((("fractions",), "the key 'fractions' is missing"))
        if found:
            raise problems(found)
        return self


Mechanism = Literal["vessels", "oxygen", "cells"]


class Graft(Section):
    """Bone that was placed after radiotherapy, such as a fibula graft: it has no dose."""

    path: str = Field(description="closed surface (STL, OBJ, PLY) around the graft, in the frame of the jaw file")


class OwnLaw(Section):
    """A law from a Python file, which is run."""

    path: str = Field(description="Python file, beside the scenario file")
    name: str = Field(description="function or class in it that follows the protocol of the mechanism")


class OwnLaws(Section):
    """Laws that replace the published one of a mechanism."""

    vessels: OwnLaw | None = None
    oxygen: OwnLaw | None = None
    cells: OwnLaw | None = None


class Irradiation(Section):
    """Radiotherapy before this operation; the section is left out (or null) for a healthy jaw."""

    surgery_after: Annotated[float, Quantity("day", "0 days", "40 years")] = Field(
        description="time from the end of the last course of radiotherapy to this operation"
    )
    courses: Annotated[tuple[Course, ...], Field(min_length=1)]
    hyperbaric_oxygen_sessions: Annotated[int, Field(ge=0, le=100)] = 0
    graft: Annotated[Graft, _path_alone("path")] | None = None
    switched_off: tuple[Mechanism, ...] | None = Field(
        default=None, description="mechanisms that do not act, to see what each contributes"
    )
    own_laws: OwnLaws | None = None

    @model_validator(mode="after")
    def _off_or_own(self) -> Irradiation:
        off = self.switched_off or ()
        found: list[tuple[KeyPath, str]] = [
            (("switched_off", k), f"{name!r} is written twice") for k, name in enumerate(off) if name in off[:k]
        ]
        found += [
            (("own_laws", name), "is switched off as well; remove it from one of both")
            for name in dict(self.laws())
            if name in off
        ]
        if found:
            raise problems(found)
        return self

    def laws(self) -> Iterator[tuple[str, OwnLaw]]:
        """Yield mechanism and law of every own law."""
        for name in OwnLaws.model_fields if self.own_laws is not None else ():
            law = getattr(self.own_laws, name)
            if law is not None:
                yield name, law

    def files(self) -> Iterator[tuple[KeyPath, str]]:
        """Yield the place and name of every file or folder that is named."""
        for k, course in enumerate(self.courses):
            for below, name in course.field.files():
                yield ("courses", k, "field", *below), name
        if self.graft is not None:
            yield ("graft", "path"), self.graft.path
        for mechanism, law in self.laws():
            yield ("own_laws", mechanism, "path"), law.path

    def centres(self) -> Iterator[tuple[KeyPath, int | tuple[float, ...]]]:
        """Yield the place and value of every point of a target: a tooth or three coordinates."""
        for k, course in enumerate(self.courses):
            for kind, keys in (("target", ("centre",)), ("capsule", ("start", "end"))):
                section: Any = getattr(course.field, kind)
                for key in keys if section is not None else ():
                    yield ("courses", k, "field", kind, key), getattr(section, key)
