"""Tables and pictures of docs/jaw.md, the parametric jaw beside a real one: python docs/make_jaw.py JAW.obj.

The real jaw is only measured and drawn; nothing of it is kept. Tables stand in the page between ``<!-- name -->`` and
``<!-- end name -->`` and are replaced there; pictures go to docs/jaw/.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyvista as pv

DOCS = Path(__file__).resolve().parent
sys.path.insert(0, str(DOCS.parent))

from femsim.durable import write_text  # noqa: E402
from femsim.geometry.arch import Arch  # noqa: E402
from femsim.geometry.jaw import Jaw, jaw_from_surface, parametric_jaw  # noqa: E402
from femsim.geometry.morphometrics import morphometrics  # noqa: E402
from femsim.geometry.shape import MandibleShape  # noqa: E402
from femsim.parameters import load_parameters  # noqa: E402

PAGE, PICTURES = DOCS / "jaw.md", DOCS / "jaw"
VIEWS = {"front": (0, -1, 0), "side": (1, 0, 0), "above": (0, 0, 1), "oblique": (1, -1.2, 0.7)}
NAMES = ("parametric", "parametric, sizes of the real jaw", "real")
COLOURS = ("#d9c8a9", "#c9b58c", "#e6e0d4")
TEETH = (31, 33, 35, 36, 37, 38)
RAMUS_SHARES = (0.25, 0.5, 0.75)


def fitted(real: Jaw) -> Jaw:
    """The parametric jaw with the real jaw's own sizes, kept inside the ranges of the card."""
    card, default = load_parameters(), MandibleShape.default()
    found = morphometrics(real.surface, real.landmarks)
    found["symphysis_height"] -= default.crown_height_incisor
    found["body_height"] -= default.crown_height_molar
    sizes = {}
    for name, value in found.items():
        if hasattr(default, name):
            low, high = card.entry(f"jaw.{name}").range or (value, value)
            sizes[name] = float(np.clip(value, low, high))
    return parametric_jaw(replace(default, **sizes))


def table(head: Iterable[str], rows: Iterable[Iterable[object]]) -> str:
    """A Markdown table."""
    titles = list(head)
    return "\n".join(f"| {' | '.join(str(cell) for cell in row)} |" for row in [titles, ["---"] * len(titles), *rows])


def sizes_table(jaws: list[Jaw]) -> str:
    measured = [morphometrics(jaw.surface, jaw.landmarks) for jaw in jaws]
    for jaw, found in zip(jaws, measured, strict=True):
        found["volume, cm3"] = jaw.surface.volume / 1000
        found["area, cm2"] = jaw.surface.area / 100
        for axis, word in enumerate(("width", "depth", "height")):
            found[f"box {word}"] = float(np.ptp(jaw.surface.bounds, axis=0)[axis])
    return table(("size [mm, degrees]", *NAMES), ([n, *(f"{m[n]:.1f}" for m in measured)] for n in measured[0]))


def sections(jaw: Jaw) -> dict[str, tuple[float, float, float]]:
    """Area [mm2], height and thickness [mm] of sections across the left body and along the left ramus."""
    arch = Arch.fit(jaw.surface, jaw.landmarks.points)
    found = {}
    for tooth in TEETH:
        place = arch.tooth_point(tooth)
        s = arch.locate(place[None])[0]
        found[f"body at {tooth}"] = _section(jaw, place, np.asarray(arch.tangent(s))[0], near=22.0)
    condyle, gonion = jaw.landmarks["condyle_left"], jaw.landmarks["gonion_left"]
    up = (condyle - gonion) * [0, 1, 1]
    for share in RAMUS_SHARES:
        place = gonion + share * (condyle - gonion)
        found[f"ramus at {share:g} of its height"] = _section(jaw, place, up / np.linalg.norm(up), near=45.0)
    return found


def _section(jaw: Jaw, place: np.ndarray, normal: np.ndarray, near: float) -> tuple[float, float, float]:
    cut = jaw.surface.polydata.slice(normal=normal, origin=place)
    pieces = cut.connectivity("closest", closest_point=place)
    points = np.asarray(pieces.points)
    outline = pv.PolyData(points, lines=pieces.lines).strip()
    loop = outline.points[outline.lines[1 : 1 + outline.lines[0]]] - place
    area = 0.5 * abs(float(np.cross(loop, np.roll(loop, -1, axis=0)).sum(axis=0) @ normal))
    across = points - points.mean(axis=0)
    _, _, axes = np.linalg.svd(across - np.outer(across @ normal, normal), full_matrices=False)
    return area, float(np.ptp(across @ axes[0])), float(np.ptp(across @ axes[1]))


