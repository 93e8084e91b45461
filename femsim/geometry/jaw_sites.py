"""Muscle, joint and bite sites of an operated jaw: where they lie on its surface and which were lost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from femsim.errors import GeometryError, InputError
from femsim.geometry.arch import LOWER_TEETH, Arch
from femsim.geometry.muscles import NAMES, SIDES, mapped_muscles
from femsim.geometry.resection import Resection
from femsim.geometry.sites import BiteSite, Foundation, LoadSite, site_triangles
from femsim.geometry.surface import Surface
from femsim.parameters import ParameterSet

TOOTH_WORDS = {3: "canine", 4: "first-premolar", 5: "second-premolar", 6: "first-molar", 7: "second-molar"}

BITE_TEETH: dict[str, tuple[int, ...]] = {
    "incisal": (31, 41),
    "intercuspal": (36, 46),
    **{f"left-{word}": (30 + k,) for k, word in TOOTH_WORDS.items()},
    **{f"right-{word}": (40 + k,) for k, word in TOOTH_WORDS.items()},
    **{f"tooth-{fdi}": (fdi,) for fdi in LOWER_TEETH},
}
"""Bite name to the teeth it rests on."""

STANDARD_BITES = (
    "incisal",
    "intercuspal",
    *(f"{side}-{word}" for side in SIDES for word in ("canine", "first-premolar", "first-molar")),
)
"""Bites prepared when none are asked for."""

CROWN_REACH = 3.0
"""The highest point of the surface within this horizontal distance [mm] of a tooth's place is taken as its crown."""

CROWN_ABOVE = 8.0
"""Surface higher than this [mm] above the occlusal plane is ramus or coronoid, not a crown."""

OFF_BONE = 12.0
"""A mapped attachment farther than this [mm] from the bone means that the landmarks do not suit the surface."""


def on_surface(surface: Surface, point: np.ndarray) -> np.ndarray:
    """Nearest point of a surface, shape (3,)."""
    _, nearest = surface.polydata.find_closest_cell(np.asarray(point, dtype=float), return_closest_point=True)
    return np.asarray(nearest, dtype=float)


def jaw_loads(
    surface: Surface,
    resection: Resection,
    parameters: ParameterSet,
    landmarks: Mapping[str, np.ndarray],
    lost: Sequence[str] = (),
) -> tuple[tuple[LoadSite, ...], tuple[str, ...]]:
    """Muscle sites that remain, and the lost muscles with their reason.

    A muscle is lost when its attachment, or more than half of its attachment's area, lies in the removed part.

    Parameters
    ----------
    surface : Surface
    resection : Resection
    parameters : ParameterSet
        Card ``muscles``.
    landmarks : mapping
    lost : sequence of str
        Muscles that the surgeon detaches besides, for example ``"AT_left"``.

    Raises
    ------
    InputError
        ``lost`` names no muscle.
    GeometryError
        An attachment lands far from the bone.
    """
    muscles = mapped_muscles(parameters, landmarks)
    names = [muscle.name for muscle in muscles]
    for name in lost:
        if name not in names:
            raise InputError(f"muscles: no muscle {name!r} to detach; allowed are {', '.join(names)}")
    sites, dropped = [], []
    for muscle in muscles:
        point = on_surface(surface, muscle.point)
        if np.linalg.norm(point - muscle.point) > OFF_BONE:
            raise GeometryError(
                f"muscles: the attachment of {NAMES[muscle.code]} ({muscle.side}) falls "
                f"{np.linalg.norm(point - muscle.point):.0f} mm beside the bone, at most {OFF_BONE:g} mm are allowed; "
                "check the landmarks"
            )
        site = LoadSite(
            name=muscle.name,
            point=point,
            direction=muscle.direction,
            radius=muscle.radius,
            force_max=muscle.force,
            muscle=NAMES[muscle.code],
            side=muscle.side,
        )
        share = _removed_share(site, surface, resection)
        if muscle.name in lost:
            dropped.append(f"{muscle.name} ({site.muscle}, {muscle.side}): detached by the surgeon")
        elif share > 0.5 or resection.removed(point[None])[0]:
            dropped.append(
                f"{muscle.name} ({site.muscle}, {muscle.side}): {100 * share:.0f} % of its attachment is in the "
                f"removed part"
            )
        else:
            sites.append(site)
    return tuple(sites), tuple(dropped)


