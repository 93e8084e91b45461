"""The jaw of a scenario: parametric, a surface, a label of an image, or the bench block; its scan and landmarks."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from femsim.scenario.defaults import from_card
from femsim.scenario.quantities import Quantity, problem
from femsim.scenario.scan import Scan
from femsim.scenario.section import Section
from femsim.scenario.words import Morphometrics, empty_means_all_defaults

Coordinate = Annotated[float, Quantity("mm", "-1000 mm", "1000 mm")]
Point = tuple[Coordinate, Coordinate, Coordinate]
LandmarkName = Literal[
    "condyle_left",
    "condyle_right",
    "gonion_left",
    "gonion_right",
    "coronoid_left",
    "coronoid_right",
    "first_molar_left",
    "first_molar_right",
    "incisor",
    "menton",
]


class BenchBlock(Section):
    """Two bone blocks bridged by the plate: meshes in seconds, for fast tests and for laboratory set-ups."""

    gap: Annotated[float, Quantity("mm", "1 mm", "100 mm")] = from_card("bench.gap")


class Structure(Section):
    """Something that screws should keep clear of: a tube about a line, such as the canal of the nerve or a root."""

    name: Annotated[str, Field(min_length=1, max_length=40, pattern=r"^[\w .-]+$")]
    points: Annotated[tuple[Point, ...], Field(min_length=2, max_length=1000)]
    radius: Annotated[float, Quantity("mm", "0 mm", "10 mm")]
    distance: Annotated[float, Quantity("mm", "0 mm", "10 mm")] = from_card("screws.bone_around")


class Jaw(Section):
    """Exactly one of: a parametric jaw, a closed surface, a label of a segmented image, the bench block.

    The bone of any but the parametric jaw may come from a CT.
    """

    parametric: Morphometrics | None = None
    surface: str | None = Field(
        default=None, description="closed surface (STL, OBJ, PLY, VTP), beside the scenario file"
    )
    labels: str | None = Field(default=None, description="segmented image (NIfTI, NRRD, VTK), beside the scenario file")
    value: Annotated[int, Field(ge=1, le=65535)] | None = Field(default=None, description="label of the jaw")
    landmarks: dict[LandmarkName, Point] | None = Field(
        default=None, description="points in the frame of the surface file or of the image"
    )
    ct: Scan | None = Field(default=None, description="left out: cortical and cancellous bone by depth")
    bench_block: BenchBlock | None = None
    keep_clear: tuple[Structure, ...] = Field(
        default=(), description="lines that screws should keep clear of, in the frame of the surface file"
    )

    _empty = model_validator(mode="before")(empty_means_all_defaults("parametric", "bench_block"))

    @model_validator(mode="after")
    def _one_jaw(self) -> Jaw:
        kinds = ("parametric", "surface", "labels", "bench_block")
        given = [kind for kind in kinds if getattr(self, kind) is not None]
        if len(given) != 1:
            raise problem(f"needs exactly one of {', '.join(kinds)}, not {' and '.join(given) or 'none of them'}")
        if self.landmarks is not None and self.surface is None and self.labels is None:
            raise problem("landmarks are read only with a surface or labels; remove them", "landmarks")
        if (self.value is None) != (self.labels is None):
            missing = "the key 'value' is missing; write the number that the jaw has in the image"
            raise problem(missing if self.value is None else "is read only with labels; remove this key", "value")
        if self.ct is not None and self.parametric is not None:
            raise problem("the parametric jaw is nobody's scan; give the scanned jaw as surface or labels", "ct")
        if self.keep_clear and self.bench_block is not None:
            raise problem("the bench block has no canal and no roots; remove this key", "keep_clear")
        names = [structure.name for structure in self.keep_clear]
        for k, name in enumerate(names):
            if name in names[:k]:
                raise problem(f"a second structure is named {name!r}; name it otherwise", "keep_clear", k, "name")
        return self
