"""The morphometrics that define a parametric mandible, with their validation."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np

from femsim.errors import InputError
from femsim.parameters import Parameter, ParameterSet, load_parameters


@dataclass(frozen=True)
class MandibleShape:
    """Morphometrics of an adult mandible; lengths in mm, angle in degrees.

    Attributes
    ----------
    bicondylar_width, bigonial_width : float
        Outer widths between the lateral poles of the condyles and between the angles.
    gonion_menton, ramus_height : float
        Gonion to menton and gonion to the top of the condyle, in the sagittal projection.
    symphysis_height, body_height : float
        Bone without crowns, at the midline and at the first molar.
    body_thickness, ramus_thickness : float
        Greatest thickness of the body; plate of the ramus at mid height.
    ramus_width : float
        Least width between the anterior and the posterior border.
    gonial_angle : float
        Between the tangents of the lower and the posterior border.
    condyle_width, condyle_depth : float
        Mediolateral and anteroposterior size of the head.
    notch_depth : float
        Of the mandibular notch below the line from condyle to coronoid.
    crown_height_incisor, crown_height_molar : float
        The occlusal crest above the alveolar margin; zero without teeth.
    bonwill_inclination, first_molar_share : float
        Conventions of the anatomical frame and of the molar bite point.

    Raises
    ------
    InputError
        A value outside the range of its parameter card.

    Examples
    --------
    >>> from dataclasses import replace
    >>> narrow = replace(MandibleShape.default(), bigonial_width=92.0)
    """

    bicondylar_width: float
    bigonial_width: float
    gonion_menton: float
    symphysis_height: float
    body_height: float
    body_thickness: float
    ramus_height: float
    ramus_width: float
    gonial_angle: float
    condyle_width: float
    condyle_depth: float
    notch_depth: float
    ramus_thickness: float
    crown_height_incisor: float
    crown_height_molar: float
    bonwill_inclination: float
    first_molar_share: float

    def __post_init__(self) -> None:
        card = load_parameters()
        for item in fields(self):
            _check(card.entry(f"jaw.{item.name}"), getattr(self, item.name))
        if self.bigonial_width > self.bicondylar_width:
            raise InputError(
                f"parametric jaw: bigonial_width {self.bigonial_width:g} mm exceeds bicondylar_width "
                f"{self.bicondylar_width:g} mm; make it smaller"
            )

    @classmethod
    def from_parameters(cls, parameters: ParameterSet) -> MandibleShape:
        """Read the card ``jaw``."""
        return cls(**{item.name: parameters[f"jaw.{item.name}"] for item in fields(cls)})

    @classmethod
    def default(cls) -> MandibleShape:
        """The adult of the card."""
        return cls.from_parameters(load_parameters())


def _check(entry: Parameter, value: float) -> None:
    if entry.range is None:
        raise TypeError(f"parameter {entry.name} has no range")
    low, high = entry.range
    if not np.isfinite(value) or not low <= value <= high:
        raise InputError(
            f"parametric jaw: {entry.name.removeprefix('jaw.')} is {value:g} {entry.unit}, allowed {low:g} to {high:g} "
            f"{entry.unit}; the usual value is {entry.value:g} {entry.unit}".replace("  ", " ").replace(" ;", ";")
        )
