"""The study file as types: a base scenario, what varies, how it is sampled, and how each point is run."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, PrivateAttr, model_validator
from pydantic.functional_validators import BeforeValidator

from femsim.scenario.quantities import problem, problems
from femsim.scenario.section import Section

Name = Annotated[str, Field(min_length=1, max_length=60, pattern=r"^[\w][\w .-]*$")]
Changes = dict[str, Any]
"""Dotted scenario path, parameter or patient word to the value written in its place."""


class Sampled(Section):
    """Range and distribution of one sampled value; ``card`` alone takes both from a parameter card."""

    low: str | float | int | None = None
    high: str | float | int | None = None
    distribution: Literal["uniform", "loguniform", "normal"] | None = Field(
        default=None, description="normal: mean in the middle, range of four standard deviations, cut at its ends"
    )
    card: str | None = Field(default=None, description="parameter whose range and distribution are taken")

    @model_validator(mode="after")
    def _range_once(self) -> Sampled:
        if (self.low is None) != (self.high is None):
            raise problem("'low' and 'high' belong together; write both", "low" if self.low is None else "high")
        if self.card is not None and self.low is not None:
            raise problem("the card already has a range; remove 'card', or 'low' and 'high'", "card")
        return self


def _card_alone(given: Any) -> Any:
    """Read the word ``card`` as: range and distribution of the sampled parameter's own card."""
    return {} if given == "card" else given


class Sampling(Section):
    """How values are drawn; the same seed draws the same patients on every machine.

    ``saltelli`` makes the blocks A, B and one AB per sampled value that first and total Sobol indices need:
    ``samples * (values + 2)`` patients.
    """

    method: Literal["latin-hypercube", "sobol", "saltelli"] = "latin-hypercube"
    samples: Annotated[int, Field(ge=1, le=1_000_000)]
    seed: Annotated[int, Field(ge=0, le=2**63 - 1)]
    holds_at_rest: bool = Field(
        default=False,
        description="draw again where a screw at rest in healthy bone would count as loose while it heals",
    )

    @model_validator(mode="after")
    def _powers_of_two(self) -> Sampling:
        if self.method != "latin-hypercube" and self.samples & (self.samples - 1):
            raise problem(
                f"is {self.samples}; Sobol sequences are balanced for powers of two only, such as "
                f"{1 << (self.samples.bit_length() - 1)} or {1 << self.samples.bit_length()}",
                "samples",
            )
        if self.method != "latin-hypercube" and self.holds_at_rest:
            raise problem(
                "drawing again would spoil the balance of the sequence; use latin-hypercube or remove this key",
                "holds_at_rest",
            )
        return self


@dataclass(frozen=True)
class Origin:
    """Where a study was read: file name for messages, folder, and the line of every value."""

    name: str = "study"
    folder: Path = field(default_factory=Path.cwd)
    lines: dict[tuple[str | int, ...], int] = field(default_factory=dict)

    def at(self, path: tuple[str | int, ...]) -> str:
        """Return ``file:line`` of the value at ``path``, or of the closest section around it."""
        for length in range(len(path), 0, -1):
            if path[:length] in self.lines:
                return f"{self.name}:{self.lines[path[:length]]}"
        return self.name


def _base_alone() -> dict[str, Changes]:
    return {"base": {}}


class StudyFile(Section):
    """One study: points are designs x entries of ``list`` x ``grid`` x samples.

    The same sample number is the same patient in every design.
    """

    study: Literal[1] = Field(description="version of this form")
    title: str
    question: str | None = None
    expect: str | None = None
    base: str = Field(description="scenario file, relative to this file")
    files: str | None = Field(
        default=None, description="folder that file names in the base refer to; left out: the folder of the base"
    )
    designs: Annotated[dict[Name, Changes], Field(min_length=1)] = Field(
        default_factory=_base_alone, description="named changes to the base, run on the same patients"
    )
    list_: Annotated[tuple[Changes, ...], Field(min_length=1)] | None = Field(
        default=None, alias="list", description="sets of changes, one after the other"
    )
    grid: dict[str, Annotated[tuple[Any, ...], Field(min_length=1)]] = Field(
        default_factory=dict, description="values of which every combination is run"
    )
    sample: dict[
        str,
        Annotated[Sampled, BeforeValidator(_card_alone, json_schema_input_type=Literal["card"] | Sampled)],
    ] = Field(default_factory=dict, description="values drawn for every patient")
    sampling: Sampling | None = None
    operator: Literal["nominal", "exact"] = Field(
        default="nominal",
        description="nominal: sampled tissue, dose and density do not change how the bulk of the bone spreads load",
    )
    operator_checks: Annotated[int, Field(ge=0, le=1000)] = Field(
        default=2, description="points that are run with both operators, to tell the error of 'nominal'"
    )
    accuracy: Literal["run", "study", "coarse"] = Field(default="study", description="tolerances of the evolution")
    end: Literal["horizon", "first-loosening"] = Field(
        default="horizon", description="first-loosening: a point ends with its first loose screw"
    )

    _origin: Origin = PrivateAttr(default_factory=Origin)

    @property
    def origin(self) -> Origin:
        """File and lines that this study was read from."""
        return self._origin

    @property
    def name(self) -> str:
        """Short name for folders: the study file's name without its ending."""
        return Path(self._origin.name).stem

    @property
    def base_path(self) -> Path:
        """Absolute path of the base scenario."""
        return (self._origin.folder / self.base).resolve()

    @model_validator(mode="after")
    def _sample_and_sampling(self) -> StudyFile:
        found: list[tuple[tuple[str | int, ...], str]] = []
        if self.sample and self.sampling is None:
            found.append((("sample",), "values are sampled but 'sampling' does not say how; add method, samples, seed"))
        if self.sampling is not None and not self.sample:
            found.append((("sampling",), "nothing is sampled; add 'sample' or remove this key"))
        groups = {"grid": set(self.grid), "sample": set(self.sample)}
        groups["list"] = {key for entry in self.list_ or () for key in entry}
        groups["designs"] = {key for changes in self.designs.values() for key in changes}
        names = list(groups)
        for k, first in enumerate(names):
            for second in names[k + 1 :]:
                for key in sorted(groups[first] & groups[second]):
                    found.append(((first, key), f"is set under {second!r} as well; keep one of them"))
        if found:
            raise problems(found)
        return self
