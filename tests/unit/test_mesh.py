"""The mesh of two bone blocks, a plate and two screws: parts, interface, sizes, cache and files."""

from __future__ import annotations

from dataclasses import replace

import meshio
import numpy as np
import pytest
import pyvista as pv

from femsim.errors import MeshError
from femsim.geometry.bench_block import bench_block
from femsim.geometry.plan import PlatePlan, ScrewPlan
from femsim.geometry.surface import Surface
from femsim.mesh import BONE, PLATE, SCREW_FIRST, Mesh, Sizing, build_mesh, cached_mesh, load_mesh, mesh_key, write_mesh
from femsim.mesh import cache as cache_module
from femsim.mesh import tetrahedra as tetrahedra_module
from femsim.mesh.improve import BONE_SHARE, open_flat_tets
from femsim.mesh.ordering import renumbered
from femsim.mesh.quality import exact_interface_area, face_areas, scaled_jacobian
from femsim.mesh.regions import bone_components, classify, drop_crumbs, pieces, separated, smooth_labels
from femsim.mesh.sizing import Background, EdgeLength, background, screw_distance, wall_thickness
from femsim.mesh.soup import build_soup, coarsened
from femsim.mesh.tetmesh import face_pairs, outer_faces, tet_volumes
from femsim.mesh.tetrahedra import tetrahedralize
from femsim.parameters import load_parameters

# Coarse enough for seconds; the screws as fine as the area tolerance needs, with room for the mesher's own dice.
SIZING = Sizing.preset("preview", near_screws=0.8)

ONE_EACH = PlatePlan(per_stump=1)

# Two tetrahedra on both sides of the triangle (1, 2, 3).
PAIR_POINTS = np.array([[0.0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 1, 1]])
PAIR = np.array([[0, 1, 2, 3], [4, 1, 3, 2]])


@pytest.fixture(scope="module")
def operation():
    return bench_block(load_parameters(), plate=ONE_EACH)


@pytest.fixture(scope="module")
def cache_dir(tmp_path_factory):
    return tmp_path_factory.mktemp("meshes")


@pytest.fixture(scope="module")
def stages():
    return []


@pytest.fixture(scope="module")
def mesh(operation, cache_dir, stages):
    mesh, from_cache = cached_mesh(operation, SIZING, cache_dir, lambda stage, share: stages.append((stage, share)))
    assert not from_cache
    return mesh


def test_bone_and_hardware_share_no_vertex(mesh):
    """Bone and hardware have vertices of their own, and every vertex is used."""
    bone = np.unique(mesh.tets[mesh.region == BONE])
    metal = np.unique(mesh.tets[mesh.hardware])
    assert len(np.intersect1d(bone, metal)) == 0
    assert len(bone) + len(metal) == len(mesh.points)


def test_hardware_is_one_conforming_piece_and_bone_two(mesh, operation):
    """Plate and screws hang together by faces; each block is one piece of bone."""
    hardware = pieces(mesh.tets, mesh.hardware)
    assert set(np.unique(hardware[mesh.hardware])) == {0}
    assert mesh.quality["bone_pieces"] == 2
    assert set(np.unique(mesh.region)) == {BONE, PLATE, SCREW_FIRST, SCREW_FIRST + 1}
    assert mesh.screw_names == tuple(screw.name for screw in operation.screws)


def test_no_tetrahedron_is_inverted_or_flat(mesh):
    """Volumes are positive and the smallest scaled Jacobian is at least 0.05."""
    assert mesh.volumes.min() > 0
    assert mesh.quality["inverted"] == 0
    assert mesh.quality["scaled_jacobian"]["min"] >= 0.05


def test_volumes_and_areas_agree_with_the_exact_geometry(mesh, operation):
    """Plate and screw volumes within 3 %, the interface area within 2 % (one screw: 3 %), bone within 3 %."""
    quality = mesh.quality
    assert abs(quality["plate_volume_error"]) < 0.03
    assert abs(quality["interface_area_error"]) < 0.02
    for row, screw in zip(quality["screws"], operation.screws, strict=True):
        assert abs(row["volume_error"]) < 0.03
        assert abs(row["interface_area_error"]) < 0.03
        # Both blocks are pierced at right angles, so the exact area has a closed form.
        tip_inside = screw.length < screw.bone_exit
        exact = np.pi * screw.diameter * screw.length_in_bone + tip_inside * np.pi / 4 * screw.diameter**2
        assert row["interface_area_exact"] == pytest.approx(exact, rel=0.01)
        assert exact_interface_area(operation, screw) == row["interface_area_exact"]
    holes = sum(np.pi / 4 * screw.diameter**2 * screw.length_in_bone for screw in operation.screws)
    assert quality["bone_volume"] == pytest.approx(operation.bone.volume - holes, rel=0.03)


