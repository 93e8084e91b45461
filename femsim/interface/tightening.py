"""Turn in unlocked screws: the state in which every head carries its preload and nothing else acts."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from femsim.interface.contact import ContactSolver
from femsim.interface.law import InterfaceState, PatchTissue

TIGHTENING_TOLERANCE = 1e-9
"""Residual over the preload: the state found is what every later day starts from."""


def tightened(solver: ContactSolver, state: InterfaceState, tissue: PatchTissue) -> InterfaceState:
    """Return ``state`` with the joints of unlocked screws tightened to their preload, without any load.

    While a screw is turned in, the force of its head is given; how far it went in then follows and is kept. From there
    on the force follows from positions, so it relaxes when the thread, the bone under the plate or the bulk softens.

    Parameters
    ----------
    solver : ContactSolver
        With joints.
    state, tissue
        Patches at insertion.
    """
    joints = solver.joints
    assert joints is not None
    turning = ContactSolver(
        solver.operator, solver.thread_shape, solver.law, solver.bite_stiffness, joints=joints.turned_in()
    )
    start = replace(state, joints=np.zeros((len(joints), 3)))
    free = np.zeros(solver.operator.g_loads.shape[1])
    found = turning.solve(start, tissue, free, tolerance=TIGHTENING_TOLERANCE)
    settled = solver.law.update(start, solver.coefficients(start, tissue), found.jumps)
    return replace(settled, joints=joints.tightened(solver.joint_values(found.q)))
