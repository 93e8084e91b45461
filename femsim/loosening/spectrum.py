"""What the jaw does each day: chewing tasks and the healing spectrum that scales their bite forces."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from femsim.errors import InputError

DAYS_PER_WEEK = 7.0


@dataclass(frozen=True)
class Task:
    """One way of chewing.

    Attributes
    ----------
    name : str
        Shown in tables and causes.
    activation : ndarray (n_loads,)
        Factor of every unit load of the operator at peak, before scaling to the bite force.
    bite : int or None
        Index of the bite support that is switched on; None for a specimen loaded directly.
    bite_force : float or None
        Peak bite reaction in N at healing factor 1; None takes ``activation`` as forces in N.
    cycles_per_day : float
        Chewing cycles a day; fractions are allowed (0.1 is one hard bite in ten days).
    load_ratio : float
        Valley load over peak load R, 0 <= R < 1.

    Raises
    ------
    InputError
        A value is out of its range.
    """

    name: str
    activation: np.ndarray
    bite: int | None
    bite_force: float | None
    cycles_per_day: float
    load_ratio: float = 0.1

    def __post_init__(self) -> None:
        activation = np.asarray(self.activation, dtype=float)
        object.__setattr__(self, "activation", activation)
        where = f"task {self.name!r}"
        if activation.ndim != 1 or not np.all(np.isfinite(activation)):
            raise InputError(
                f"{where}: the activation must be one finite factor per load, got shape {activation.shape}"
            )
        if not (np.isfinite(self.cycles_per_day) and self.cycles_per_day >= 0.0):
            raise InputError(f"{where}: cycles_per_day is {self.cycles_per_day}, it must be 0 or more")
        if not 0.0 <= self.load_ratio < 1.0:
            raise InputError(f"{where}: load_ratio is {self.load_ratio}, it must be at least 0 and below 1")
        if self.bite_force is not None and not (np.isfinite(self.bite_force) and self.bite_force >= 0.0):
            raise InputError(f"{where}: bite_force is {self.bite_force} N, it must be 0 or more")
        if self.bite_force is not None and self.bite is None:
            raise InputError(
                f"{where}: a bite force of {self.bite_force} N needs a bite point; give one or drop the force"
            )


@dataclass(frozen=True)
class HealingSpectrum:
    """Bite-force factor against weeks since surgery: straight lines between the points, constant outside them.

    Attributes
    ----------
    weeks : ndarray (k,)
        Increasing, 0 or more.
    factors : ndarray (k,)
        Fraction of the full bite force, 0 or more.

    Examples
    --------
    >>> spectrum = HealingSpectrum.from_table([[0, 0.2], [6, 0.4], [12, 0.7], [26, 1.0]])
    >>> round(spectrum.factor(21.0), 3)
    0.3
    """

    weeks: np.ndarray
    factors: np.ndarray

    def __post_init__(self) -> None:
        weeks = np.atleast_1d(np.asarray(self.weeks, dtype=float))
        factors = np.atleast_1d(np.asarray(self.factors, dtype=float))
        if weeks.size == 0 or weeks.shape != factors.shape or weeks.ndim != 1:
            raise InputError(
                "healing spectrum: give at least one [week, factor] pair, for example [[0, 0.2], [26, 1.0]]"
            )
        if not np.all(np.isfinite(weeks)) or weeks[0] < 0.0 or np.any(np.diff(weeks) <= 0.0):
            raise InputError(f"healing spectrum: the weeks {weeks.tolist()} must be 0 or more and increase")
        if not np.all(np.isfinite(factors)) or np.any(factors < 0.0):
            raise InputError(f"healing spectrum: the factors {factors.tolist()} must be 0 or more")
        object.__setattr__(self, "weeks", weeks)
        object.__setattr__(self, "factors", factors)

    @classmethod
    def from_table(cls, table: Sequence[Sequence[float]]) -> HealingSpectrum:
        """Build from ``[[week, factor], ...]``."""
        pairs = [tuple(row) for row in table]
        if any(len(pair) != 2 for pair in pairs):
            raise InputError(f"healing spectrum: every entry must be [week, factor], got {table!r}")
        return cls(np.array([pair[0] for pair in pairs]), np.array([pair[1] for pair in pairs]))

    @classmethod
    def constant(cls, factor: float = 1.0) -> HealingSpectrum:
        """The same factor at all times."""
        return cls(np.zeros(1), np.full(1, float(factor)))

    def factor(self, day: float) -> float:
        """Factor on a day since surgery."""
        return float(np.interp(day, self.weeks * DAYS_PER_WEEK, self.factors))

    @property
    def kinks(self) -> np.ndarray:
        """Days at which the slope changes; an integrator must not step across them."""
        return self.weeks * DAYS_PER_WEEK


def checked_tasks(tasks: Sequence[Task], n_loads: int | None = None, n_bites: int | None = None) -> tuple[Task, ...]:
    """Return the tasks as a tuple after checking them against each other and against the operator.

    Raises
    ------
    InputError
        No task, a name used twice, wrong number of activations or a bite index out of range.
    """
    if not tasks:
        raise InputError("loading: no task is given; give at least one")
    names = [task.name for task in tasks]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise InputError(f"loading: the task name {twice[0]!r} is used twice; give every task its own name")
    for task in tasks:
        if n_loads is not None and task.activation.size != n_loads:
            raise InputError(f"task {task.name!r}: {task.activation.size} activations for {n_loads} loads")
        if n_bites is not None and task.bite is not None and not 0 <= task.bite < n_bites:
            raise InputError(f"task {task.name!r}: bite point {task.bite} does not exist, there are {n_bites}")
    return tuple(tasks)