def _removed_share(site: LoadSite, surface: Surface, resection: Resection) -> float:
    patch = site_triangles(site, surface)
    area = np.linalg.norm(surface.area_vectors[patch], axis=1)
    removed = resection.removed(surface.corners[patch].mean(axis=1))
    return float(area[removed].sum() / area.sum())


def jaw_foundations(
    surface: Surface, resection: Resection, parameters: ParameterSet, landmarks: Mapping[str, np.ndarray]
) -> tuple[Foundation, ...]:
    """Both condyles on a layer of disc (Winkler: confined modulus and shear modulus over thickness).

    Raises
    ------
    GeometryError
        A condyle lies in the removed part.
    """
    young, poisson = parameters["loads.disc.young"], parameters["loads.disc.poisson"]
    thickness, radius = parameters["loads.disc.thickness"], parameters["loads.condyle.radius"]
    confined = young * (1 - poisson) / ((1 + poisson) * (1 - 2 * poisson))
    shear = young / (2 * (1 + poisson))
    foundations = []
    for side in SIDES:
        point = on_surface(surface, landmarks[f"condyle_{side}"])
        if resection.removed(point[None])[0]:
            raise GeometryError(
                f"resection: the {side} condyle lies in the removed part; a plate needs a stump with its joint, "
                "move the cut"
            )
        up = Foundation("cap", point, np.array([0.0, 0.0, 1.0]), radius, 0.0, 0.0)
        normal = surface.area_vectors[site_triangles(up, surface)].sum(axis=0)
        foundations.append(
            Foundation(
                name=f"condyle_{side}",
                point=point,
                normal=normal / np.linalg.norm(normal),
                radius=radius,
                stiffness_normal=confined / thickness,
                stiffness_tangential=shear / thickness,
            )
        )
    return tuple(foundations)


def jaw_bites(
    surface: Surface,
    arch: Arch,
    resection: Resection,
    parameters: ParameterSet,
    landmarks: Mapping[str, np.ndarray],
    names: Sequence[str] | None = None,
) -> tuple[BiteSite, ...]:
    """Bite sites by name; without names every standard bite whose teeth remain.

    Raises
    ------
    InputError
        Unknown bite, or a tooth of a wanted bite was removed.
    """
    sites = []
    for name in STANDARD_BITES if names is None else dict.fromkeys(names):
        if name not in BITE_TEETH:
            raise InputError(
                f"bite {name!r} is unknown; allowed are {', '.join(n for n in BITE_TEETH if 'tooth' not in n)} "
                "or tooth-NN by FDI number"
            )
        gone = [fdi for fdi in BITE_TEETH[name] if resection.removes(arch.tooth(fdi)[1])]
        if gone:
            if names is None:
                continue
            raise InputError(
                f"bite {name!r}: tooth {gone[0]} is in the removed part ({resection.words}); "
                "choose a bite on teeth that remain"
            )
        teeth = BITE_TEETH[name]
        if name == "incisal":
            points = on_surface(surface, landmarks["incisor"])[None]
        else:
            points = np.array([occlusal_point(surface, arch, landmarks, fdi) for fdi in teeth])
        sites.append(BiteSite(name, points[0], np.array([0.0, 0.0, -1.0]), parameters["loads.bite.radius"], points[1:]))
    return tuple(sites)


def occlusal_point(surface: Surface, arch: Arch, landmarks: Mapping[str, np.ndarray], fdi: int) -> np.ndarray:
    """Top of a tooth (or of the alveolar crest where there is no tooth), shape (3,) [mm]."""
    side = "left" if fdi < 40 else "right"
    molar = np.asarray(landmarks[f"first_molar_{side}"], dtype=float)
    if fdi % 10 == 6:
        return on_surface(surface, molar)
    ends = np.array([landmarks["incisor"], molar])
    s_ends, n_ends, z_ends = arch.locate(ends)
    s = np.array([arch.tooth(fdi)[1]])
    share = np.clip(abs(s) / abs(s_ends[1]), 0.0, 1.0)
    n = n_ends[0] + share * (n_ends[1] - n_ends[0])
    z = z_ends[0] + share * (z_ends[1] - z_ends[0])
    place = arch.unrolled(s, n, z)[0]
    flat = np.linalg.norm(surface.points[:, :2] - place[:2], axis=1)
    crown = np.flatnonzero((flat < CROWN_REACH) & (surface.points[:, 2] < place[2] + CROWN_ABOVE))
    if len(crown) == 0:
        return on_surface(surface, place)
    return surface.points[crown[np.argmax(surface.points[crown, 2])]]