def test_interface_sides_coincide_and_point_into_bone(mesh, operation):
    """Both sides of an interface face lie on each other, belong to the named tetrahedra and face from screw to bone."""
    interface = mesh.interface
    np.testing.assert_array_equal(mesh.points[interface.bone_triangles], mesh.points[interface.screw_triangles])
    assert (mesh.region[interface.bone_tets] == BONE).all()
    np.testing.assert_array_equal(mesh.region[interface.screw_tets], SCREW_FIRST + interface.screw)
    for triangles, tets in (
        (interface.bone_triangles, interface.bone_tets),
        (interface.screw_triangles, interface.screw_tets),
    ):
        inside = (mesh.tets[tets][:, :, None] == triangles[:, None, :]).any(axis=1)
        assert inside.all()
    a, b, c = np.moveaxis(mesh.points[interface.bone_triangles], 1, 0)
    normal = np.cross(b - a, c - a)
    centre = mesh.points[interface.bone_triangles].mean(axis=1)
    to_bone = mesh.points[mesh.tets[interface.bone_tets]].mean(axis=1) - centre
    to_screw = mesh.points[mesh.tets[interface.screw_tets]].mean(axis=1) - centre
    assert (np.einsum("ij,ij->i", normal, to_bone) > 0).all()
    assert (np.einsum("ij,ij->i", normal, to_screw) < 0).all()
    for number, screw in enumerate(operation.screws):
        mine = np.unique(interface.bone_triangles[interface.screw == number])
        axial, radial, _ = screw.coordinates(mesh.points[mine])
        side = axial < screw.length - 0.3
        assert np.percentile(np.abs(radial[side] - 0.5 * screw.diameter), 95) < 0.05


def test_free_bone_surface_leaves_the_interface_out(mesh):
    """Boundary faces of bone are the free faces and the interface faces, nothing else, and close the surface."""
    every, free = mesh.boundary_triangles(BONE), mesh.free_triangles(BONE)
    assert len(every) == len(free) + len(mesh.interface.screw)
    a, b, c = np.moveaxis(mesh.points[every], 1, 0)
    area = 0.5 * np.cross(b - a, c - a)
    assert np.abs(area.sum(axis=0)).max() < 1e-9 * np.abs(area).sum()
    volume = np.einsum("ij,ij->", (a + b + c) / 3, area) / 3
    assert volume == pytest.approx(mesh.volumes[mesh.region == BONE].sum(), rel=1e-9)


def test_progress_runs_from_surfaces_to_parts(mesh, stages):
    """Stages come in order with fractions that never fall inside a stage."""
    names = list(dict.fromkeys(stage for stage, _ in stages))
    assert names == ["surfaces", "sizing", "tetrahedra", "parts"]
    shares = [share for stage, share in stages if stage == "tetrahedra"]
    assert shares == sorted(shares)
    assert shares[0] == 0.0
    assert shares[-1] == 1.0


def test_progress_follows_the_passes_of_the_mesher(monkeypatch, tmp_path):
    """Every improvement pass that the mesher announces moves the fraction up; its litter never lands in our folder."""
    script = tmp_path / "worker.py"
    script.write_text(
        "import sys\n"
        "import numpy as np\n"
        "open('__cutting.stl', 'w').close()\n"
        "for k in range(3):\n"
        "    print(f'//////////////// pass {k} ////////////////')\n"
        "np.savez(sys.argv[2], points=np.eye(4)[:, :3], tets=[[0, 1, 2, 3]])\n"
    )
    monkeypatch.setattr(tetrahedra_module, "WORKER", script)
    field = Background(PAIR_POINTS, PAIR, np.ones(5))
    seen: list[float | None] = []
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    soup = Surface(PAIR_POINTS, np.array([[0, 1, 2]]))
    tetrahedralize(soup, field, Sizing(iterations=4), lambda _, share: seen.append(share))
    np.testing.assert_allclose(seen, [0.0, 0.3875, 0.575, 0.7625, 1.0])
    assert not list((tmp_path / "here").iterdir())


