"""A reader's own law from a Python file, and the questions every law has to answer before a run relies on it."""

from __future__ import annotations

import hashlib
import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from femsim.errors import InputError
from femsim.tissue.constants import TissueConstants
from femsim.tissue.laws import MECHANISMS, Laws

Array = NDArray[np.float64]

CELL_METHODS = ("osteocytes", "matrix_quality", "survivors", "recovery")
MAY_BE_LOST = ("osteocytes", "survivors")
"""Cells may all die; without any vessel, oxygen or matrix the equations that follow have no solution."""
PROBED_DOSES = 33
PROBED_DAYS = (0.0, 1.0, 30.0, 365.0, 3650.0, 14600.0)
"""Days since radiotherapy on which a law is tried: the first to the last that a scenario can reach."""
HEALTHY_TOLERANCE = 1e-9
"""Rounding that a law may leave at zero dose, where every ratio is 1."""


def load_law(path: str | Path, name: str, mechanism: str) -> Any:
    """Return the law ``name`` of a Python file; a class is instantiated without arguments.

    Parameters
    ----------
    path : str or Path
        Python file. It is run: only name files that you trust.
    name : str
        Function, object or class in it that follows the protocol of the mechanism (:mod:`femsim.tissue.laws`).
    mechanism : str
        One of :data:`femsim.tissue.laws.MECHANISMS`.

    Raises
    ------
    InputError
        The file cannot be run, or holds no such law.
    """
    file = Path(path)
    own = f"femsim_own_law_{hashlib.sha256(str(file.resolve()).encode()).hexdigest()[:12]}"
    spec = importlib.util.spec_from_file_location(own, file) if file.suffix == ".py" and file.is_file() else None
    if spec is None or spec.loader is None:
        raise InputError(f"law of {mechanism}: {file.name!r} is no Python file; give the path of a .py file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[own] = module  # where data classes of the file look themselves up
    try:
        spec.loader.exec_module(module)
        law = getattr(module, name, None)
        law = law() if isinstance(law, type) else law
    except Exception as error:  # the file's own code fails in any way
        raise InputError(f"law of {mechanism}: {file.name!r} cannot be run ({_reason(error)}); correct it") from error
    missing = [method for method in CELL_METHODS if not callable(getattr(law, method, None))]
    if law is None:
        raise InputError(f"law of {mechanism}: {file.name!r} defines no {name!r}; name a function or class in it")
    if mechanism == "cells" and missing:
        raise InputError(
            f"law of cells: {name!r} lacks {', '.join(missing)}; subclass femsim.tissue.PublishedCells and replace "
            "what differs"
        )
    if mechanism != "cells" and not callable(law):
        raise InputError(f"law of {mechanism}: {name!r} cannot be called; write a function or a class with __call__")
    return law


def check_laws(laws: Laws, constants: TissueConstants, highest: float) -> None:
    """Try laws at doses from 0 to ``highest`` [Gy] and days up to forty years, alone and as arrays that broadcast.

    Raises
    ------
    InputError
        A law fails, gives other shapes than its arguments broadcast to, values that are not finite or not positive,
        or not healthy bone (1) at zero dose.
    """
    dose = np.linspace(0.0, max(highest, 1.0), PROBED_DOSES)
    days = np.array(PROBED_DAYS)[:, None]
    c, cells = constants, laws.cells
    for day in (days, *PROBED_DAYS):
        vessel = _answer("vessels", "V", laws.vessels, dose, day, c)
        osteocyte = _answer("cells", "osteocytes", cells.osteocytes, dose, day, c)
        _answer("cells", "matrix_quality", cells.matrix_quality, dose, day, c)
        _healthy("vessels", "V", vessel)
        _healthy("cells", "osteocytes", osteocyte)
        _healthy("cells", "matrix_quality", cells.matrix_quality(dose, day, c))
        _answer("oxygen", "p", laws.oxygen, vessel, osteocyte, c)
    _healthy("cells", "survivors", _answer("cells", "survivors", cells.survivors, dose, c))
    recovery = _call("cells", "recovery", cells.recovery, c)
    if not isinstance(recovery, int | float | np.floating) or not 0.0 <= recovery < np.inf:
        raise InputError(f"law of cells: recovery gives {recovery!r}; one number of 0 or more per day is needed")


def switched(mechanisms: tuple[str, ...], own: dict[str, tuple[Path, str]]) -> Laws:
    """Return the published laws with own ones in their place and some mechanisms switched off.

    Parameters
    ----------
    mechanisms : tuple of str
        Switched off.
    own : dict
        Mechanism to (Python file, name in it).
    """
    found = {name: load_law(path, law, name) for name, (path, law) in own.items() if name in MECHANISMS}
    return Laws(**found).without(*mechanisms)


def _call(mechanism: str, what: str, law: Callable[..., Any], *given: Any) -> Any:
    try:
        return law(*given)
    except Exception as error:  # a reader's code fails in any way
        raise InputError(f"law of {mechanism}: {what} fails ({_reason(error)}); correct the law") from error


def _answer(mechanism: str, what: str, law: Callable[..., Any], *given: Any) -> Array:
    wanted = np.broadcast_shapes(*(np.shape(one) for one in given[:-1]))
    found = np.asarray(_call(mechanism, what, law, *given))
    if found.shape != wanted or found.dtype.kind not in "fiu":
        raise InputError(
            f"law of {mechanism}: {what} has shape {found.shape} for arguments that broadcast to {wanted}; compute "
            "with NumPy on whole arrays"
        )
    lost = found.min() <= 0.0 and what not in MAY_BE_LOST
    if lost or not np.all(np.isfinite(found)) or found.min() < 0.0:
        least = "0 or more" if what in MAY_BE_LOST else "more than 0"
        raise InputError(
            f"law of {mechanism}: {what} reaches {float(np.min(found)):g}; finite values of {least} are needed at "
            "every dose and day"
        )
    return np.asarray(found, dtype=float)


def _healthy(mechanism: str, what: str, found: Array) -> None:
    worst = float(np.max(np.abs(found[..., 0] - 1.0)))
    if worst > HEALTHY_TOLERANCE:
        raise InputError(
            f"law of {mechanism}: {what} is off by {worst:.3g} at zero dose; bone without radiotherapy has 1"
        )


def _reason(error: Exception) -> str:
    return f"{type(error).__name__}: {next(iter(str(error).splitlines()), '')}".rstrip(": ")
