"""Chewing in a scenario: tasks with bite, force and cycles, habits and hard bites, and the recovery of the patient."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field, model_validator

from femsim.scenario import teeth
from femsim.scenario.defaults import cards, from_card, recovery_from_card
from femsim.scenario.quantities import Quantity, problem, problems
from femsim.scenario.section import Section
from femsim.scenario.teeth import Activation
from femsim.scenario.words import Bite

Factor = Annotated[float, Field(ge=0, le=2)]


def _usual_activation(task: dict[str, Any]) -> Activation | None:
    return None if task["bite"] in teeth.BOTH_SIDES else teeth.usual_activation(task["bite"])


class HardBite(Section):
    """A bite that is now and then far harder than the others: on a stone, or in sleep."""

    force: Annotated[float, Quantity("N", "0 N", "1200 N")]
    probability: Annotated[float, Field(gt=0, le=1)] = Field(description="of any one bite to be such a hard one")


class Task(Section):
    """One chewing task: a bite point, its peak force and how often a day.

    A bite without a side (``first-molar``) is chewed on both sides, the share ``left`` of it on the left.
    """

    bite: Bite
    force: Annotated[float, Quantity("N", "0 N", "1200 N")]
    name: Annotated[str, Field(min_length=1, max_length=60)] = Field(
        default_factory=lambda task: str(task["bite"]), json_schema_extra={"default_from": "the bite"}
    )
    activation: Activation | None = Field(
        default_factory=_usual_activation, json_schema_extra={"default_from": "the bite"}
    )
    left: Annotated[float, Field(ge=0, le=1)] | None = Field(
        default_factory=lambda task: cards()["scenario.left"] if task["bite"] in teeth.BOTH_SIDES else None,
        description="share of the cycles on the left, for a bite without a side",
        json_schema_extra={"default_from": "parameter scenario.left"},
    )
    cycles_per_day: Annotated[float, Field(ge=0, le=20000)] = from_card("scenario.cycles_per_day")
    load_ratio: Annotated[float, Field(ge=0, lt=1)] = from_card("scenario.load_ratio")
    hard_bite: HardBite | None = Field(default=None, description="left out: every bite has the same force")

    @model_validator(mode="after")
    def _sides(self) -> Task:
        both = self.bite in teeth.BOTH_SIDES
        if both and self.left is None:
            raise problem("a bite without a side needs the share of the cycles on the left, 0 to 1", "left")
        if not both and self.left is not None:
            words = ", ".join(teeth.BOTH_SIDES)
            raise problem(f"the bite {self.bite!r} has its side; remove this key, or write {words}", "left")
        if both and self.activation is not None:
            raise problem("muscles follow the side that chews; remove this key, or write two tasks", "activation")
        if not both and self.activation is None:
            raise problem("one pattern of muscles is needed; remove this key to take the usual one", "activation")
        if self.hard_bite is not None and self.hard_bite.force < self.force:
            raise problem(
                f"a hard bite of {self.hard_bite.force:g} N is weaker than the usual one of {self.force:g} N",
                "hard_bite",
                "force",
            )
        return self

    @property
    def parts(self) -> tuple[Task, ...]:
        """The task as tasks on one side each with one force: what the jaw does. Sides without cycles are left out."""
        sides = [(self.bite, self.name, 1.0)]
        if self.left is not None:
            split = (("left", self.left), ("right", 1.0 - self.left))
            sides = [(f"{side}-{self.bite}", f"{self.name}, {side}", share) for side, share in split if share > 0.0]
        found = []
        for bite, name, share in sides:
            activation = self.activation or teeth.usual_activation(bite)
            hard = 0.0 if self.hard_bite is None else self.hard_bite.probability
            forces = [(name, self.force, 1.0 - hard)]
            if self.hard_bite is not None:
                forces.append((f"{name}, hard bite", self.hard_bite.force, hard))
            found += [
                self.model_copy(
                    update={
                        "bite": bite,
                        "name": label,
                        "activation": activation,
                        "force": force,
                        "cycles_per_day": share * part * self.cycles_per_day,
                        "left": None,
                        "hard_bite": None,
                    }
                )
                for label, force, part in forces
                if part > 0.0
            ]
        return tuple(found)

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

    @property
    def chewing(self) -> tuple[Task, ...]:
        """All tasks with one side and one force each."""
        return tuple(part for task in self.tasks for part in task.parts)
