"""The morphometrics and construction forms that define a parametric mandible, with their validation."""

from __future__ import annotations

from dataclasses import dataclass, field, fields

import numpy as np

from femsim.errors import InputError
from femsim.parameters import Parameter, ParameterSet, load_parameters


@dataclass(frozen=True, eq=False)
class MandibleForm:
    """Construction forms of the jaw that are not morphometrics: how the outline is rounded, where the teeth stand.

    The vectors belong to a jaw of the card's usual size and are scaled with ``bigonial_width``, ``gonion_menton`` and
    ``body_thickness``; see the remarks of the parameter card for each.

    Attributes
    ----------
    angle_radius, angle_inset : float
        Rounding of the angle; middle of its plate inside half a thickness from the outermost point [mm].
    condyle_turn, condyle_height : float
        Turn of the head about the ramus [degrees]; its height [mm].
    arch_start, arch_half_width, arch_depth : float, ndarray, ndarray
        Plan of the dental arch [mm].
    ridge_half, edge_half : ndarray
        Half thickness of alveolar process and occlusal crest, midline to retromolar [mm].
    tooth_width : ndarray
        Mesiodistal widths from central incisor to second molar [mm].
    basal_start, basal_power : float
        Plan of the basal arch: start behind menton [mm], power of half width over depth.
    menton : ndarray, shape (2,)
        Place of menton in the anatomical frame (y, z) [mm].
    scale : ndarray, shape (3,)
        The usual bigonial width, gonion-menton length and body thickness [mm].
    """

    angle_radius: float
    angle_inset: float
    condyle_turn: float
    condyle_height: float
    arch_start: float
    basal_start: float
    basal_power: float
    arch_half_width: np.ndarray
    arch_depth: np.ndarray
    ridge_half: np.ndarray
    edge_half: np.ndarray
    tooth_width: np.ndarray
    menton: np.ndarray
    scale: np.ndarray

    @classmethod
    def from_parameters(cls, parameters: ParameterSet) -> MandibleForm:
        """Read the entries ``jaw.form_*``."""
        usual = [load_parameters()[f"jaw.{name}"] for name in ("bigonial_width", "gonion_menton", "body_thickness")]
        values: dict[str, float | np.ndarray] = {"scale": np.array(usual)}
        for item in fields(cls):
            name = f"jaw.form_{item.name}"
            if name in parameters:
                vector = isinstance(parameters.entry(name).value, tuple)
                values[item.name] = parameters.vector(name) if vector else parameters[name]
        return cls(**values)  # type: ignore[arg-type]

    @classmethod
    def default(cls) -> MandibleForm:
        """The forms of the card."""
        return cls.from_parameters(load_parameters())


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
    coronoid_rise, coronoid_forward, coronoid_flare : float
        Coronoid tip above the top of the condyle along the ramus, in front of the anterior border at its waist, and
        outside the plate of the ramus.
    arch_width, arch_depth : float
        Size of the dental arch over that usual for the width and length of the jaw.
    chin_deviation, ramus_difference : float
        Asymmetry: chin to the left, left ramus higher than the right one; zero for a symmetric jaw.
    crown_height_incisor, crown_height_molar : float
        The occlusal crest above the alveolar margin; zero without teeth.
    bonwill_inclination, first_molar_share : float
        Conventions of the anatomical frame and of the molar bite point.
    form : MandibleForm
        Construction forms that are not morphometrics.

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
    coronoid_rise: float
    coronoid_forward: float
    coronoid_flare: float
    arch_width: float
    arch_depth: float
    chin_deviation: float
    ramus_difference: float
    ramus_thickness: float
    crown_height_incisor: float
    crown_height_molar: float
    bonwill_inclination: float
    first_molar_share: float
    form: MandibleForm = field(default_factory=MandibleForm.default)

    def __post_init__(self) -> None:
        card = load_parameters()
        for item in fields(self):
            if item.name == "form":
                continue
            _check(card.entry(f"jaw.{item.name}"), getattr(self, item.name))
        if self.bigonial_width > self.bicondylar_width:
            raise InputError(
                f"parametric jaw: bigonial_width {self.bigonial_width:g} mm exceeds bicondylar_width "
                f"{self.bicondylar_width:g} mm; make it smaller"
            )

    @classmethod
    def from_parameters(cls, parameters: ParameterSet) -> MandibleShape:
        """Read the card ``jaw``."""
        names = [item.name for item in fields(cls) if item.name != "form"]
        return cls(**{name: parameters[f"jaw.{name}"] for name in names}, form=MandibleForm.from_parameters(parameters))

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
