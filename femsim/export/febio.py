"""Input files of FEBio 4: one static step of the same model."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from xml.sax.saxutils import escape, quoteattr

import numpy as np

from femsim.durable import write_via
from femsim.errors import InputError
from femsim.export.linear import LinearModel, Springs, set_name

NUMBER = "%.15g"

SPRING_LENGTH = 10.0
"""Length of a drawn spring [mm]: any length gives the same force, because the spring's node moves along it only."""

COMPONENTS = "xyz"


def write_febio(model: LinearModel, path: str | Path) -> None:
    """Write a model as a FEBio 4.0 file with one static step, whole or not at all.

    Young's modulus of each cell is an element map, so nothing is rounded. A spring on a weighted displacement becomes
    a node that moves in x only, by the weighted sum (``linear constraint``), with a linear spring along x from it to a
    fixed node.

    Parameters
    ----------
    model : LinearModel
    path : path
        File to write; an older file is replaced.

    Raises
    ------
    InputError
        The model has cells that are not isotropic: FEBio has no material with a full stiffness matrix.
    FemsimError
        The file cannot be written.

    Notes
    -----
    FEBio solves with large rotations, so its answer differs from a linear one by the size of the rotations. Format:
    FEBio user's manual, version 4, chapter "Free format input".
    """
    if model.stiffness:
        raise InputError(
            f"FEBio: {len(model.stiffness)} cells are orthotropic with axes that turn, and FEBio has no material for a "
            "full stiffness matrix; export to calculix or abaqus instead"
        )

    def write(part: Path) -> None:
        with part.open("w", encoding="utf-8", newline="\n") as file:
            for text in _sections(model):
                file.write(text)

    write_via(Path(path), write)


