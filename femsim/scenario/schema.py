"""The scenario file as types: every key, its unit, its plausible limits and where its default comes from."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, PrivateAttr, model_validator
from pydantic.functional_validators import BeforeValidator

from femsim.scenario import teeth
from femsim.scenario.defaults import cards, from_card, recovery_from_card
from femsim.scenario.irradiation import Irradiation
from femsim.scenario.presets import PlatePreset, ScrewPreset, plate_value
from femsim.scenario.quantities import Quantity, problem, problems
from femsim.scenario.section import Section
from femsim.scenario.teeth import Activation
from femsim.scenario.words import (
    PARAMETER_OF_KEY,
    Bite,
    Morphometrics,
    Overrides,
    SegmentEnd,
    empty_means_all_defaults,
)

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
Coefficient = Annotated[float, Field(ge=-1e3, le=1e3)]
Factor = Annotated[float, Field(ge=0, le=2)]
Share = Annotated[float, Field(gt=0, lt=1)]


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
    """Exactly one of: a parametric jaw, a closed surface from a file, the bench block."""

    parametric: Morphometrics | None = None
    surface: str | None = Field(default=None, description="closed surface (STL, OBJ, PLY), beside the scenario file")
    landmarks: dict[LandmarkName, Point] | None = Field(
        default=None, description="points in the surface file's own frame"
    )
    bench_block: BenchBlock | None = None
    keep_clear: tuple[Structure, ...] = Field(
        default=(), description="lines that screws should keep clear of, in the frame of the surface file"
    )

    _empty = model_validator(mode="before")(empty_means_all_defaults("parametric", "bench_block"))

    @model_validator(mode="after")
    def _one_jaw(self) -> Jaw:
        kinds = ("parametric", "surface", "bench_block")
        given = [kind for kind in kinds if getattr(self, kind) is not None]
        if len(given) != 1:
            raise problem(f"needs exactly one of {', '.join(kinds)}, not {' and '.join(given) or 'none of them'}")
        if self.landmarks is not None and self.surface is None:
            raise problem("landmarks are read only with a surface; remove them or name a surface", "landmarks")
        if self.keep_clear and self.bench_block is not None:
            raise problem("the bench block has no canal and no roots; remove this key", "keep_clear")
        names = [structure.name for structure in self.keep_clear]
        for k, name in enumerate(names):
            if name in names[:k]:
                raise problem(f"a second structure is named {name!r}; name it otherwise", "keep_clear", k, "name")
        return self


class CutPlane(Section):
    """A saw cut, in the frame of the surface file (of the anatomical frame for a parametric jaw)."""

    point: Point
    normal: tuple[Coefficient, Coefficient, Coefficient] = Field(description="direction across the cut, of any length")


class Segment(Section):
    """One removed part of the jaw: from tooth to tooth (FDI), both included; between two distances; or between planes.

    A distance counts from the midline along the arch to the cut, on the named side; for a midline defect ``from`` lies
    on the right and ``to`` on the left.
    """

    side: Literal["left", "right", "midline"] | None = None
    start: SegmentEnd | None = Field(default=None, alias="from")
    end: SegmentEnd | None = Field(default=None, alias="to")
    planes: tuple[CutPlane, CutPlane] | None = None

    @model_validator(mode="after")
    def _one_way(self) -> Segment:
        if self._elsewhere:
            return self
        given = {"side": self.side, "from": self.start, "to": self.end}
        if self.planes is not None:
            extra = [key for key in ("from", "to") if given[key] is not None]
            if extra:
                raise problem("two planes already say where the cuts are; remove this key", extra[0])
            return self
        missing = [((key,), f"the key {key!r} is missing") for key, value in given.items() if value is None]
        if missing:
            raise problems(missing)
        found = self._wrong_teeth() if isinstance(self.start, int) and isinstance(self.end, int) else []
        if not found and isinstance(self.start, int) != isinstance(self.end, int):
            found = [(("to",), "one end is a tooth, the other a distance; give two teeth or two distances")]
        if not found and self.side != "midline" and self._places()[0] > self._places()[1]:
            ends = [str(end) if isinstance(end, int) else f"{end:g} mm" for end in (self.start, self.end)]
            found = [(("from",), f"{ends[0]} lies behind {ends[1]}; count from front to back")]
        if found:
            raise problems(found)
        return self

    @property
    def _elsewhere(self) -> bool:
        """Whether the place is given in other keys than these."""
        return False

    def _places(self) -> tuple[float, float]:
        assert self.start is not None
        assert self.end is not None
        return float(self.start), float(self.end)

    def _wrong_teeth(self) -> list[tuple[tuple[str | int, ...], str]]:
        left, right = (teeth.LEFT, "left"), (teeth.RIGHT, "right")
        first, last = {"left": (left, left), "right": (right, right), "midline": (right, left)}[str(self.side)]
        return [
            ((key,), f"tooth {tooth} is not on the {side} side; allowed are {allowed[0]} to {allowed[-1]}")
            for key, tooth, (allowed, side) in (("from", self.start, first), ("to", self.end, last))
            if tooth not in allowed
        ]

    @property
    def teeth(self) -> tuple[int, int] | None:
        """First and last tooth, when the segment is given by teeth."""
        return (self.start, self.end) if isinstance(self.start, int) and isinstance(self.end, int) else None

    @property
    def distances(self) -> tuple[float, float] | None:
        """Arch coordinates of the cuts [mm], positive on the left, when the segment is given by distances."""
        if self.start is None or self.teeth is not None:
            return None
        first, last = self._places()
        return {"left": (first, last), "right": (-last, -first), "midline": (-first, last)}[str(self.side)]

    @property
    def removed(self) -> tuple[int, ...]:
        """The teeth of a segment given by teeth."""
        return () if self.teeth is None else teeth.between(*self.teeth)


class Resection(Segment):
    """What is removed: one segment, or a list ``segments`` with bone left between them."""

    segments: Annotated[tuple[Segment, ...], Field(min_length=2, max_length=4)] | None = None

    @model_validator(mode="after")
    def _alone(self) -> Resection:
        extra = [key for key, name in ALIASES.items() if getattr(self, name) is not None]
        if self.segments is not None and extra:
            raise problem("'segments' already says what is removed; move this key into one of them", extra[0])
        return self

    @property
    def _elsewhere(self) -> bool:
        return self.segments is not None

    @property
    def parts(self) -> tuple[Segment, ...]:
        """Every removed segment."""
        return (self,) if self.segments is None else self.segments


ALIASES = {field.alias or name: name for name, field in Segment.model_fields.items()}
"""Key of a segment as written in the file to the name of its field."""


class Plate(Section):
    """A plate swept along the buccal surface; the preset fixes what is not written."""

    preset: PlatePreset
    width: Annotated[float, Quantity("mm", "2 mm", "15 mm")] = plate_value("width")
    thickness: Annotated[float, Quantity("mm", "0.5 mm", "5 mm")] = plate_value("thickness")
    pitch: Annotated[float, Quantity("mm", "4 mm", "15 mm")] = plate_value("pitch")
    height: Annotated[float, Quantity("mm", "3 mm", "30 mm")] = from_card("plates.height")
    standoff: Annotated[float, Quantity("mm", "0.2 mm", "5 mm")] = from_card("plates.standoff")
    bridge_width: Annotated[float, Quantity("mm", "2 mm", "15 mm")] = Field(
        default_factory=lambda plate: plate["width"],
        description="width over the defect",
        json_schema_extra={"default_from": "width"},
    )
    edge_radius: Annotated[float, Quantity("mm", "0 mm", "2 mm")] = from_card("plates.edge_radius")
    wave: Annotated[float, Quantity("mm", "0 mm", "15 mm")] = from_card("plates.wave")

    @model_validator(mode="after")
    def _not_below_the_border(self) -> Plate:
        if self.height < self.width / 2:
            raise problem(
                f"a centreline {self.height:g} mm above the lower border lets a plate {self.width:g} mm wide hang "
                f"below the bone; at least {self.width / 2:g} mm are needed",
                "height",
            )
        return self


class PerStump(Section):
    """Screws on each side of the defect: mesial (towards the chin), distal (towards the joint), and between defects.

    Where the resection crosses the midline, mesial stands for the right stump and distal for the left one.
    """

    mesial: Annotated[int, Field(ge=1, le=8)]
    distal: Annotated[int, Field(ge=1, le=8)]
    middle: Annotated[int, Field(ge=1, le=8)] | None = Field(
        default=None, description="on every piece of bone between two removed segments; left out: as on the others"
    )


def _same_on_both(given: Any) -> Any:
    return {"mesial": given, "distal": given} if isinstance(given, int) and not isinstance(given, bool) else given


def _default_per_stump() -> PerStump:
    number = int(cards()["scenario.screws_per_stump"])
    return PerStump(mesial=number, distal=number)


class Hole(Section):
    """One hole that differs from the rest, by its number along the plate from the jaw's right to its left."""

    hole: Annotated[int, Field(ge=1, le=40)]
    screw: bool = Field(default=True, description="false leaves the hole empty")
    length: (
        Annotated[float | str, Quantity("mm", "4 mm", "30 mm", words=("bicortical", "monocortical"))] | None
    ) = Field(default=None, description="left out: the rule of all screws")
    along: Annotated[float, Quantity("degree", "-30 degree", "30 degree")] = Field(
        default=0.0, description="tilt of the screw along the plate towards the jaw's left"
    )
    up: Annotated[float, Quantity("degree", "-30 degree", "30 degree")] = Field(
        default=0.0, description="tilt of the screw upwards"
    )

    @model_validator(mode="after")
    def _empty_hole(self) -> Hole:
        read = [key for key in ("length", "along", "up") if key in self.model_fields_set]
        if not self.screw and read:
            raise problem("the hole is empty and reads no length or tilt; remove this key", read[0])
        return self


