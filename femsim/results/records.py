"""What a run writes about its inputs and its model: opening record, operation, mesh, surfaces and fields."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np

from femsim.fem.model import StaticModel
from femsim.fem.stress import cell_average, principal, strain, von_mises
from femsim.geometry.operation import Operation
from femsim.geometry.surface import Surface, merge_surfaces
from femsim.mesh.tetmesh import BONE, Mesh
from femsim.results.fields import write_fields, write_surface
from femsim.results.folder import RunFolder
from femsim.results.provenance import machine, package_versions
from femsim.results.rows import along_jaw
from femsim.scenario import Scenario, resolve
from femsim.tissue import TissueState

LIMITS = (
    "Research software: mechanisms and trends with ranges, not the risk of a patient; not a medical device.",
    "The tissue model is calibrated on rats, rabbits and dogs with few animals; the human recovery rate and late bone "
    "fatigue are assumed.",
    "Infection, mucosal breakdown, smoking, chemotherapy, diabetes, dentition and surgery itself are left out.",
    "Constants of clearance, resorption and damage marked 'assumed' set the clock: compare designs, not dates.",
)

HARDWARE_NOTE = (
    "Stresses at the full bite force, averaged over 1 mm³, in screws referred to the thread core. Basquin's law with "
    "Goodman's mean-stress correction and Miner's sum; plates with the knock-down of their "
    "finish: bent by hand, or as printed; none when milled. A printed plate is taken as the alloy."
)


BULK_LIMITS = {
    True: "Moduli of the whole jaw are renewed when one of them has changed by the share in 'refresh_moduli'; bone "
    "next to the screws ages every day.",
    False: "Moduli of the whole jaw are those of the day of surgery; bone next to the screws ages every day.",
}
"""By whether the bulk ages."""

SCREW_LIMITS = {
    True: "Screws are cylinders of the outer thread with the bending stiffness of the core, locked rigidly to the "
    "plate.",
    False: "Screws are cylinders of the outer thread with the bending stiffness of the core; where they are not "
    "locked, their heads turn in the plate, which friction holds on the bone.",
}
"""By whether all screws are locked."""


def limits_of(scenario: Scenario) -> list[str]:
    """What a reader must know about the model of one scenario."""
    second = scenario.second_plate
    locked = scenario.screws.locking and (second is None or second.screws.locking)
    ages = scenario.irradiation is not None and scenario.simulate.refresh_moduli != "never"
    return [*LIMITS[:-1], BULK_LIMITS[ages], SCREW_LIMITS[locked], LIMITS[-1]]


def opening_record(scenario: Scenario, hash8: str) -> dict[str, Any]:
    """What is known before anything is computed."""
    criteria = scenario.simulate.criteria
    return {
        "hash": hash8,
        "title": scenario.title,
        "question": scenario.question or "",
        "expect": scenario.expect or "",
        "scenario_file": scenario.source.name,
        "command": f"femsim run {scenario.source.name}",
        "horizon_days": scenario.simulate.years * 365.25,
        "surgery_after_days": None if scenario.irradiation is None else scenario.irradiation.surgery_after,
        "criteria": {
            "motion_um": 1000 * criteria.motion,
            "holding_ratio": criteria.holding,
            "lateral_ratio": criteria.lateral_stiffness,
            "duration_days": criteria.duration,
        },
        "limits": limits_of(scenario),
        "hardware_note": HARDWARE_NOTE,
        "versions": package_versions(),
        "python": sys.version.split()[0],
        "machine": machine(),
        "inputs": [
            {"key": value.key, "value": str(value.value), "origin": value.origin} for value in resolve(scenario)
        ],
        "screws": [],
        "events": [],
        "checks": [],
        "mesh": None,
        "evolution": None,
        "warnings": [],
        "mechanisms": [],
        "bulk": None,
        "dose_volume": [],
        "bone_from_ct": None,
    }


def operation_record(operation: Operation) -> dict[str, Any]:
    """Place of plate, screws and defect."""
    heads = np.array([screw.head for screw in operation.screws])
    spans = [] if operation.resection is None else [list(segment.span) for segment in operation.resection.segments]
    return {
        "defects_s_mm": spans,
        "screw_s_mm": [float(s) for s in along_jaw(operation, heads)],
        "plates": [
            {
                "name": plate.name,
                "width_mm": plate.width,
                "thickness_mm": plate.thickness,
                "clearance_mm": plate.clearance,
                "empty_holes": [
                    {"centre": hole.centre, "axis": hole.axis, "diameter_mm": hole.diameter}
                    for hole in plate.empty_holes
                ],
            }
            for plate in operation.plates
        ],
        "screws": [
            {
                "name": screw.name,
                "stump": screw.stump,
                "head": screw.head,
                "axis": screw.axis,
                "length_mm": screw.length,
                "diameter_mm": screw.diameter,
            }
            for screw in operation.screws
        ],
    }


def mesh_record(mesh: Mesh, key: str) -> dict[str, Any]:
    """Size and quality of the mesh."""
    return {"key": key, **mesh.quality}


def write_plan_surfaces(folder: RunFolder, operation: Operation) -> None:
    """Surfaces of a planned operation."""
    stays, removed = _split_bone(operation)
    kept = [stays]
    if operation.graft is not None:
        kept += [strut.surface for strut in operation.graft.struts]
    bone = merge_surfaces(kept)
    _write_surfaces(folder, operation, bone, removed)


def write_run_surfaces(folder: RunFolder, operation: Operation, mesh: Mesh) -> None:
    """Surfaces as meshed: cut faces included."""
    used, compact = np.unique(mesh.free_triangles(BONE), return_inverse=True)
    bone = Surface(mesh.points[used], compact.reshape(-1, 3))
    _write_surfaces(folder, operation, bone, _split_bone(operation)[1])


def _split_bone(operation: Operation) -> tuple[Surface, Surface | None]:
    """Surface of the bone that stays, and of what is removed."""
    return (operation.bone, None) if operation.resection is None else operation.resection.split(operation.bone)


def _write_surfaces(folder: RunFolder, operation: Operation, bone: Surface, removed: Surface | None) -> None:
    target = folder / "surfaces"
    target.mkdir(exist_ok=True)
    write_surface(target / "bone.vtp", bone.points, bone.triangles)
    if removed is not None:
        write_surface(target / "removed.vtp", removed.points, removed.triangles)
    plates = merge_surfaces([plate.surface for plate in operation.plates])
    write_surface(target / "plate.vtp", plates.points, plates.triangles)
    cylinders: list[Surface] = [screw.cylinder() for screw in operation.screws]
    screws = merge_surfaces(cylinders)
    number = np.repeat(np.arange(len(cylinders)), [len(one.triangles) for one in cylinders])
    write_surface(target / "screws.vtp", screws.points, screws.triangles, screw=number)


def write_model_fields(
    folder: RunFolder,
    name: str,
    model: StaticModel,
    displacement: np.ndarray,
    eqd2: np.ndarray | None = None,
    tissue: TissueState | None = None,
) -> None:
    """Write ``fields/<name>.vtu``: displacement, stress, strain, and the tissue when given.

    Parameters
    ----------
    displacement : ndarray, shape (n_dof,)
        [mm]
    eqd2 : ndarray, shape (b * q,), optional
        Dose at the quadrature points of the bone cells [Gy].
    tissue : TissueState, optional
        At the same points.
    """
    (folder / "fields").mkdir(exist_ok=True)
    space = model.space
    strains = strain(space, displacement)
    stresses = model.stresses(strains)
    mean_strain = principal(cell_average(space, strains))
    cells = {
        "region": model.mesh.region,
        "young": cell_average(space, model.young),
        "von_mises": cell_average(space, von_mises(stresses)),
        "strain_tension": mean_strain[:, 2],
        "strain_compression": mean_strain[:, 0],
    }
    if eqd2 is not None and tissue is not None:
        shape = model.cortical.shape
        ratio = np.where(model.cortical.ravel(), tissue.E_cortical, tissue.E_trabecular)
        quantities = {"eqd2": eqd2, "vessels": tissue.V, "oxygen": tissue.p, "cells": tissue.C, "young_ratio": ratio}
        for key, values in quantities.items():
            whole = np.full(len(space.cells), np.nan)
            whole[model.bone_cells] = values.reshape(shape).mean(axis=1)
            cells[key] = whole
    write_fields(
        folder / "fields" / f"{name}.vtu",
        space.nodes,
        space.cells,
        point_data={"displacement": displacement.reshape(-1, 3)},
        cell_data=cells,
    )
