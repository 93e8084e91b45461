"""Bone of the whole jaw ages: when its condensed operator is renewed, and the construct of today."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from femsim.fem.solvers import ReusedFactor, make_solver
from femsim.interface.condensation import Operator, with_springs
from femsim.interface.contact import ContactSolver, Equilibrium
from femsim.pipeline.construct import Construct, aged, model_on
from femsim.pipeline.hooks import Hooks
from femsim.pipeline.setting import Setting
from femsim.results import RunFolder

CHECK_STEP = 10.0
"""Days between two looks at the moduli: they change over months."""

DOSES = 81
"""Doses at which moduli are looked at, from none to the highest in bone: fractions of a gray, where curves bend over
ten."""

MOST_APPLICATIONS = 60.0
"""Iterations of the check at a run's end after which it makes a factor of its own; a drift of a fifth takes few."""

SMALLEST_JUMP = 1e-12
"""mm; keeps a run without any load finite."""


def operator_file(folder: RunFolder, day: float) -> Path:
    """File of the operator with the moduli of a day; that of surgery is ``operator.npz``."""
    return folder / ("operator.npz" if day == 0.0 else f"operator-day-{day:06.1f}.npz")


class AgeingBulk:
    """The construct with the moduli of its latest refresh.

    Between two refreshes the moduli of the whole jaw stay as they were; the bone next to the screws ages every day in
    the law of the interface. Days of refresh follow from dose and time alone, so a resumed run has the same.

    Parameters
    ----------
    setting : Setting
    built : Construct
        Of the day of surgery.
    hooks : Hooks
    folder : RunFolder, optional
        Where operators are kept, so that resuming does not depend on how a solver rounds.

    Attributes
    ----------
    current : Construct
    days : tuple of float
    """

    def __init__(self, setting: Setting, built: Construct, hooks: Hooks, folder: RunFolder | None = None) -> None:
        self.setting, self.hooks, self.folder = setting, hooks, folder
        self.current = built
        points = built.model.space.quadrature_points()[built.model.bone_cells].reshape(-1, 3)
        self.highest = float(setting.tissue.eqd2(points).max(initial=0.0))
        self.days = refresh_days(setting, self.highest)

    def refreshed(self, day: float) -> ContactSolver:
        """Solver with the moduli of ``day``."""
        if self.current.day != day:
            self.hooks.note(f"day {day:.0f}: bone has aged, the whole jaw is condensed anew")
            path = None if self.folder is None else operator_file(self.folder, day)
            known = path is not None and path.is_file()
            with self.hooks.timed("condensing aged bone", stoppable=False):
                stored = Operator.load(path) if path is not None and known else None
                self.current = aged(self.setting, self.current, day, self.hooks, stored)
            if path is not None and not known:
                self.current.condensation.operator.save(path)
        return self.current.solver

    def left_out(self, day: float, peak: Equilibrium, load: np.ndarray) -> float:
        """Change of the largest jump, over the largest, by the moduli of ``day`` instead of those in use.

        One solve with the stiffness of that day, by conjugate gradients with the factor in use, under the load and the
        interface forces of an equilibrium: what the interface would feel before it answers.
        """
        built, setting = self.current, self.setting
        condensation, operator = built.condensation, built.condensation.operator
        model = model_on(setting, built.model.mesh, day, built.model.space.degree)
        upper = with_springs(model.stiffness, condensation.C, operator.k_ref)
        reused = ReusedFactor(
            make_solver(setting.scenario.solver), upper, break_even=MOST_APPLICATIONS, factor=condensation.factor
        )
        right = condensation.F @ load - condensation.C @ (peak.forces - operator.k_ref * peak.q)
        count = 3 * operator.n_patches
        change = (condensation.C.T @ reused.solve(right) - peak.q)[:count]
        return float(np.abs(change).max() / max(np.abs(peak.q[:count]).max(), SMALLEST_JUMP))

    def record(self, refreshes: np.ndarray, end: float, peak: Equilibrium, load: np.ndarray) -> dict[str, Any]:
        """What is told about ageing: drift of moduli at every refresh, what it moved, and what is left out at the end.

        Parameters
        ----------
        refreshes : ndarray, shape (k, 3)
            Day, change of the largest jump and of the largest stress, from the history of the run.
        end : float
            Last day.
        peak, load
            Of the first task on the last day.
        """
        rows, before = [], 0.0
        for day, jump, stress in refreshes:
            drift = modulus_drift(self.setting, self.highest, before, float(day))
            rows.append({"day": day, "modulus_change": drift, "jump_change": jump, "stress_change": stress})
            before = float(day)
        share = self.setting.scenario.simulate.refresh_moduli
        drift = modulus_drift(self.setting, self.highest, before, end)
        moved = self.left_out(end, peak, load) if drift > 0.0 else 0.0
        return {"share": share, "refreshes": rows, "modulus_drift_at_end": drift, "jump_change_at_end": moved}


def refresh_days(setting: Setting, highest: float) -> tuple[float, ...]:
    """Days on which a modulus has drifted by the share of the scenario since the last of these days.

    Parameters
    ----------
    highest : float
        Highest dose in bone, EQD2 [Gy].
    """
    share = setting.scenario.simulate.refresh_moduli
    if share == "never" or highest == 0.0:
        return ()
    days, before = [], 0.0
    for day in np.arange(CHECK_STEP, setting.horizon, CHECK_STEP):
        if modulus_drift(setting, highest, before, float(day)) >= share:
            before = float(day)
            days.append(before)
    return tuple(days)


def modulus_drift(setting: Setting, highest: float, before: float, now: float) -> float:
    """Largest relative change of a bone modulus between two days, over all doses up to the highest."""
    doses = np.linspace(0.0, highest, DOSES)
    first, second = (setting.tissue.table.at(doses, day) for day in (before, now))
    pairs = ((first.E_cortical, second.E_cortical), (first.E_trabecular, second.E_trabecular))
    return float(max(np.abs(late / early - 1.0).max() for early, late in pairs))