class Screws(Section):
    """The screws: one kind, a number per stump, a rule or a value for their length."""

    preset: ScrewPreset
    per_stump: Annotated[
        PerStump,
        BeforeValidator(_same_on_both, json_schema_input_type=Annotated[int, Field(ge=1, le=8)] | PerStump),
    ] = Field(
        default_factory=_default_per_stump,
        json_schema_extra={"default_from": "parameter scenario.screws_per_stump"},
    )
    length: Annotated[float | str, Quantity("mm", "4 mm", "30 mm", words=("bicortical", "monocortical"))] = "bicortical"
    minimal_distance_to_cut: Annotated[float, Quantity("mm", "2 mm", "20 mm")] = from_card("plates.min_distance_to_cut")
    holes: tuple[Hole, ...] = ()

    @model_validator(mode="after")
    def _each_hole_once(self) -> Screws:
        numbers = [hole.hole for hole in self.holes]
        for k, number in enumerate(numbers):
            if number in numbers[:k]:
                raise problem(f"hole {number} is listed twice; write its keys together", "holes", k, "hole")
        return self


class Graft(Section):
    """Fibula in every defect: straight struts with screws of their own, carried by the plate, without dose."""

    struts: Annotated[int, Field(ge=1, le=4)] = 1
    screws: Annotated[int, Field(ge=1, le=4)] = Field(default=2, description="in every strut")
    width: Annotated[float, Quantity("mm", "6 mm", "20 mm")] = from_card("graft.width")
    height: Annotated[float, Quantity("mm", "6 mm", "25 mm")] = from_card("graft.height")
    cortex: Annotated[float, Quantity("mm", "0.5 mm", "10 mm")] = from_card("graft.cortex")
    gap: Annotated[float, Quantity("mm", "0.3 mm", "5 mm")] = from_card("graft.gap")
    union: Annotated[float, Quantity("MPa", "0.1 MPa", "20000 MPa")] = from_card("graft.union_E")


