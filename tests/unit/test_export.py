"""Exported files: complete, consistent, read back to the model they were written from."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
import pytest
import scipy.sparse as sp
from fem_models import boundary_faces, box, faces_where
from pipeline_models import finished_run
from typer.testing import CliRunner

from femsim.cli import app
from femsim.errors import InputError
from femsim.export.calculix import write_calculix
from femsim.export.febio import write_febio
from femsim.export.linear import OPPOSITE_TO_FACE, LinearModel, Springs, set_name
from femsim.export.materials import with_few_materials
from femsim.export.static import secant_stiffness
from femsim.fem.boundary import average_displacement, surface_force
from femsim.fem.spaces import Space


def small_model() -> LinearModel:
    """A little box with three moduli, two springs on averages, held and loaded nodes, sets and a surface."""
    points, tets = box(1, lengths=(2.0, 1.0, 1.0))
    space = Space(points, tets)
    faces = boundary_faces(tets)
    root, tip = (faces_where(points, faces, np.abs(points[:, 0] - x) < 1e-9) for x in (0.0, 2.0))
    columns = [average_displacement(space, root, direction) for direction in ([1.0, 0.0, 0.0], [0.0, 1.0, 1.0])]
    fixed = np.zeros(space.n_dof, dtype=bool)
    fixed[[0, 1, 2, 5]] = True
    cells = np.arange(space.n_cells)
    return LinearModel(
        nodes=space.nodes,
        cells=space.cells,
        young=1000.0 + 500.0 * (cells % 3),
        poisson=np.where(cells < 3, 0.3, 0.34),
        forces=surface_force(space, tip, np.array([0.0, -3.0, 1.0])),
        springs=Springs(sp.csc_matrix(np.column_stack(columns)), np.array([70.0, 9.0]), np.eye(3)[:2]),
        fixed=fixed,
        cell_sets={"bone": cells[:4], "screw mesial-1": cells[4:]},
        node_sets={"load SM_left": np.array([1, 3])},
        surfaces={"bone at mesial-1": (cells[:1], OPPOSITE_TO_FACE[[2]])},
        title="a -- small <model>",
    )


def blocks_of(path: Path) -> dict[str, list[list[list[str]]]]:
    """Data lines of a CalculiX file by keyword; commas split."""
    found: dict[str, list[list[list[str]]]] = {}
    for line in path.read_text().splitlines():
        if line.startswith("**"):
            continue
        if line.startswith("*"):
            found.setdefault(line[1:].split(",")[0].strip(), []).append([])
            rows = found[line[1:].split(",")[0].strip()][-1]
        else:
            rows.append(line.split(","))
    return found


@pytest.mark.parametrize("program", ["calculix", "abaqus"])
def test_calculix_file_holds_the_model(tmp_path: Path, program: str) -> None:
    """Nodes, cells, equations, springs and loads stand in the file with twelve digits, within the limits of a line."""
    model = small_model()
    assert model.springs is not None
    write_calculix(model, tmp_path / "m.inp", program=program)  # type: ignore[arg-type]
    text, blocks = (tmp_path / "m.inp").read_text(), blocks_of(tmp_path / "m.inp")
    assert max(map(len, text.splitlines())) <= 132
    assert all(len(number) <= 20 for line in text.splitlines() if line[:1] != "*" for number in line.split(","))
    nodes = np.array(blocks["NODE"][0], dtype=float)
    assert np.allclose(nodes[:, 1:], model.nodes, rtol=1e-12, atol=0)
    assert (np.array(blocks["ELEMENT"][0], dtype=int)[:, 1:] == model.cells + 1).all()
    assert len(blocks["MATERIAL"]) == len(np.unique(np.column_stack([model.young, model.poisson]), axis=0))
    equations = [word for row in blocks["EQUATION"][0] for word in row]
    for spring in range(2):
        terms, equations = int(equations[0]), equations[1:]
        triples = np.array(equations[: 3 * terms], dtype=float).reshape(-1, 3)
        equations = equations[3 * terms :]
        assert triples[0].tolist() == [len(model.nodes) + 1 + spring, 1, -1]
        rows = (3 * (triples[1:, 0] - 1) + triples[1:, 1] - 1).astype(int)
        column = model.springs.columns[:, [spring]].toarray().ravel()
        assert np.allclose(triples[1:, 2], column[rows], rtol=1e-12)
        assert np.count_nonzero(column) == terms - 1
    assert not equations
    assert [float(block[1][0]) for block in blocks["SPRING"]] == [70.0, 9.0]
    loads = np.zeros(len(model.forces))
    for node, direction, value in blocks["CLOAD"][0]:
        loads[3 * (int(node) - 1) + int(direction) - 1] = float(value)
    assert np.allclose(loads, model.forces, rtol=1e-12, atol=0)
    assert "*SURFACE, NAME=BONE_AT_MESIAL_1, TYPE=ELEMENT\n1,S2\n" in text
    members = ",".join(str(cell) for cell in range(5, len(model.cells) + 1))
    assert f"*ELSET, ELSET=SCREW_MESIAL_1\n{members}\n" in text


def test_febio_file_reads_back_to_the_model(tmp_path: Path) -> None:
    """Every name that a FEBio file refers to exists; nodes, cells, moduli, springs, loads are those of the model.

    FEBio itself is not run: this is a check of structure.
    """
    model = small_model()
    assert model.springs is not None
    assert model.fixed is not None
    write_febio(model, tmp_path / "m.feb")
    root = ET.parse(tmp_path / "m.feb").getroot()
    assert root.attrib == {"version": "4.0"}
    order = "Module Control Material Mesh MeshDomains MeshData Boundary Loads Discrete Output"
    assert [child.tag for child in root] == order.split()
    kinds = ("Elements", "NodeSet", "DiscreteSet")
    mesh = {kind: {one.get("name"): one for one in root.iter(kind)} for kind in kinds}
    places = root.findall("Mesh/Nodes/node")
    nodes = {int(n.get("id", "")): [float(x) for x in (n.text or "").split(",")] for n in places}
    assert np.allclose([nodes[k + 1] for k in range(len(model.nodes))], model.nodes, rtol=1e-14, atol=0)
    assert sorted(nodes) == list(range(1, len(model.nodes) + 5))
    materials = {m.get("name"): m for m in root.iter("material")}
    maps = {m.get("name"): m for m in (*root.iter("ElementData"), *root.iter("NodeData"))}
    young, poisson = np.zeros(len(model.cells)), np.zeros(len(model.cells))
    for domain in root.iter("SolidDomain"):
        block, material = mesh["Elements"][domain.get("name")], materials[domain.get("mat")]
        modulus = maps[material.findtext("E")]
        assert modulus.get("elem_set") == block.get("name")
        for k, (cell, value) in enumerate(zip(block, modulus, strict=True), start=1):
            number = int(cell.get("id", "")) - 1
            assert [int(x) - 1 for x in (cell.text or "").split(",")] == model.cells[number].tolist()
            assert value.get("lid") == str(k)
            young[number], poisson[number] = float(value.text or ""), float(material.findtext("v") or "")
    assert (young == model.young).all()
    assert (poisson == model.poisson).all()
    forces = np.zeros(len(model.forces))
    for load in root.iter("nodal_load"):
        ids = [int(x) for x in (mesh["NodeSet"][load.get("node_set")].text or "").split(",")]
        component = "xyz".index(load.findtext("dof") or "")
        for node, value in zip(ids, maps[load.findtext("scale")], strict=True):
            forces[3 * (node - 1) + component] = float(value.text or "")
    assert np.allclose(forces, model.forces, rtol=1e-14, atol=0)
    held = np.zeros((len(nodes), 3), dtype=bool)
    columns, references = np.zeros((len(model.forces), 2)), []
    for bc in root.iter("bc"):
        if bc.get("type") == "linear constraint":
            references.append(int(bc.findtext("node") or ""))
            for child in bc.iter("child_dof"):
                row = 3 * (int(child.findtext("node") or "") - 1) + "xyz".index(child.findtext("dof") or "")
                columns[row, len(references) - 1] = float(child.findtext("value") or "")
        else:
            ids = [int(x) - 1 for x in (mesh["NodeSet"][bc.get("node_set")].text or "").split(",")]
            for dof in bc:
                held[ids, "xyz".index(dof.tag[0])] = True
    assert np.allclose(columns, model.springs.columns.toarray(), rtol=1e-14, atol=0)
    assert (held[: len(model.nodes)].ravel() == model.fixed).all()
    springs = {m.get("id"): float(m.findtext("E") or "") for m in root.iter("discrete_material")}
    for number, discrete in enumerate(root.iter("discrete")):
        ends = [int(x) for x in (mesh["DiscreteSet"][discrete.get("discrete_set")][0].text or "").split(",")]
        assert ends[0] == references[number]
        assert np.subtract(nodes[ends[1]], nodes[ends[0]]).tolist() == [10.0, 0.0, 0.0]
        assert held[ends[0] - 1].tolist() == [False, True, True]
        assert held[ends[1] - 1].all()
        assert springs[discrete.get("dmat")] == model.springs.stiffness[number]


def test_febio_refuses_orthotropic_cells(tmp_path: Path) -> None:
    """Cells with turning orthotropic axes are refused for FEBio, and nothing is written."""
    model = small_model()
    orthotropic = LinearModel(
        model.nodes, model.cells, model.young, model.poisson, model.forces, stiffness={0: np.eye(6)}
    )
    with pytest.raises(InputError, match="orthotropic"):
        write_febio(orthotropic, tmp_path / "m.feb")
    assert not list(tmp_path.iterdir())


def test_many_moduli_become_few() -> None:
    """Moduli are put into classes only where there are too many, each changed by less than half a class."""
    model = small_model()
    assert with_few_materials(model) == (model, 0.0)
    scattered = np.exp(np.random.default_rng(0).uniform(np.log(300.0), np.log(2e4), 5000))
    many = LinearModel(model.nodes, np.tile(model.cells[:1], (5000, 1)), scattered, np.full(5000, 0.3), model.forces)
    few, error = with_few_materials(many, 1000)
    assert 250 <= len(np.unique(few.young)) <= 1000
    assert error == pytest.approx(np.abs(few.young / scattered - 1).max())
    assert error < np.log(2e4 / 300.0) / 250


def test_secant_stiffness() -> None:
    """A spring has force over displacement; what did not move gets none."""
    assert secant_stiffness(np.array([6.0, 0.0, -1.0]), np.array([2.0, 0.0, -4.0])).tolist() == [3.0, 0.0, 0.25]


def test_names_of_sets() -> None:
    """Names hold letters, digits and underscores and begin with a letter."""
    assert set_name("screw mesial-1") == "SCREW_MESIAL_1"
    assert set_name("46") == "S_46"


def export(*arguments: object) -> tuple[int, str]:
    """Exit code and output of ``femsim export``."""
    result = CliRunner().invoke(app, ["export", *map(str, arguments)])
    return result.exit_code, result.output


def test_a_run_is_exported_once(tmp_path: Path) -> None:
    """A finished run is written for CalculiX with the displacement to compare with; the file is never overwritten."""
    target = tmp_path / "block.inp"
    code, output = export(finished_run().folder, "--to", "calculix", "-o", target)
    assert code == 0, output
    assert "constant E in each cell" in output
    written = target.read_text()
    assert "** its displacement in this model (femsim), mm:" in written
    for name in ("ELSET=BONE", "ELSET=PLATE\n", "ELSET=SCREW_", "NAME=BONE_AT_", "NSET=FOUNDATION_", "NSET=LOAD_"):
        assert name in written
    code, output = export(finished_run().folder, "--to", "calculix", "-o", target)
    assert code == 2
    assert "not overwritten" in output
    assert target.read_text() == written