def test_cache_gives_the_same_mesh_and_heals_itself(mesh, operation, cache_dir, monkeypatch):
    """A second request reads the entry without meshing; a damaged entry is made again instead of crashing."""
    again, from_cache = cached_mesh(operation, SIZING, cache_dir)
    assert from_cache
    same(mesh, again)
    entry = cache_dir / f"{mesh_key(operation, SIZING)}.npz"
    entry.write_bytes(entry.read_bytes()[:1000])
    monkeypatch.setattr(cache_module, "build_mesh", lambda *_: mesh)
    healed, from_cache = cached_mesh(operation, SIZING, cache_dir)
    assert not from_cache
    same(mesh, healed)
    same(mesh, load_mesh(entry))
    assert not list(cache_dir.glob("*.part"))


def test_cache_key_follows_everything_that_shapes_the_mesh(operation):
    """Another sizing, another screw length and another plate give other keys; the same operation gives the same."""
    parameters = load_parameters()
    key = mesh_key(operation, SIZING)
    assert key == mesh_key(bench_block(parameters, plate=ONE_EACH), SIZING)
    others = {
        mesh_key(operation, Sizing.preset("preview", near_screws=0.9)),
        mesh_key(bench_block(parameters, plate=replace(ONE_EACH, screws=ScrewPlan(length=9.0))), SIZING),
        mesh_key(bench_block(parameters, plate=ONE_EACH, gap=9.0), SIZING),
        mesh_key(bench_block(parameters, plate=replace(ONE_EACH, screws=ScrewPlan(preset="locking-2.7"))), SIZING),
    }
    assert len(others) == 4
    assert key not in others


def test_cache_folder_respects_xdg(monkeypatch, tmp_path):
    """The cache lies below XDG_CACHE_HOME when that is an absolute path, else below the home folder."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_module.default_cache_dir() == tmp_path / "femsim" / "meshes"
    monkeypatch.setenv("XDG_CACHE_HOME", "somewhere")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert cache_module.default_cache_dir() == tmp_path / "home" / ".cache" / "femsim" / "meshes"


def test_vtu_and_npz_hold_the_mesh(mesh, tmp_path):
    """The VTU carries points, tetrahedra and regions for other tools; the npz beside it carries everything."""
    path = write_mesh(mesh, tmp_path / "mesh.vtu")
    read = meshio.read(path)
    np.testing.assert_array_equal(read.points, mesh.points)
    np.testing.assert_array_equal(read.cells_dict["tetra"], mesh.tets)
    np.testing.assert_array_equal(read.cell_data["region"][0], mesh.region)
    same(mesh, load_mesh(path.with_suffix(".npz")))
    assert sorted(p.name for p in tmp_path.iterdir()) == ["mesh.npz", "mesh.vtu"]


def test_scaled_jacobian_of_known_shapes():
    """A regular tetrahedron has 1, a mirrored one -1, a cube corner sqrt(2)/2."""
    regular = np.array([[1.0, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1]])
    value = scaled_jacobian(regular, np.array([[0, 1, 2, 3], [0, 2, 1, 3]]))
    np.testing.assert_allclose(np.sort(value), [-1, 1])
    # At a corner of the slanted face: determinant 1, edges 1, sqrt 2, sqrt 2.
    corner = scaled_jacobian(PAIR_POINTS, PAIR[:1])
    np.testing.assert_allclose(corner, np.sqrt(2) / 2)


def test_faces_of_a_pair_of_tetrahedra():
    """Two tetrahedra have one common face and six outer ones that close around both."""
    faces, first, second = face_pairs(PAIR)
    assert sorted(faces[0]) == [1, 2, 3]
    assert {int(first[0]), int(second[0])} == {0, 1}
    rim, owner = outer_faces(PAIR)
    assert len(rim) == 6
    assert np.bincount(owner).tolist() == [3, 3]
    assert (tet_volumes(PAIR_POINTS, PAIR) > 0).all()
    a, b, c = np.moveaxis(PAIR_POINTS[rim], 1, 0)
    np.testing.assert_allclose(np.cross(b - a, c - a).sum(axis=0), 0, atol=1e-15)
    assert face_areas(PAIR_POINTS, np.array([[0, 1, 2]])) == pytest.approx(0.5)


def test_separated_doubles_the_vertices_of_a_shared_face():
    """A screw tetrahedron beside a bone tetrahedron gets three vertices of its own and one interface face."""
    region = np.array([SCREW_FIRST, BONE], dtype=np.int32)
    points, tets, region, interface = separated(PAIR_POINTS, PAIR, region)
    assert len(points) == 8
    assert region.tolist() == [BONE, SCREW_FIRST]
    assert not set(tets[0]) & set(tets[1])
    assert interface.screw.tolist() == [0]
    np.testing.assert_array_equal(points[interface.bone_triangles], points[interface.screw_triangles])
    a, b, c = points[interface.bone_triangles[0]]
    assert np.cross(b - a, c - a) @ np.ones(3) > 0


def test_smooth_labels_and_crumbs(mesh):
    """A single tetrahedron of another region inside bone takes its neighbours' region; loose specks are dropped."""
    bone = mesh.tets[mesh.region == BONE].astype(np.int64)
    _, first, second = face_pairs(bone)
    inner = np.flatnonzero(np.bincount(np.r_[first, second], minlength=len(bone)) == 4)[0]
    region = np.full(len(bone), BONE, dtype=np.int32)
    region[inner] = PLATE
    assert (smooth_labels(bone, region) == BONE).all()

    far = len(mesh.points)
    points = np.vstack([mesh.points, PAIR_POINTS[:4] + 500.0])
    tets = np.vstack([bone, [[far, far + 1, far + 2, far + 3]]])
    labels, dropped = drop_crumbs(points, tets, np.full(len(tets), BONE, dtype=np.int32))
    assert dropped == 1
    assert labels[-1] == 0
    component = bone_components(points, bone, np.ones(len(bone), dtype=bool))
    volume = np.bincount(component, weights=tet_volumes(points, bone))
    assert len(volume) == 2
    assert volume[0] >= volume[1]


