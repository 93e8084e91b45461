"""What a CT says about the bone of a model: bounds of its modulus and how much of it the law could not tell."""

from __future__ import annotations

from typing import Any

import numpy as np

from femsim.fem.density import MeasuredBone
from femsim.fem.model import StaticModel
from femsim.geometry.graft import Graft


def density_record(model: StaticModel, measured: MeasuredBone, graft: Graft | None) -> dict[str, Any]:
    """Return the bounds of the healthy modulus of the jaw's own bone; shares are of its volume.

    The modulus is that before irradiation; what irradiation leaves of it is told by the tissue.
    """
    points = model.space.quadrature_points()[model.bone_cells].reshape(-1, 3)
    volumes = model.space.quadrature_volumes()[model.bone_cells].ravel()
    if graft is not None:
        own = ~(graft.in_struts(points) | graft.in_unions(points))
        points, volumes = points[own], volumes[own]
    bone = measured.at(points)
    order = np.argsort(bone.young)
    median = bone.young[order][np.searchsorted(np.cumsum(volumes[order]), 0.5 * volumes.sum())]

    def share(mask: np.ndarray) -> float:
        return float(volumes[mask].sum() / volumes.sum())

    return {
        "scan": measured.scan.name,
        "points": len(points),
        "young_min_mpa": float(bone.young.min()),
        "young_median_mpa": float(median),
        "young_max_mpa": float(bone.young.max()),
        "cap_mpa": measured.law.cap,
        "capped_share": share(bone.capped),
        "softest_mpa": measured.law.softest,
        "raised_share": share(bone.raised),
        "cortical_share": share(bone.cortical),
        "cortical_threshold_g_cm3": measured.law.threshold,
        "hounsfield_min": float(bone.hounsfield.min()),
        "hounsfield_max": float(bone.hounsfield.max()),
    }


def density_sentence(record: dict[str, Any]) -> str:
    """Tell the bounds in one sentence."""
    text = (
        f"bone from the CT: healthy modulus {record['young_min_mpa']:,.0f} to {record['young_max_mpa']:,.0f} MPa, "
        f"median {record['young_median_mpa']:,.0f} MPa; {100 * record['capped_share']:.2g} % of the volume at the cap "
        f"of {record['cap_mpa']:,.0f} MPa"
    )
    if record["softest_mpa"] is not None:
        text += f", {100 * record['raised_share']:.2g} % raised to the softest, {record['softest_mpa']:g} MPa"
    return text