def sections_table(jaws: list[Jaw]) -> str:
    found = [sections(jaw) for jaw in jaws]
    return table(
        ("section", *(f"{name}: area [mm2], long and short side [mm]" for name in NAMES)),
        ([key, *(f"{one[key][0]:.0f}, {one[key][1]:.1f} x {one[key][2]:.1f}" for one in found)] for key in found[0]),
    )


def landmarks_table(jaws: list[Jaw]) -> str:
    origin = [jaw.landmarks["menton"] for jaw in jaws]
    names = [name for name in jaws[0].landmarks.points if not name.endswith("_right") and name != "menton"]
    rows = []
    for name in names:
        points = [jaw.landmarks[name] - start for jaw, start in zip(jaws, origin, strict=True)]
        places = [", ".join(f"{x:.1f}" for x in point) for point in points]
        rows.append([name, *places, *(f"{np.linalg.norm(point - points[-1]):.1f}" for point in points[:-1])])
    head = ("landmark from menton (left, back, up) [mm]", *NAMES, "distance, parametric", "distance, same sizes")
    return table(head, rows)


def outline_table(jaws: list[Jaw]) -> str:
    """Distances between the surfaces after the best rigid fit of the landmarks."""
    real = jaws[-1]
    rows = []
    for name, jaw in zip(NAMES[:-1], jaws[:-1], strict=True):
        points = _onto(jaw, real)
        there = np.abs(real.surface.signed_distance(points[::3]))
        rows.append([name, *(f"{np.percentile(there, p):.1f}" for p in (50, 90, 99))])
    return table(("surface against the real jaw [mm]", "median", "90 %", "99 %"), rows)


def _onto(jaw: Jaw, real: Jaw) -> np.ndarray:
    """Vertices of a jaw moved onto another by the rigid motion that fits the landmarks best."""
    mine, theirs = jaw.landmarks.array, real.landmarks.array
    u, _, vt = np.linalg.svd((mine - mine.mean(axis=0)).T @ (theirs - theirs.mean(axis=0)))
    rotation = (u @ np.diag([1, 1, np.sign(np.linalg.det(u @ vt))]) @ vt).T
    return (jaw.surface.points - mine.mean(axis=0)) @ rotation.T + theirs.mean(axis=0)


def draw(jaws: list[Jaw]) -> None:
    """Pictures of the jaws side by side in each view, at one scale."""
    PICTURES.mkdir(exist_ok=True)
    for view, direction in VIEWS.items():
        plotter = pv.Plotter(off_screen=True, shape=(1, len(jaws)), window_size=(460 * len(jaws), 420), border=False)
        for k, (jaw, name, colour) in enumerate(zip(jaws, NAMES, COLOURS, strict=True)):
            plotter.subplot(0, k)
            plotter.set_background("white")
            centre = jaw.surface.bounds.mean(axis=0)
            mesh = jaw.surface.polydata.translate(-centre, inplace=False)
            plotter.add_mesh(mesh, color=colour, smooth_shading=True, specular=0.2)
            plotter.add_text(name, font_size=9, color="black")
            up = (0, -1, 0) if view == "above" else (0, 0, 1)
            plotter.camera_position = [tuple(400 * np.array(direction) / np.linalg.norm(direction)), (0, 0, 0), up]
            plotter.enable_parallel_projection()
            plotter.camera.parallel_scale = 64.0
        plotter.screenshot(PICTURES / f"{view}.png")
        plotter.close()


def main(path: str) -> None:
    real = jaw_from_surface(path)
    jaws = [parametric_jaw(), fitted(real), real]
    tables = {"sizes": sizes_table, "sections": sections_table, "landmarks": landmarks_table, "outline": outline_table}
    page = PAGE.read_text(encoding="utf-8") if PAGE.is_file() else ""
    for name, make in tables.items():
        text = make(jaws)
        print(text, end="\n\n")
        place = re.compile(rf"(?<=<!-- {name} -->\n).*?(?=<!-- end {name} -->)", re.DOTALL)
        page = place.sub(lambda _, made=text: f"{made}\n", page)
    if page:
        write_text(PAGE, page)
    draw(jaws)


if __name__ == "__main__":
    main(sys.argv[1])
