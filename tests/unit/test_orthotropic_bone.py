"""Orthotropic cortex from the scenario to the balances of a solved state."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from fem_models import box
from pipeline_models import bench_values, mesh_of

from femsim.errors import InputError
from femsim.fem.cortex import material_axes
from femsim.fem.materials import Elasticity, OrthotropicElasticity
from femsim.fem.model import StaticModel, build_model
from femsim.fem.spaces import Space
from femsim.fem.stress import strain
from femsim.interface.balance import balance_checks
from femsim.loosening.chewing import Chewer
from femsim.parameters import load_parameters
from femsim.pipeline import Hooks
from femsim.pipeline.construct import construct, loosening_case
from femsim.pipeline.exact import exact_solver
from femsim.pipeline.setting import Setting, prepare
from femsim.scenario import scenario_from_mapping


def bench_setting(**more: Any) -> Setting:
    return prepare(scenario_from_mapping({**bench_values(dose=60.0), **more}, "bench.yaml"), Hooks())


def bench_model(orthotropic: OrthotropicElasticity | None) -> StaticModel:
    setting = bench_setting()
    elasticity = replace(Elasticity.from_parameters(load_parameters()), orthotropic=orthotropic)
    return build_model(setting.operation, mesh_of(), elasticity, setting.tissue.ratios)


def test_isotropic_constants_in_the_orthotropic_model_change_nothing() -> None:
    """With equal constants the orthotropic model of an irradiated bench block has the isotropic stiffness to 1e-12."""
    plain = bench_model(None)
    e = Elasticity.from_parameters(load_parameters())
    shear = e.cortical_young / (2 * (1 + e.cortical_poisson))
    same = OrthotropicElasticity((e.cortical_young,) * 3, (shear,) * 3, (e.cortical_poisson,) * 3)
    turned = bench_model(same)
    assert turned.anisotropy is not None
    some = plain.cortical.any(axis=1)
    np.testing.assert_array_equal(turned.anisotropy.cells, plain.bone_cells[some])
    # Cells with both classes keep one Poisson ratio; here both classes share it.
    assert e.cortical_poisson == e.cancellous_poisson
    assert abs(turned.stiffness - plain.stiffness).max() < 1e-12 * abs(plain.stiffness).max()
    u = np.random.default_rng(0).standard_normal(plain.space.n_dof)
    strains = strain(plain.space, u)
    np.testing.assert_allclose(turned.stresses(strains), plain.stresses(strains), rtol=1e-9, atol=1e-6)


def test_scenario_option_reaches_a_solved_state() -> None:
    """``bone: {cortical: orthotropic}`` is solved on the day of surgery, and the field balances forces and energy."""
    setting = bench_setting(bone={"cortical": "orthotropic"})
    built = construct(setting, mesh_of(), Hooks())
    assert built.model.anisotropy is not None
    assert "materials.cortical_orthotropic_E" in {entry.name for entry in setting.parameters.read}
    case, _ = loosening_case(setting, built)
    exact = Chewer(exact_solver(setting, built), case.tasks, case.constants, case.initial_bond)
    full = exact.chew(case.insertion(), case.tissue_at(0.0), 1.0, exact.cold())
    checks, _, _ = balance_checks(built.model, built.condensation, full.solved[0][0], full.loads[0])
    assert [check.name for check in checks if not check.passed] == []


def test_unknown_elastic_law_is_refused() -> None:
    """Another word than isotropic or orthotropic is refused with the words that are allowed."""
    with pytest.raises(InputError, match="orthotropic"):
        bench_setting(bone={"cortical": "orthotrop"})


def test_unstable_constants_of_a_user_are_refused() -> None:
    """Constants that are not positive definite stop the assembly with a sentence, not with a broken factorisation."""
    bad = OrthotropicElasticity((10800.0, 13300.0, 19400.0), (3810.0, 4120.0, 4630.0), (0.9, 0.9, 0.9))
    with pytest.raises(InputError, match="not positive definite"):
        bench_model(bad)


def test_axes_follow_the_arch_and_the_surface() -> None:
    """Axis 3 is the arch's tangent at every quadrature point, axis 1 points out of the bone across it."""
    points, tets = box(3, lengths=(1.0, 1.0, 1.0))
    space = Space(points + np.array([5.0, 0.0, 0.0]), tets)

    def tangent(angle: np.ndarray) -> np.ndarray:
        return np.stack([-np.sin(angle), np.cos(angle), 0 * angle], axis=-1)

    def normal(angle: np.ndarray) -> np.ndarray:
        return np.stack([np.cos(angle), np.sin(angle), 0 * angle], axis=-1)

    arch = SimpleNamespace(locate=lambda x: (np.arctan2(x[:, 1], x[:, 0]),), tangent=tangent, normal=normal)
    operation: Any = SimpleNamespace(arch=arch)
    cells = np.arange(space.n_cells)
    depth = 1.0 - space.nodes[space.tets][..., 2]  # the surface is the top
    axes = material_axes(operation, space, cells, depth)
    x = space.quadrature_points()
    np.testing.assert_allclose(axes[..., 2, :], tangent(np.arctan2(x[..., 1], x[..., 0])), atol=1e-13)
    np.testing.assert_allclose(axes @ np.swapaxes(axes, -1, -2), np.broadcast_to(np.eye(3), axes.shape), atol=1e-13)
    np.testing.assert_allclose(np.linalg.det(axes), 1.0, rtol=1e-13)
    assert axes[..., 0, 2].min() > 0.99
    flat = material_axes(operation, space, cells, np.zeros_like(depth))  # no direction of depth: the arch decides
    np.testing.assert_allclose(flat[..., 0, :], normal(np.arctan2(x[..., 1], x[..., 0])), atol=1e-13)
    straight: Any = SimpleNamespace(arch=None)
    along = material_axes(straight, space, cells, depth)[..., 2, :]
    np.testing.assert_allclose(along, np.broadcast_to([1.0, 0.0, 0.0], along.shape))