class SecondPlate(Plate):
    """A second plate on the same jaw, above or below the first, with screws of its own."""

    screws: Screws


def _usual_activation(task: dict[str, Any]) -> Activation:
    return teeth.usual_activation(task["bite"])


class Task(Section):
    """One chewing task: a bite point, its peak force and how often a day."""

    bite: Bite
    force: Annotated[float, Quantity("N", "0 N", "1200 N")]
    name: Annotated[str, Field(min_length=1, max_length=60)] = Field(
        default_factory=lambda task: str(task["bite"]), json_schema_extra={"default_from": "the bite"}
    )
    activation: Activation = Field(default_factory=_usual_activation, json_schema_extra={"default_from": "the bite"})
    cycles_per_day: Annotated[float, Field(ge=0, le=20000)] = from_card("scenario.cycles_per_day")
    load_ratio: Annotated[float, Field(ge=0, lt=1)] = from_card("scenario.load_ratio")

    @property
    def teeth(self) -> tuple[int, ...]:
        """The lower teeth that bite; empty for the bench block."""
        return teeth.bite_teeth(self.bite)

    @property
    def site(self) -> str:
        """Name of the bite site in the operation: the bite's word, or ``tooth-NN`` for a tooth number."""
        return self.bite if isinstance(self.bite, str) else f"tooth-{self.bite}"