def test_numbering_follows_space(mesh):
    """Vertices next to each other in an element are close in number: far closer than in a random numbering."""
    bone = mesh.tets[mesh.region == BONE].astype(int)
    spread = np.ptp(bone, axis=1)
    shuffled = np.random.default_rng(1).permutation(bone.max() + 1)[bone]
    assert np.median(spread) < 0.2 * np.median(np.ptp(shuffled, axis=1))
    points, tets, region = renumbered(PAIR_POINTS, PAIR, np.array([1, 2]))
    assert sorted(region) == [1, 2]
    # The same two tetrahedra, whatever their numbers.
    was = {tuple(map(tuple, PAIR_POINTS[tet])) for tet in PAIR}
    assert {tuple(map(tuple, points[tet])) for tet in tets} == was


def test_thin_plate_gets_two_elements_through_its_thickness(operation):
    """The edge in a plate is less than half its thickness, and never longer than the wanted edge."""
    plate = operation.plates[0]
    sizing = Sizing(plate=1.4)
    assert sizing.in_plate(replace(plate, thickness=4.0)) == 1.4
    assert sizing.in_plate(replace(plate, thickness=2.0)) == pytest.approx(0.96)
    assert sizing.in_plate(replace(plate, thickness=0.5)) == pytest.approx(0.24)


def test_flat_tetrahedra_are_opened_within_the_allowance(mesh):
    """The worst tetrahedron gets at least twice as good; surface vertices stay within the allowance."""
    bone = mesh.tets[(mesh.region == BONE) & (mesh.component == 0)].astype(int)
    numbers = np.unique(bone, return_inverse=True)[1].reshape(bone.shape)
    points = mesh.points[np.unique(bone)]
    rim = np.unique(outer_faces(numbers)[0])
    inner = np.setdiff1d(numbers, rim)
    # Push inner vertices nearly onto a neighbour: flat, not inverted.
    pushed, envelope = points.copy(), 0.2
    rng = np.random.default_rng(2)
    for vertex in rng.choice(inner, 20, replace=False):
        near = numbers[(numbers == vertex).any(axis=1)][0]
        target = pushed[near[near != vertex]].mean(axis=0)
        for share in (0.9, 0.7, 0.5):
            trial = pushed.copy()
            trial[vertex] += share * (target - trial[vertex])
            if tet_volumes(trial, numbers).min() > 0:
                pushed = trial
                break
    before = scaled_jacobian(pushed, numbers)
    assert before.min() < 0.15
    region = np.full(len(numbers), BONE)
    opened = open_flat_tets(pushed, numbers, region, envelope)
    after = scaled_jacobian(opened, numbers)
    assert after.min() > 2 * before.min()
    assert np.linalg.norm(opened - pushed, axis=1)[rim].max() <= BONE_SHARE * envelope + 1e-12


