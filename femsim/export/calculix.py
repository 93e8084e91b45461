"""Input files of CalculiX and Abaqus: one linear static step."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Literal

import numpy as np

from femsim.durable import write_via
from femsim.export.linear import LinearModel, Springs, isotropic_materials, set_name

PER_LINE = 16
"""Numbers in a line of a set: the limit of Abaqus."""

TERMS_PER_LINE = 4
"""Terms in a line of an equation: the limit of both programs."""

NUMBER = "%.12e"
"""CalculiX reads twenty characters of a number and ignores what follows."""

# Upper triangle of the stiffness by columns, in both programs' order 11, 22, 33, 12, 13, 23; eight values in a line.
_SHEAR_LAST = np.array([0, 1, 2, 5, 4, 3])
_PAIRS = [(row, column) for column in range(6) for row in range(column + 1)]


def write_calculix(
    model: LinearModel,
    path: str | Path,
    *,
    program: Literal["calculix", "abaqus"] = "calculix",
    solver: str = "",
    tables: bool = True,
) -> None:
    """Write a model as the input file of a linear static step, whole or not at all.

    A spring on a weighted displacement becomes a reference node whose first displacement equals the weighted sum
    (``*EQUATION``) with a ``SPRING1`` to the ground on it; its other two displacements are held.

    Parameters
    ----------
    model : LinearModel
    path : path
        File to write; an older file is replaced.
    program : str
        They differ only in the requests for output.
    solver : str
        For CalculiX: ``"SPOOLES"``, ``"ITERATIVE CHOLESKY"``, ...; empty for its default.
    tables : bool
        Also print displacements (seven digits) and stresses at the integration points into the ``.dat`` file.

    Raises
    ------
    FemsimError
        The file cannot be written.

    Notes
    -----
    Node k of the file is node k - 1 of the model, element k its cell k - 1. Keywords: CalculiX CrunchiX user's manual,
    chapter "Input deck format"; the corners and mid-edges of C3D10 follow in femsim's order.
    """

    def write(part: Path) -> None:
        with part.open("w", encoding="ascii", errors="replace", newline="\n") as file:
            for text in _sections(model, program, solver, tables):
                file.write(text)

    write_via(Path(path), write)


def _sections(model: LinearModel, program: str, solver: str, tables: bool) -> Iterator[str]:
    yield f"*HEADING\n{_line(model.title)}\n"
    yield "".join(f"** {_line(note)}\n" for note in model.notes)
    numbers = np.arange(1, len(model.nodes) + 1)
    yield "*NODE, NSET=NALL\n" + _rows(f"%d,{NUMBER},{NUMBER},{NUMBER}\n", numbers, model.nodes)
    kind = "C3D10" if model.cells.shape[1] == 10 else "C3D4"
    row = ",".join(["%d"] * (1 + model.cells.shape[1])) + "\n"
    yield f"*ELEMENT, TYPE={kind}, ELSET=EALL\n"
    yield _rows(row, np.arange(1, len(model.cells) + 1), model.cells + 1)
    for name, members in model.cell_sets.items():
        yield f"*ELSET, ELSET={set_name(name)}\n" + _numbers(members + 1)
    for name, members in model.node_sets.items():
        yield f"*NSET, NSET={set_name(name)}\n" + _numbers(members + 1)
    for name, (cells, faces) in model.surfaces.items():
        yield f"*SURFACE, NAME={set_name(name)}, TYPE=ELEMENT\n"
        yield "".join(f"{cell},S{face}\n" for cell, face in zip((cells + 1).tolist(), faces.tolist(), strict=True))
    yield from _materials(model)
    if model.springs is not None and len(model.springs):
        yield from _springs(model.springs, len(model.nodes), len(model.cells))
    if model.fixed is not None and model.fixed.any():
        held = np.flatnonzero(model.fixed)
        yield "*BOUNDARY\n" + "".join(f"{k // 3 + 1},{k % 3 + 1},{k % 3 + 1}\n" for k in held.tolist())
    chosen = f", SOLVER={solver}" if solver else ""
    yield f"*STEP\n*STATIC{chosen}\n"
    loaded = np.flatnonzero(model.forces)
    if len(loaded):
        yield "*CLOAD\n"
        yield "".join(
            f"{k // 3 + 1},{k % 3 + 1},{NUMBER % force}\n"
            for k, force in zip(loaded.tolist(), model.forces[loaded].tolist(), strict=True)
        )
    yield _output(program, tables)
    yield "*END STEP\n"


def _materials(model: LinearModel) -> Iterator[str]:
    pairs, members = isotropic_materials(model)
    for number, ((young, poisson), cells) in enumerate(zip(pairs.tolist(), members, strict=True), start=1):
        yield f"*ELSET, ELSET=MATERIAL_{number}\n" + _numbers(cells + 1)
        yield f"*MATERIAL, NAME=MATERIAL_{number}\n*ELASTIC\n{NUMBER % young},{NUMBER % poisson}\n"
        yield f"*SOLID SECTION, ELSET=MATERIAL_{number}, MATERIAL=MATERIAL_{number}\n"
    for cell, matrix in model.stiffness.items():
        ordered = matrix[np.ix_(_SHEAR_LAST, _SHEAR_LAST)]
        values = [NUMBER % ordered[pair] for pair in _PAIRS]
        lines = [",".join(values[start : start + 8]) for start in range(0, len(values), 8)]
        yield f"*ELSET, ELSET=ANISOTROPIC_{cell + 1}\n{cell + 1}\n*MATERIAL, NAME=ANISOTROPIC_{cell + 1}\n"
        yield "*ELASTIC, TYPE=ANISOTROPIC\n" + "\n".join(lines) + "\n"
        yield f"*SOLID SECTION, ELSET=ANISOTROPIC_{cell + 1}, MATERIAL=ANISOTROPIC_{cell + 1}\n"


def _springs(springs: Springs, n_nodes: int, n_cells: int) -> Iterator[str]:
    first_node, first_cell = n_nodes + 1, n_cells + 1
    numbers = np.arange(first_node, first_node + len(springs))
    yield "** Reference nodes: displacement 1 is the weighted displacement that a spring holds.\n"
    yield "*NODE, NSET=REFERENCE\n" + _rows(f"%d,{NUMBER},{NUMBER},{NUMBER}\n", numbers, springs.places)
    for name, members in springs.groups.items():
        yield f"*NSET, NSET=REFERENCE_{set_name(name)}\n" + _numbers(first_node + members)
    yield "*BOUNDARY\nREFERENCE,2,3\n"
    yield "*EQUATION\n"
    columns = springs.columns
    for spring in range(len(springs)):
        part = slice(columns.indptr[spring], columns.indptr[spring + 1])
        rows, weights = columns.indices[part].tolist(), columns.data[part].tolist()
        terms = [f"{first_node + spring},1,-1."]
        terms += [f"{row // 3 + 1},{row % 3 + 1},{NUMBER % w}" for row, w in zip(rows, weights, strict=True)]
        lines = (",".join(terms[k : k + TERMS_PER_LINE]) for k in range(0, len(terms), TERMS_PER_LINE))
        yield f"{len(terms)}\n" + "\n".join(lines) + "\n"
    for spring, stiffness in enumerate(springs.stiffness.tolist()):
        yield f"*ELEMENT, TYPE=SPRING1, ELSET=SPRING_{spring + 1}\n{first_cell + spring},{first_node + spring}\n"
        yield f"*SPRING, ELSET=SPRING_{spring + 1}\n1\n{NUMBER % stiffness}\n"


def _output(program: str, tables: bool) -> str:
    if program == "abaqus":
        text = "*OUTPUT, FIELD\n*NODE OUTPUT\nU\n*ELEMENT OUTPUT\nS\n"
        return text + ("*NODE PRINT, NSET=NALL\nU\n*EL PRINT, ELSET=EALL\nS\n" if tables else "")
    text = "*NODE FILE\nU\n*EL FILE\nS\n"
    return text + ("*NODE PRINT, NSET=NALL\nU\n*EL PRINT, ELSET=EALL\nS\n" if tables else "")


def _line(text: str) -> str:
    return " ".join(text.split())


def _rows(pattern: str, numbers: np.ndarray, values: np.ndarray) -> str:
    """One line per number and its row of values; a single formatting call is ten times faster than one per line."""
    if values.dtype.kind == "f":
        flat: Iterable[float] = np.column_stack([numbers.astype(float), values]).ravel().tolist()
    else:
        flat = np.column_stack([numbers, values]).ravel().tolist()
    return (pattern * len(numbers)) % tuple(flat)


def _numbers(numbers: np.ndarray) -> str:
    texts = [str(number) for number in np.asarray(numbers).tolist()]
    return "".join(",".join(texts[k : k + PER_LINE]) + "\n" for k in range(0, len(texts), PER_LINE))
