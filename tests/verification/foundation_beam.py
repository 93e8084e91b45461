"""A screw pressed sideways at the bone's surface, meshed and as a beam on an elastic foundation."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import scipy.sparse as sp
from interface_mesh import SCREW, screw_geometry, screw_in_block

from femsim.fem.assembly import assemble_stiffness, upper_pattern
from femsim.fem.spaces import Space
from femsim.interface import (
    ContactSolver,
    InterfaceState,
    LawConstants,
    PatchTissue,
    ScrewBoneLaw,
    build_patches,
    condense,
    jump_operator,
    reference_stiffness,
)
from femsim.parameters import load_parameters

YOUNG, POISSON = 105000.0, 0.34
LENGTH, SIDES = 16.0, 16


def foundation_modulus(young):
    """Force per length and deflection [MPa] behind the design table's 9.0 / 16.7 / 51 um: 0.66 of bone's modulus."""
    return 0.66 * young


def euler_on_foundation(modulus, rigidity, force):
    """Deflection at the loaded end of a long beam, 2 P lambda / k."""
    return 2 * force * (modulus / (4 * rigidity)) ** 0.25 / modulus


def timoshenko_on_foundation(modulus, rigidity, shear_rigidity, force):
    """End deflection with shear flexibility: the end-loaded semi-infinite beam EI w'''' - (k EI / S) w'' + k w = 0."""
    ratio = modulus / shear_rigidity
    roots = np.roots([rigidity, 0, -rigidity * ratio, 0, modulus])
    a, b = roots[roots.real < 0]
    # psi' = w'' - (k / S) w; free moment psi' = 0 and end force S (w' - psi) = force at x = 0 (pointing inwards).
    turn = [(root**2 - ratio) / root for root in (a, b)]
    system = np.array([[root**2 - ratio for root in (a, b)], [root - t for root, t in zip((a, b), turn, strict=True)]])
    return float(np.linalg.solve(system, [0.0, -force / shear_rigidity]).sum().real)


def pressed_screw(young, force=100.0):
    """Deflection [mm] of a meshed screw of core 2.0 mm under ``force`` [N] at the surface, and Timoshenko's."""
    modulus = foundation_modulus(young)
    # A polygon as stiff in bending as the circle of radius 1.
    radius = (np.pi / 4 / (SIDES / 8 * np.sin(2 * np.pi / SIDES) * (2 + np.cos(2 * np.pi / SIDES)) / 3)) ** 0.25
    mesh = screw_in_block(sides=SIDES, layers=16, length=LENGTH, above=0.25, radii=(0.5 * radius, radius, 2.0))
    screw_only = mesh.region == SCREW
    space = Space(mesh.points, mesh.tets)
    law, patches = pressing_law(modulus, mesh)
    bulk = assemble_stiffness(space, upper_pattern(space), np.where(screw_only, YOUNG, 1e9), POISSON)
    bone = np.unique(space.cells[~screw_only])
    held = np.zeros(space.n_dof)
    held[(3 * bone[:, None] + np.arange(3)).ravel()] = 1e8
    loads = np.zeros((space.n_dof, 1))
    face = np.flatnonzero(np.abs(space.nodes[:, 2]) < 1e-9)
    face = np.setdiff1d(face, bone)
    loads[3 * face, 0] = 1.0 / len(face)
    tissue = PatchTissue.healthy(len(patches), law.constants)
    condensed = condense(
        sp.csr_matrix(bulk + sp.diags(held)),
        jump_operator(space, mesh, patches),
        patches,
        loads,
        ("sideways",),
        k_ref=reference_stiffness(patches, tissue, law),
    )
    solver = ContactSolver(condensed.operator, patches.thread_shape, law, 1.0)
    load = np.array([force])
    found = solver.solve(InterfaceState.insertion(len(patches), law.constants), tissue, load)
    field = condensed.displacement(found.q, found.forces, load)
    shear = 6 * (1 + POISSON) / (7 + 6 * POISSON) * YOUNG / (2 * (1 + POISSON)) * np.pi
    expected = timoshenko_on_foundation(modulus, YOUNG * np.pi / 4, shear, force)
    return float(condensed.F[:, 0] @ field), expected


def pressing_law(modulus, mesh):
    """Law with bearing only, as stiff as ``modulus`` per length: the pressed half carries the sum of A k cos^2."""
    constants = LawConstants.from_parameters(load_parameters())
    patches = build_patches(mesh, [screw_geometry(above=0.25)], constants, ring_length=0.5)
    sideways = patches.directions[:, 0, 0]
    carried = (patches.area * sideways**2 * (sideways > 0)).sum() / LENGTH
    constants = replace(
        constants,
        bearing_stiffness=modulus / carried,
        shear_ratio=1e-4,
        bond_stiffness=1e-3,
        bond_strength=1e6,
        friction=1e6,
    )
    return ScrewBoneLaw(constants), patches
