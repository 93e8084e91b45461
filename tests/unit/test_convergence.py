"""How patch tractions of different meshes are compared, and what the convergence command refuses."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from pipeline_models import bench

from femsim.errors import InputError
from femsim.interface.patches import Patches
from femsim.pipeline import converge
from femsim.pipeline.convergence import Solved, traction_difference, tractions_at

RINGS, SECTORS = 3, 4


def patches() -> Patches:
    """Two screws along y with three rings of four sectors each, of unequal areas."""
    screw, ring, sector = (
        grid.ravel() for grid in np.meshgrid(range(2), range(RINGS), range(SECTORS), indexing="ij")
    )
    angle = 2 * np.pi * sector / SECTORS
    outward = np.column_stack([np.cos(angle), 0 * angle, np.sin(angle)])
    along = np.tile([0.0, 1.0, 0.0], (len(screw), 1))
    count = len(screw)
    return Patches(
        screw=screw,
        ring=ring,
        sector=sector,
        area=1.0 + ring,
        centre=outward + np.column_stack([20.0 * screw, ring, 0 * ring]),
        directions=np.stack([outward, along, np.cross(along, outward)], axis=1),
        depth=ring.astype(float),
        thread_shape=np.ones(count),
        face=np.arange(count),
        face_area=1.0 + ring,
        screw_names=("screw-1", "screw-2"),
    )


def solved(places: Patches, tractions: np.ndarray) -> Solved:
    return Solved("preset", {}, 1.0, np.zeros((2, 3)), places, tractions)


def without(places: Patches, gone: int) -> Patches:
    """The same patches with one merged away."""
    left = np.delete(np.arange(len(places)), gone)
    names = ("screw", "ring", "sector", "area", "centre", "directions", "depth", "thread_shape")
    return replace(places, **{name: getattr(places, name)[left] for name in names})


def test_difference_is_the_norm_over_area():
    """A tenth more traction everywhere is a tenth; one patch alone counts by its share of area and traction."""
    places = patches()
    reference = np.tile([3.0, 0.0, 4.0], (len(places), 1))
    assert traction_difference(solved(places, reference), solved(places, reference)) == 0.0
    assert traction_difference(solved(places, 1.1 * reference), solved(places, reference)) == pytest.approx(0.1)
    one = reference.copy()
    one[-1] = 0.0
    expected = np.sqrt(places.area[-1] / places.area.sum())
    assert traction_difference(solved(places, one), solved(places, reference)) == pytest.approx(expected)


def test_direction_counts_not_only_size():
    """The same size of traction in another direction is a difference."""
    places = patches()
    pressed, sheared = (np.tile(row, (len(places), 1)) for row in ([1.0, 0.0, 0.0], [0.0, 1.0, 0.0]))
    assert traction_difference(solved(places, pressed), solved(places, sheared)) == pytest.approx(np.sqrt(2))


def test_tractions_are_taken_at_the_same_place():
    """Order does not matter; between rings tractions are linear in depth, and a merged patch is bridged."""
    places = patches()
    tractions = np.column_stack([10.0 - 4.0 * places.depth, places.sector, places.screw])
    shuffled = np.random.default_rng(3).permutation(len(places))
    names = ("screw", "ring", "sector", "area", "centre", "directions", "depth", "thread_shape")
    other = replace(places, **{name: getattr(places, name)[shuffled] for name in names})
    np.testing.assert_allclose(tractions_at(solved(places, tractions), other), tractions[shuffled])
    deeper = replace(places, depth=places.depth + 0.25)
    found = tractions_at(solved(places, tractions), deeper)
    inner = places.ring < RINGS - 1
    np.testing.assert_allclose(found[inner, 0], tractions[inner, 0] - 1.0)
    np.testing.assert_allclose(found[~inner], tractions[~inner])
    assert places.ring[5] == 1
    kept = np.delete(np.arange(len(places)), 5)
    bridged = tractions_at(solved(without(places, 5), tractions[kept]), places)
    np.testing.assert_allclose(bridged, tractions)


@pytest.mark.parametrize(
    ("presets", "message"),
    [
        (["fine"], "give two or three different ones"),
        (["fine", "fine"], "give two or three different ones"),
        (["standard", "finest"], "no preset 'finest'"),
    ],
)
def test_presets_that_compare_nothing_are_refused(presets: list[str], message: str, tmp_path: Path) -> None:
    """One preset, the same twice, or an unknown one ends before any work, and leaves no folder."""
    with pytest.raises(InputError, match=message):
        converge(bench(), presets, output=tmp_path)
    assert not list(tmp_path.iterdir())
