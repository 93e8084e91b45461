"""Files that are not one closed mandible in millimetres, each refused in one sentence that says what to do."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import pyvista as pv

from femsim.errors import GeometryError, InputError
from femsim.geometry.jaw import jaw_from_surface
from femsim.geometry.parametric import MandibleShape, mandible_surface


@pytest.fixture(scope="module")
def data() -> pv.PolyData:
    surface, _ = mandible_surface(MandibleShape.default(), edge=2.5)
    return surface.polydata


def saved(mesh: pv.PolyData, folder: Path, name: str = "jaw.stl") -> Path:
    path = folder / name
    # Otherwise PyVista would turn flipped triangles before saving.
    mesh.save(path, recompute_normals=False)
    return path


def one_sentence(error: pytest.ExceptionInfo[BaseException]) -> None:
    text = str(error.value)
    assert "\n" not in text
    assert len(text) < 400


def test_good_file_is_read(data: pv.PolyData, tmp_path: Path) -> None:
    """The file that the hostile ones are made from is itself accepted."""
    assert jaw_from_surface(saved(data, tmp_path)).name == "jaw"


def test_open_surface(data: pv.PolyData, tmp_path: Path) -> None:
    """A hole is refused with its place."""
    with pytest.raises(GeometryError, match=r"not closed, \d+ of its edges are free, one near \(") as error:
        jaw_from_surface(
            saved(data.extract_cells(np.arange(40, data.n_cells)).extract_surface(algorithm=None), tmp_path)
        )
    one_sentence(error)


@pytest.mark.parametrize(
    ("mesh", "reason"),
    [
        (pv.Sphere(radius=55, theta_resolution=40, phi_resolution=40), "behind its middle"),
        (pv.Box((-60, 60, -40, 40, -35, 35)), "behind its middle"),
        (pv.Cylinder(radius=20, height=120, resolution=40).triangulate(), "behind its middle"),
    ],
    ids=["ball", "box", "rod"],
)
def test_not_a_jaw(mesh: pv.PolyData, reason: str, tmp_path: Path) -> None:
    """A body of jaw size that is no jaw is refused with the measure that gave it away."""
    with pytest.raises(GeometryError, match=f"does not look like a mandible .*{reason}") as error:
        jaw_from_surface(saved(mesh.triangulate().subdivide(2), tmp_path))
    one_sentence(error)


def test_horseshoe_is_not_a_jaw(tmp_path: Path) -> None:
    """A flat U without rami is refused too."""
    angle = np.linspace(0, np.pi, 60)
    path = pv.Spline(np.column_stack([50 * np.cos(angle), -80 * np.sin(angle), 0 * angle]), 200)
    with pytest.raises(GeometryError, match="does not look like a mandible"):
        jaw_from_surface(saved(path.tube(radius=7, n_sides=24, capping=True).triangulate(), tmp_path))


@pytest.mark.parametrize(("factor", "unit"), [(1e-3, "metres"), (0.1, "centimetres"), (1e3, "micrometres")])
def test_wrong_unit_is_named(data: pv.PolyData, factor: float, unit: str, tmp_path: Path) -> None:
    """A file in another unit is refused and the probable unit is named."""
    with pytest.raises(GeometryError, match=f"probably in {unit}: export it in millimetres") as error:
        jaw_from_surface(saved(data.scale(factor), tmp_path))
    one_sentence(error)


@pytest.mark.parametrize("share", [0.001, 0.3, 0.99])
@pytest.mark.parametrize("name", ["binary.ply", "text.ply", "binary.stl", "text.stl"])
def test_truncated_file(data: pv.PolyData, name: str, share: float, tmp_path: Path) -> None:
    """A file cut off anywhere is refused, not read in part (VTK's PLY reader would end the process)."""
    binary = name.startswith("binary")
    path = tmp_path / name
    data.save(path, binary=binary)
    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
    with pytest.raises(InputError, match="cut off") as error:
        jaw_from_surface(path)
    one_sentence(error)


def test_truncated_obj(data: pv.PolyData, tmp_path: Path) -> None:
    """An OBJ cut off among its faces is refused in one line."""
    path = saved(data, tmp_path, "jaw.obj")
    path.write_bytes(path.read_bytes()[: int(0.9 * path.stat().st_size)])
    with pytest.raises(InputError, match=r"not closed|could not be read") as error:
        jaw_from_surface(path)
    one_sentence(error)


def test_empty_and_missing_file(tmp_path: Path) -> None:
    """An empty and a missing file are refused by name."""
    path = tmp_path / "empty.stl"
    path.write_bytes(b"")
    with pytest.raises(InputError, match=r"empty\.stl"):
        jaw_from_surface(path)
    with pytest.raises(InputError, match="no file"):
        jaw_from_surface(tmp_path / "none.stl")


def test_inverted_normals_are_turned(data: pv.PolyData, tmp_path: Path) -> None:
    """A surface facing inwards is turned, wholly or where single triangles are flipped."""
    expected = jaw_from_surface(saved(data, tmp_path)).surface.volume
    faces = data.regular_faces.copy()
    inverted = pv.PolyData.from_regular_faces(data.points, faces[:, ::-1])
    assert jaw_from_surface(saved(inverted, tmp_path, "in.ply")).surface.volume == pytest.approx(expected, rel=1e-6)
    faces[::7] = faces[::7, ::-1]
    mixed = pv.PolyData.from_regular_faces(data.points, faces)
    assert jaw_from_surface(saved(mixed, tmp_path, "mixed.ply")).surface.volume == pytest.approx(expected, rel=1e-6)


def test_crumbs_are_dropped_and_second_bodies_refused(data: pv.PolyData, tmp_path: Path) -> None:
    """Debris of a segmentation is dropped; a second large body is refused with both volumes."""
    whole = jaw_from_surface(saved(data, tmp_path)).surface
    crumb = pv.Sphere(radius=2, center=(0, 0, 20))
    kept = jaw_from_surface(saved(data.merge(crumb), tmp_path, "crumb.ply")).surface
    assert kept.volume == pytest.approx(whole.volume, rel=1e-5)
    skull = pv.Sphere(radius=20, center=(0, 0, 130))
    with pytest.raises(GeometryError, match="2 separate bodies") as error:
        jaw_from_surface(saved(data.merge(skull), tmp_path, "two.ply"))
    one_sentence(error)


def test_not_finite_coordinates(data: pv.PolyData, tmp_path: Path) -> None:
    """Coordinates that are not numbers are refused."""
    mesh = data.copy()
    mesh.points[10] = np.nan
    with pytest.raises(InputError):
        jaw_from_surface(saved(mesh, tmp_path, "nan.ply"))