class Loading(Section):
    """Chewing tasks, and the share of their force that the patient uses while healing ([week, factor] pairs)."""

    tasks: Annotated[tuple[Task, ...], Field(min_length=1, max_length=20)]
    recovery: Annotated[tuple[tuple[Annotated[float, Field(ge=0, le=2000)], Factor], ...], Field(min_length=1)] = (
        recovery_from_card()
    )

    @model_validator(mode="after")
    def _weeks_and_names(self) -> Loading:
        found: list[tuple[tuple[str | int, ...], str]] = []
        weeks = [week for week, _ in self.recovery]
        if weeks[0] != 0:
            found.append((("recovery", 0), f"starts at week {weeks[0]:g}; the first pair has to be week 0"))
        found += [
            (("recovery", k), f"week {weeks[k]:g} does not come after week {weeks[k - 1]:g}; weeks have to ascend")
            for k in range(1, len(weeks))
            if weeks[k] <= weeks[k - 1]
        ]
        names = [task.name for task in self.tasks]
        found += [
            (("tasks", k), f"a second task is named {name!r}; give it a name of its own ('name: ...')")
            for k, name in enumerate(names)
            if name in names[:k]
        ]
        if found:
            raise problems(found)
        return self


class Criteria(Section):
    """When a screw counts as loose: any one criterion, for this long without a break."""

    motion: Annotated[float, Quantity("mm", "5 um", "2 mm")] = from_card("loosening.loose_motion")
    holding: Share = from_card("loosening.loose_holding")
    lateral_stiffness: Share = from_card("loosening.loose_stiffness")
    duration: Annotated[float, Quantity("day", "0 days", "90 days")] = from_card("loosening.loose_duration")


class Simulate(Section):
    """How long to chew and what counts as loose."""

    years: Annotated[float, Field(gt=0, le=30)]
    criteria: Annotated[
        Criteria,
        BeforeValidator(
            lambda given: {} if given == "default" else given, json_schema_input_type=Literal["default"] | Criteria
        ),
    ] = Field(default_factory=Criteria, json_schema_extra={"default_from": "parameters loosening.loose_*"})


class Bone(Section):
    """Elastic law of the jaw's own bone; grafts stay isotropic."""

    cortical: Literal["isotropic", "orthotropic"] = Field(
        default="isotropic",
        description="orthotropic: stiffest along the arch, softest through the cortex; slower to assemble",
    )