def _sections(model: LinearModel) -> Iterator[str]:
    springs = model.springs if model.springs is not None and len(model.springs) else None
    blocks = _blocks(model)
    loaded = np.unique(np.flatnonzero(model.forces) // 3)
    held = [] if model.fixed is None else [np.flatnonzero(model.fixed[k::3]) for k in range(3)]
    yield '<?xml version="1.0" encoding="UTF-8"?>\n<febio_spec version="4.0">\n'
    notes = (model.title, *model.notes)
    yield "".join(f"<!-- {escape(' '.join(note.split())).replace('--', '- -')} -->\n" for note in notes)
    yield '<Module type="solid"><units>mm-N-s</units></Module>\n'
    yield (
        "<Control><analysis>STATIC</analysis><time_steps>1</time_steps><step_size>1</step_size>"
        '<solver type="solid"><symmetric_stiffness>symmetric</symmetric_stiffness></solver></Control>\n'
    )
    yield from _materials(blocks)
    yield "<Mesh>\n" + _nodes("solid", 1, model.nodes)
    if springs is not None:
        yield _nodes("reference", 1 + len(model.nodes), springs.places)
        ends = springs.places + np.array([SPRING_LENGTH, 0.0, 0.0])
        yield _nodes("ground", 1 + len(model.nodes) + len(springs), ends)
    kind = "tet10" if model.cells.shape[1] == 10 else "tet4"
    for name, cells, _, _ in blocks:
        yield f"<Elements type={quoteattr(kind)} name={quoteattr(name)}>\n"
        yield "".join(
            f'<elem id="{cell + 1}">{",".join(str(node + 1) for node in row)}</elem>\n'
            for cell, row in zip(cells.tolist(), model.cells[cells].tolist(), strict=True)
        )
        yield "</Elements>\n"
    sets = {set_name(name): members for name, members in model.node_sets.items()}
    sets |= {f"HELD_{COMPONENTS[k].upper()}": nodes for k, nodes in enumerate(held) if len(nodes)}
    if len(loaded):
        sets["LOADED"] = loaded
    for name, members in sets.items():
        yield f"<NodeSet name={quoteattr(name)}>{_ids(members + 1)}</NodeSet>\n"
    if springs is not None:
        yield from _spring_mesh(springs, len(model.nodes))
    yield "</Mesh>\n<MeshDomains>\n"
    yield "".join(f"<SolidDomain name={quoteattr(name)} mat={quoteattr(name)}/>\n" for name, *_ in blocks)
    yield "</MeshDomains>\n<MeshData>\n"
    for name, _, young, _ in blocks:
        map_name = quoteattr(f"E_{name}")
        yield f'<ElementData name={map_name} elem_set={quoteattr(name)} data_type="scalar">\n'
        yield "".join(f'<e lid="{k}">{NUMBER % value}</e>\n' for k, value in enumerate(young.tolist(), start=1))
        yield "</ElementData>\n"
    for component, name in enumerate(COMPONENTS if len(loaded) else ""):
        yield f'<NodeData name="force_{name}" node_set="LOADED" data_type="scalar">\n'
        values = model.forces[3 * loaded + component].tolist()
        yield "".join(f'<node lid="{k}">{NUMBER % value}</node>\n' for k, value in enumerate(values, start=1))
        yield "</NodeData>\n"
    yield "</MeshData>\n<Boundary>\n"
    for component, nodes in enumerate(held):
        if len(nodes):
            name = COMPONENTS[component]
            yield f'<bc type="zero displacement" node_set="HELD_{name.upper()}"><{name}_dof>1</{name}_dof></bc>\n'
    if springs is not None:
        yield from _spring_boundary(springs, len(model.nodes))
    yield "</Boundary>\n<Loads>\n"
    for name in COMPONENTS if len(loaded) else "":
        yield '<nodal_load type="nodal_load" node_set="LOADED">'
        yield f'<dof>{name}</dof><scale type="map">force_{name}</scale></nodal_load>\n'
    yield "</Loads>\n"
    if springs is not None:
        yield from _spring_materials(springs)
    yield '<Output><plotfile type="febio"><var type="displacement"/><var type="stress"/></plotfile></Output>\n'
    yield "</febio_spec>\n"


Block = tuple[str, np.ndarray, np.ndarray, float]
"""Name, cells, Young's modulus of each [MPa] and their one Poisson's ratio."""


def _blocks(model: LinearModel) -> list[Block]:
    """Cells by set and by Poisson's ratio; FEBio wants every cell in one block only."""
    left = np.ones(len(model.cells), dtype=bool)
    blocks: list[Block] = []
    for name, members in (*model.cell_sets.items(), ("other", np.arange(len(model.cells)))):
        mine = members[left[members]]
        left[mine] = False
        for number, poisson in enumerate(np.unique(model.poisson[mine]).tolist()):
            cells = mine[model.poisson[mine] == poisson]
            label = set_name(name) + (f"_{number + 1}" if number else "")
            blocks.append((label, cells, model.young[cells], poisson))
    return blocks


def _materials(blocks: list[Block]) -> Iterator[str]:
    yield "<Material>\n"
    for number, (name, _, _, poisson) in enumerate(blocks, start=1):
        yield f'<material id="{number}" name={quoteattr(name)} type="isotropic elastic"><density>1</density>'
        yield f'<E type="map">{escape("E_" + name)}</E><v>{NUMBER % poisson}</v></material>\n'
    yield "</Material>\n"


def _nodes(name: str, first: int, points: np.ndarray) -> str:
    lines = (
        f'<node id="{first + k}">{NUMBER % x},{NUMBER % y},{NUMBER % z}</node>\n'
        for k, (x, y, z) in enumerate(np.asarray(points).tolist())
    )
    return f"<Nodes name={quoteattr(name)}>\n{''.join(lines)}</Nodes>\n"


def _ids(numbers: np.ndarray) -> str:
    return ",".join(str(number) for number in np.asarray(numbers).tolist())


def _spring_mesh(springs: Springs, n_nodes: int) -> Iterator[str]:
    first = 1 + n_nodes + np.arange(len(springs))
    yield f'<NodeSet name="REFERENCE">{_ids(first)}</NodeSet>\n'
    yield f'<NodeSet name="GROUND">{_ids(first + len(springs))}</NodeSet>\n'
    for spring, node in enumerate(first.tolist(), start=1):
        yield f'<DiscreteSet name="SPRING_{spring}"><delem>{node},{node + len(springs)}</delem></DiscreteSet>\n'


def _spring_boundary(springs: Springs, n_nodes: int) -> Iterator[str]:
    dofs = {name: f"<{name}_dof>1</{name}_dof>" for name in COMPONENTS}
    yield f'<bc type="zero displacement" node_set="REFERENCE">{dofs["y"]}{dofs["z"]}</bc>\n'
    yield f'<bc type="zero displacement" node_set="GROUND">{"".join(dofs.values())}</bc>\n'
    columns = springs.columns
    for spring in range(len(springs)):
        part = slice(columns.indptr[spring], columns.indptr[spring + 1])
        terms = "".join(
            f"<child_dof><node>{row // 3 + 1}</node><dof>{COMPONENTS[row % 3]}</dof>"
            f"<value>{NUMBER % weight}</value></child_dof>"
            for row, weight in zip(columns.indices[part].tolist(), columns.data[part].tolist(), strict=True)
        )
        yield f'<bc type="linear constraint"><node>{1 + n_nodes + spring}</node><dof>x</dof>{terms}</bc>\n'


def _spring_materials(springs: Springs) -> Iterator[str]:
    yield "<Discrete>\n"
    for number, stiffness in enumerate(springs.stiffness.tolist(), start=1):
        yield f'<discrete_material id="{number}" name="SPRING_{number}" type="linear spring">'
        yield f"<E>{NUMBER % stiffness}</E></discrete_material>\n"
    yield "".join(
        f'<discrete dmat="{number}" discrete_set="SPRING_{number}"/>\n' for number in range(1, 1 + len(springs))
    )
    yield "</Discrete>\n"
