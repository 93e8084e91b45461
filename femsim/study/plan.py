"""Turn a study file into numbered points: which scenario each runs, on which mesh and operator."""

from __future__ import annotations

import hashlib
import itertools
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from femsim.errors import InputError
from femsim.parameters import load_parameters
from femsim.scenario import Scenario, scenario_from_mapping, scenario_hash
from femsim.scenario.document import read_document
from femsim.scenario.load import ScenarioError
from femsim.scenario.quantities import read_quantity
from femsim.study.changes import PATIENT, changed, parameter_of
from femsim.study.keys import bulk_changes, enters_bulk, frozen_when_nominal, operator_key, shape_key
from femsim.study.sampling import Patients, Range, draw, range_of
from femsim.study.schema import StudyFile

MOST_POINTS = 1_000_000


@dataclass(frozen=True)
class Point:
    """One run of a study.

    Attributes
    ----------
    number : int
        From 1, in the order of designs, list, grid, samples.
    design : str
    sample : int or None
        Number of the patient from 1; the same patient in every design.
    changes : dict
        What list, grid and sample put in place.
    exact : bool
        Whether its operator is made with its own tissue although the study says ``nominal``: a check of that rule.
    """

    number: int
    design: str
    sample: int | None
    changes: Mapping[str, Any] = field(hash=False)
    exact: bool = False

    @property
    def name(self) -> str:
        """Name of its folder."""
        return f"{'check' if self.exact else ''}{self.number:06d}"