class MeshChoice(Section):
    """Fineness of the mesh."""

    preset: Literal["preview", "standard", "fine"] = "standard"


@dataclass(frozen=True)
class Source:
    """Where a scenario was read: the file and the line of every value in it, by path of keys and list positions."""

    name: str = "scenario"
    folder: Path = field(default_factory=Path.cwd)
    lines: dict[tuple[str | int, ...], int] = field(default_factory=dict)

    def at(self, path: tuple[str | int, ...]) -> str:
        """Return ``file:line`` of the value at ``path``, or of the closest section around it that was written."""
        for length in range(len(path), 0, -1):
            if path[:length] in self.lines:
                return f"{self.name}:{self.lines[path[:length]]}"
        return f"{self.name}:{self.lines.get((), 1)}" if self.lines else self.name


class Scenario(Section):
    """One operation, its irradiation and the chewing that follows: everything a run needs, in internal units.

    Lengths are in mm, forces in N, times in days (``simulate.years`` and recovery weeks as named), doses in Gy.
    """

    schema_version: Literal[1] = Field(alias="schema")
    title: str
    question: str | None = None
    expect: str | None = None
    jaw: Jaw
    resection: Resection | None = Field(default=None, description="null on the bench block only")
    plate: Plate
    screws: Screws
    second_plate: SecondPlate | None = Field(default=None, description="left out: one plate")
    graft: Graft | None = Field(default=None, description="left out: the defect stays empty")
    irradiation: Irradiation | None = Field(default=None, description="left out or null: a healthy jaw")
    loading: Loading
    simulate: Simulate
    bone: Bone = Field(default_factory=Bone)
    mesh: MeshChoice = Field(default_factory=MeshChoice)
    solver: Literal["auto", "pardiso", "rslab", "superlu", "multigrid"] = "auto"
    parameters: Overrides = Field(default_factory=dict, description="parameter name to value with unit")

    _source: Source = PrivateAttr(default_factory=Source)

    @property
    def source(self) -> Source:
        """File and lines this scenario was read from."""
        return self._source

    @property
    def name(self) -> str:
        """Short name for folders: the scenario file's name without its ending."""
        return Path(self._source.name).stem

    @property
    def surface_path(self) -> Path | None:
        """Absolute path of the jaw's surface file, if one is named."""
        return None if self.jaw.surface is None else (self._source.folder / self.jaw.surface).resolve()

    @property
    def files(self) -> dict[tuple[str | int, ...], Path]:
        """Absolute path of every file and folder that is named, by its place in the scenario."""
        found: dict[tuple[str | int, ...], Path] = {}
        if self.surface_path is not None:
            found[("jaw", "surface")] = self.surface_path
        if self.irradiation is not None:
            for below, name in self.irradiation.files():
                found[("irradiation", *below)] = (self._source.folder / name).resolve()
        return found

    def overrides(self) -> dict[str, tuple[str, str]]:
        """Return everything written here that replaces a parameter of the cards, as ``load_parameters`` takes it.

        That is the section ``parameters`` and every key that stands for one parameter (plate sizes, criteria,
        morphometrics, ...): name to (quantity string, origin).
        """
        found = {name: (text, self._source.at(("parameters", name))) for name, text in self.parameters.items()}
        written = self.model_dump(mode="json", exclude_unset=True)
        for path, pattern in PARAMETER_OF_KEY.items():
            value: Any = written
            for key in path:
                value = value.get(key) if isinstance(value, dict) else None
            if value is not None:
                found[pattern.format(preset=self.plate.preset)] = (str(value), self._source.at(path))
        for name, size in (written["jaw"].get("parametric") or {}).items():
            found[f"jaw.{name}"] = (str(size), self._source.at(("jaw", "parametric", name)))
        return found
