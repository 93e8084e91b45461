"""Apply named changes to the plain values of a scenario: dotted paths, parameters of the cards, words for a patient."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

from femsim.errors import InputError
from femsim.parameters import Parameter, load_parameters
from femsim.scenario.quantities import closest, read_quantity
from femsim.scenario.schema import Scenario
from femsim.units import format_quantity, parse_quantity, shown

Values = dict[str, Any]

BITE_FORCE = "patient.bite_force"
DOSE = "patient.dose"
TIME = "patient.time_since_radiotherapy"
DENSITY = "patient.bone_density"
PATIENT = {BITE_FORCE: "N", DOSE: "Gy", TIME: "day", DENSITY: ""}
"""Words for a patient and their units: force of the first task, dose of the first course (the other tasks and courses
in proportion, fractions unchanged), time from radiotherapy to surgery, bone density over that of the cards."""

STIFFENED = ("materials.cortical_E", "materials.cancellous_E")
STRENGTHENED = ("interface.shear_strength", "loosening.life_reference_stress")
"""What bone density changes: stiffness with the power ``tissue.stiffness_exponent``, strength (of the threads' bone and
of the S-N line) with ``tissue.strength_exponent``, as in the tissue model."""


class NotApplicable(Exception):
    """The change is about a section that this scenario does not have, such as the dose of a healthy jaw."""


def changed(values: Mapping[str, Any], changes: Mapping[str, Any], *, skip: bool = False) -> tuple[Values, list[str]]:
    """Return the values of a scenario after some changes, and the changes that do not apply to it.

    Parameters
    ----------
    values : mapping
        Of the base scenario, as written in its file.
    changes : mapping
        Dotted path, parameter name or patient word to the new value. Bone density is applied last.
    skip : bool
        Leave changes to absent sections out instead of raising.

    Raises
    ------
    InputError
        A path that leads nowhere, or a change to an absent section.
    """
    made: Values = copy.deepcopy(dict(values))
    skipped: list[str] = []
    for key in sorted(changes, key=lambda key: key == DENSITY):
        try:
            _apply(made, key, changes[key])
        except NotApplicable as absent:
            if not skip:
                raise InputError(f"{key}: {absent}") from None
            skipped.append(key)
    return made, skipped


def parameter_of(key: str) -> Parameter | None:
    """Return the parameter of the cards that a key names, if it names one."""
    cards = load_parameters()
    return cards.entry(key) if key in cards else None


def _apply(values: Values, key: str, value: Any) -> None:
    if key in PATIENT:
        PATIENT_WORDS[key](values, value)
    elif key.startswith("patient."):
        raise InputError(f"unknown word {key!r}{closest(key, PATIENT)} (known: {', '.join(PATIENT)})")
    elif parameter_of(key) is not None:
        values["parameters"] = {**(values.get("parameters") or {}), key: value}
    else:
        _put(values, key.split("."), value, key)


def _put(here: Any, path: list[str], value: Any, key: str) -> None:
    """Set the value at a path; ``*`` stands for every entry of a list."""
    first, rest = path[0], path[1:]
    if isinstance(here, list):
        numbers = range(len(here)) if first == "*" else [_entry(first, here, key)]
        for number in numbers:
            here[number] = _mutable(here[number])
            _set_or_go_on(here, number, rest, value, key)
        return
    if not isinstance(here, dict):
        raise InputError(f"{key}: {shown(here)} is written there, which has no {first!r} in it")
    known = {field.alias or name for name, field in Scenario.model_fields.items()}
    if "schema" in here and first not in known:
        hint = closest(key, [entry.name for entry in load_parameters()]) or closest(first, known)
        raise InputError(f"{key!r} is no path of a scenario, no parameter and no word for a patient{hint}")
    if rest and here.get(first, ()) is None:
        raise NotApplicable(f"the scenario has no {first}")
    here[first] = _mutable(here.get(first, {} if rest else None))
    if here[first] == "default":
        here[first] = {}
    _set_or_go_on(here, first, rest, value, key)


def _set_or_go_on(here: Any, place: Any, rest: list[str], value: Any, key: str) -> None:
    if rest:
        _put(here[place], rest, value, key)
    else:
        here[place] = value


def _entry(text: str, entries: list[Any], key: str) -> int:
    if not text.isdigit() or int(text) >= len(entries):
        raise InputError(f"{key}: {text!r} is no entry of a list of {len(entries)}; write 0 to {len(entries) - 1} or *")
    return int(text)


def _mutable(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def _bite_force(values: Values, value: Any) -> None:
    tasks = [dict(task) for task in values["loading"]["tasks"]]
    wanted, forces = read_quantity(value, "N"), [parse_quantity(str(task["force"]), "N") for task in tasks]
    if not forces[0] > 0.0:
        raise InputError(f"{BITE_FORCE}: the first task has no force that the others could be in proportion to")
    scale = wanted / forces[0]
    for task, force in zip(tasks, forces, strict=True):
        task["force"] = format_quantity(force * scale, "N")
        if (hard := task.get("hard_bite")) is not None:
            stronger = scale * parse_quantity(str(hard["force"]), "N")
            task["hard_bite"] = {**hard, "force": format_quantity(stronger, "N")}
    values["loading"] = {**values["loading"], "tasks": tasks}


def _dose(values: Values, value: Any) -> None:
    given = _irradiation(values)
    courses = [dict(course) for course in given["courses"]]
    if any("prescription" not in course or {"image", "dicom"} & set(course["field"]) for course in courses):
        raise InputError(f"{DOSE}: a planned dose cannot be scaled; leave this word out")
    doses = [parse_quantity(str(course["prescription"]), "Gy") for course in courses]
    if not doses[0] > 0.0:
        raise InputError(f"{DOSE}: the first course has no dose that the others could be in proportion to")
    wanted = read_quantity(value, "Gy")
    for course, dose in zip(courses, doses, strict=True):
        course["prescription"] = format_quantity(dose * wanted / doses[0], "Gy")
    values["irradiation"] = {**given, "courses": courses}


def _time(values: Values, value: Any) -> None:
    values["irradiation"] = {**_irradiation(values), "surgery_after": value}


def _irradiation(values: Values) -> Values:
    given = values.get("irradiation")
    if given in (None, "none"):
        raise NotApplicable("the scenario has no irradiation")
    return dict(given)


def _density(values: Values, value: Any) -> None:
    factor, cards, given = read_quantity(value, ""), load_parameters(), dict(values.get("parameters") or {})
    if not factor > 0.0:
        raise InputError(f"{DENSITY}: {shown(value)}; density over that of the cards has to be positive")

    def current(name: str) -> float:
        return read_quantity(given[name], cards.entry(name).unit) if name in given else cards[name]

    powers = {name: current("tissue.stiffness_exponent") for name in STIFFENED}
    powers |= {name: current("tissue.strength_exponent") for name in STRENGTHENED}
    for name, power in powers.items():
        given[name] = format_quantity(current(name) * factor**power, cards.entry(name).unit)
    values["parameters"] = given


PATIENT_WORDS = {BITE_FORCE: _bite_force, DOSE: _dose, TIME: _time, DENSITY: _density}