class StudyPlan:
    """The points of a study and the scenarios they stand for.

    Parameters
    ----------
    study : StudyFile

    Raises
    ------
    ScenarioError
        With every problem of the base, of a range, and of any design, list or grid entry.
    """

    def __init__(self, study: StudyFile) -> None:
        self.study = study
        document = read_document(study.base_path, str(study.base_path))
        if document.problems:
            raise ScenarioError(document.problems)
        self.base = document.values
        self.files = study.base_path.parent if study.files is None else (study.origin.folder / study.files).resolve()
        self._keys: dict[tuple[str, str], tuple[str, str]] = {}
        self.ranges = self._ranges()
        fixed = {**(self.base.get("parameters") or {})}
        self.patients: Patients | None = None
        if study.sampling is not None:
            try:
                self.patients = draw(self.ranges, study.sampling, fixed)
            except InputError as error:
                raise ScenarioError([f"{study.origin.at(('sampling',))}: {error}"]) from error
        self._check()

    # --- points -------------------------------------------------------------------------------------------------

    @cached_property
    def variants(self) -> tuple[tuple[str, dict[str, Any]], ...]:
        """Design and changes of list and grid, in order; every variant is run on every patient."""
        study, found = self.study, []
        combinations = list(itertools.product(*study.grid.values()))
        for design in study.designs:
            for entry in study.list_ or ({},):
                for chosen in combinations:
                    found.append((design, {**entry, **dict(zip(study.grid, chosen, strict=True))}))
        return tuple(found)

    @cached_property
    def points(self) -> tuple[Point, ...]:
        """All points, then the checks of the shared operator."""
        found: list[Point] = []
        for design, fixed in self.variants:
            for number in range(len(self.patients)) if self.patients is not None else (None,):
                drawn = {} if number is None or self.patients is None else self.patients.changes(number)
                sample = None if number is None else number + 1
                found.append(Point(len(found) + 1, design, sample, {**fixed, **drawn}))
        return (*found, *self._checks(found))

    def _checks(self, points: list[Point]) -> Iterator[Point]:
        """Spread the checks evenly over the points whose own operator differs from the shared one."""
        wanted = self.study.operator_checks if self.study.operator == "nominal" else 0
        frozen = any(enters_bulk(key) and frozen_when_nominal(key) for key in self.sampled)
        if not wanted or not frozen:
            return
        stride = max(len(points) // wanted, 1)
        for point in points[stride // 2 :: stride][:wanted]:
            yield Point(point.number, point.design, point.sample, point.changes, exact=True)

    @property
    def sampled(self) -> tuple[str, ...]:
        """Sampled keys."""
        return tuple(one.key for one in self.ranges)

    @property
    def inputs(self) -> tuple[str, ...]:
        """Keys that vary from point to point, in the order of the table's columns."""
        study = self.study
        listed = [key for entry in study.list_ or () for key in entry]
        return tuple(dict.fromkeys([*listed, *study.grid, *self.sampled]))

    # --- scenarios ----------------------------------------------------------------------------------------------

    def scenario(self, point: Point) -> Scenario:
        """Scenario that a point runs."""
        return self._scenario(point.design, point.changes, self._where(point))

    def bulk_scenario(self, point: Point) -> Scenario:
        """Scenario that a point's mesh and operator are made from."""
        return self._scenario(point.design, self._bulk(point), self._where(point))

    def keys(self, point: Point) -> tuple[str, str]:
        """Keys of a point's mesh and operator."""
        bulk = self._bulk(point)
        mark = (point.design, json.dumps(bulk, sort_keys=True, default=str))
        if mark not in self._keys:
            scenario = self.bulk_scenario(point)
            self._keys[mark] = (shape_key(scenario), operator_key(scenario))
        return self._keys[mark]

    def values(self, point: Point, scenario: Scenario) -> dict[str, Any]:
        """Inputs of a point in internal units; None where a key does not apply to its design."""
        _, skipped = self._changed(point.design, point.changes)
        return {
            key: None if key in skipped or key not in point.changes else inside(scenario, key, point.changes[key])
            for key in self.inputs
        }

    def _bulk(self, point: Point) -> dict[str, Any]:
        nominal = self.study.operator == "nominal" and not point.exact
        return bulk_changes(point.changes, self.sampled, nominal=nominal)

    def _changed(self, design: str, changes: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
        drawn = {key: value for key, value in changes.items() if key in self.sampled}
        fixed = {key: value for key, value in changes.items() if key not in drawn}
        values, _ = changed(self.base, self.study.designs[design])
        values, _ = changed(values, fixed)
        # A patient's dose does not apply to a design without radiotherapy; a fixed value that does not is a mistake.
        return changed(values, drawn, skip=True)

    def _scenario(self, design: str, changes: Mapping[str, Any], where: str) -> Scenario:
        try:
            values, _ = self._changed(design, changes)
        except InputError as error:
            raise ScenarioError([f"{where}: {error}"]) from error
        return scenario_from_mapping(values, where, self.files)

    def _where(self, point: Point) -> str:
        patient = "" if point.sample is None else f", sample {point.sample}"
        return f"{self.study.origin.name} (design {point.design}{patient})"

    # --- checks -------------------------------------------------------------------------------------------------

    def _ranges(self) -> tuple[Range, ...]:
        found, wrong = [], []
        for key, sampled in self.study.sample.items():
            try:
                found.append(range_of(key, sampled))
            except InputError as error:
                wrong.append(f"{self.study.origin.at(('sample', key))}: sample.{key}: {error}")
        if wrong:
            raise ScenarioError(wrong)
        return tuple(found)

    def _check(self) -> None:
        """Build every variant, and both ends of every range in the first variant of every design."""
        study = self.study
        tried: set[str] = set()
        wrong: list[str] = []
        count = len(self.variants) * (1 if self.patients is None else len(self.patients))
        if count > MOST_POINTS:
            raise ScenarioError([f"{study.origin.name}: {count} points; at most {MOST_POINTS} are taken"])
        for design, fixed in self.variants:
            place = ("designs", design) if "designs" in study.model_fields_set else ("base",)
            if not self._try(design, fixed, study.origin.at(place), wrong) or design in tried:
                continue
            tried.add(design)
            for one in self.ranges:
                where = study.origin.at(("sample", one.key))
                for share in (0.0, 1.0):
                    if not self._try(design, {**fixed, one.key: one.written(share)}, where, wrong):
                        break
        if wrong:
            raise ScenarioError(list(dict.fromkeys(wrong)))

    def _try(self, design: str, changes: Mapping[str, Any], where: str, wrong: list[str]) -> bool:
        try:
            self._scenario(design, changes, where)
        except ScenarioError as error:
            wrong += error.problems
            return False
        return True

    # --- identity -----------------------------------------------------------------------------------------------

    @cached_property
    def hash(self) -> str:
        """Eight digits of everything that the study's numbers depend on."""
        study = self.study.model_dump(mode="json", by_alias=True)
        for key in ("title", "question", "expect", "base", "files", "sample"):
            study.pop(key)
        content = {
            "study": study,
            "ranges": [[one.key, one.low, one.high, one.unit, one.distribution] for one in self.ranges],
            "cards": {entry.name: entry.value for entry in load_parameters()},
            "designs": [scenario_hash(self._scenario(design, fixed, "study")) for design, fixed in self.variants],
        }
        text = json.dumps(content, sort_keys=True, default=str)
        return hashlib.sha256(text.encode()).hexdigest()[:8]

    def design_hashes(self) -> dict[str, str]:
        """Hash of the scenario of every design without list, grid and samples."""
        return {name: scenario_hash(self._scenario(name, {}, name)) for name in self.study.designs}


def plan_study(study: StudyFile) -> StudyPlan:
    """Check a study's scenarios and number its points."""
    return StudyPlan(study)


def inside(scenario: Scenario, key: str, written: Any) -> Any:
    """Value of a changed key in internal units, read from the scenario where it is a path."""
    entry = parameter_of(key)
    if entry is not None:
        return read_quantity(written, entry.unit)
    if key in PATIENT:
        return read_quantity(written, PATIENT[key])
    here: Any = scenario
    for word in key.split("."):
        if isinstance(here, tuple | list):
            here = here[0 if word == "*" else int(word)]
        elif isinstance(here, dict):
            here = here[word]
        else:
            aliases = {spec.alias or name: name for name, spec in type(here).model_fields.items()}
            here = getattr(here, aliases[word])
    return here if isinstance(here, int | float | str | bool) or here is None else json.dumps(written, default=str)