def test_classification_order(operation):
    """A point in a screw is screw even inside plate or bone; plate goes before bone; elsewhere is outside."""
    screw = operation.screws[0]
    in_plate = screw.head + 0.5 * screw.axis
    in_bone = screw.head + (screw.bone_entry + 2.0) * screw.axis
    beside = np.array([3.0, 0.0, 0.0])
    points = np.array([in_plate, in_bone, in_plate + beside, in_bone + beside, in_bone + 500.0])
    assert classify(operation, operation.bone, points).tolist() == [SCREW_FIRST, SCREW_FIRST, PLATE, BONE, 0]


def test_edge_length_field(operation):
    """Edges are finest in screws, grow at the given rate in bone, and are long far away."""
    sizing = Sizing()
    screw = operation.screws[0]
    start = screw.head + (screw.bone_entry + 4.0) * screw.axis
    # Upwards, away from the other screw and inside the block.
    away = np.array([0.0, 0.0, 1.0])
    points = np.array([start, start + (screw.diameter / 2 + 2.0) * away, start + 300.0 * away])
    np.testing.assert_allclose(screw_distance(screw, points)[:2], [0.0, 2.0], atol=1e-12)
    wanted = EdgeLength(operation, operation.bone, sizing)(points)
    np.testing.assert_allclose(wanted, [sizing.near_screws, sizing.near_screws + 2 * sizing.growth, sizing.outside])


def test_thin_bone_gets_shorter_edges(operation):
    """Edges in a sheet of bone are as long as it is thick, not shorter than the named share of the longest edge."""
    sheet = Surface.from_polydata(pv.Box((0, 40, 0, 40, 0, 2.0), level=20).triangulate().clean())
    np.testing.assert_allclose(wall_thickness(sheet)[np.abs(sheet.area_vectors[:, 2]) > 0], 2.0, atol=1e-6)
    far = replace(operation, bone=sheet, plates=(), screws=operation.screws[:1])
    sizing = Sizing(near_screws=0.7, growth=10.0)
    inside = np.array([[30.0, 30.0, 1.0]])
    assert EdgeLength(far, sheet, sizing)(inside) == pytest.approx(2.0, abs=1e-6)
    thinner = Surface(sheet.points * [1, 1, 0.25], sheet.triangles)
    assert EdgeLength(far, thinner, sizing)(inside * [1, 1, 0.25]) == pytest.approx(0.4 * sizing.elsewhere)


def test_background_reproduces_the_field(operation):
    """The background mesh covers the box and its values at its points are the field's, within a cell's jitter."""
    soup = build_soup(operation, operation.bone, 10)
    field = background(operation, operation.bone, SIZING, soup.bounds)
    assert (field.points.min(axis=0) < soup.bounds[0]).all()
    assert (field.points.max(axis=0) > soup.bounds[1]).all()
    volume = np.abs(tet_volumes(field.points, field.tets)).sum()
    assert volume > np.prod(np.ptp(soup.bounds, axis=0))
    wanted = EdgeLength(operation, operation.bone, SIZING)(field.points)
    assert np.percentile(np.abs(field.values / wanted - 1), 99) < 0.25
    again = background(operation, operation.bone, SIZING, soup.bounds)
    np.testing.assert_array_equal(field.tets, again.tets)


def test_coarsened_surface_stays_within_its_error():
    """A fine sphere loses most triangles and stays within the allowed error; a coarse one is left alone."""
    fine = Surface.from_polydata(pv.Icosphere(radius=10.0, nsub=5))
    error = 0.05
    coarse = coarsened(fine, error)
    assert len(coarse.triangles) < 0.5 * len(fine.triangles)
    assert np.percentile(np.abs(coarse.signed_distance(fine.points)), 99.5) <= error
    small = Surface.from_polydata(pv.Icosphere(radius=10.0, nsub=2))
    assert coarsened(small, error) is small


def same(one: Mesh, two: Mesh) -> None:
    for name in ("points", "tets", "region", "component"):
        np.testing.assert_array_equal(getattr(one, name), getattr(two, name))
    for name in ("screw", "bone_triangles", "screw_triangles", "bone_tets", "screw_tets"):
        np.testing.assert_array_equal(getattr(one.interface, name), getattr(two.interface, name))
    assert one.quality == two.quality
    assert one.screw_names == two.screw_names


def test_operation_without_screws_is_refused(operation):
    """Without screws the mesher refuses at once: there is no interface to compute."""
    with pytest.raises(MeshError, match="no screws"):
        build_mesh(replace(operation, screws=()), SIZING)
