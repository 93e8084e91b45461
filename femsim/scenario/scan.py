"""The CT of a jaw in a scenario: its image, its calibration from Hounsfield units to density, its law of modulus."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from femsim.scenario.irradiation import Row
from femsim.scenario.quantities import Quantity, problem
from femsim.scenario.section import Section

Hounsfield = Annotated[float, Field(ge=-2000, le=30000)]
Density = Annotated[float, Quantity("g/cm^3", "-0.5 g/cm^3", "4 g/cm^3")]
Matrix = Annotated[
    tuple[Row, Row, Row, Row],
    Field(description="rigid, from the frame of the CT to that of the jaw file: rotation, shift in mm, 0 0 0 1"),
]


class Calibration(Section):
    """Density at a Hounsfield number: a line, by slope and intercept or through the inserts of a phantom."""

    density: Literal["apparent", "ash", "hydroxyapatite"] = Field(
        description="what the calibration gives: bone over its whole volume, its ash, or hydroxyapatite in a phantom"
    )
    slope: Annotated[float, Quantity("g/cm^3", "1e-5 g/cm^3", "0.01 g/cm^3")] | None = Field(
        default=None, description="density for one Hounsfield unit"
    )
    intercept: Density | None = Field(default=None, description="density at 0 HU")
    points: Annotated[tuple[tuple[Hounsfield, Density], ...], Field(min_length=2, max_length=20)] | None = Field(
        default=None, description="[Hounsfield number, density] of every insert of the phantom"
    )

    @model_validator(mode="after")
    def _one_line(self) -> Calibration:
        line = [key for key in ("slope", "intercept") if getattr(self, key) is not None]
        if self.points is not None and line:
            raise problem("the points already give the line; remove this key", line[0])
        if self.points is None and len(line) < 2:
            raise problem("needs slope and intercept, or points of a phantom")
        if self.points is not None:
            (low, first), (high, last) = min(self.points), max(self.points)
            if low == high:
                raise problem(f"every point has {low:g} HU; two different ones make a line", "points")
            if last <= first:
                text = f"the density goes from {first:g} to {last:g} g/cm3 between {low:g} and {high:g} HU"
                raise problem(f"{text}; it has to rise, check the order of the numbers", "points")
        return self


class Scan(Section):
    """Modulus of the jaw's own bone at every point from a calibrated CT, instead of cortex by depth."""

    image: str = Field(description="folder with one DICOM series, or NIfTI, NRRD or VTK image in Hounsfield units")
    calibration: Calibration
    law: Literal["femoral-neck", "pooled"] = Field(
        default="femoral-neck", description="modulus from density, Morgan 2003; see the card density"
    )
    softest: Annotated[float, Quantity("MPa", "0.1 MPa", "2000 MPa")] | None = Field(
        default=None, description="modulus of points that the law makes softer; left out: zero or less is refused"
    )
    register_matrix: Matrix | None = Field(default=None, alias="register")
