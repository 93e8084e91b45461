"""Synthetic scans: voxels of a body, and images of them as NIfTI files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import pyvista as pv

from femsim.geometry.surface import Surface

RAS = np.diag([-1.0, -1.0, 1.0, 1.0])
Body = Callable[[np.ndarray], np.ndarray]


def raster(low: np.ndarray, high: np.ndarray, step: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Voxel centres (ni, nj, nk, 3) of a box and the matrix that places them."""
    count = np.ceil((high - low) / step).astype(int) + 1
    axes = [low[k] + step[k] * np.arange(count[k]) for k in range(3)]
    matrix = np.diag([*step, 1.0])
    matrix[:3, 3] = low
    return np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1), matrix


def voxels(body: Body, low: np.ndarray, high: np.ndarray, step: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Values of a function of points at the voxel centres of a box, and the matrix."""
    centres, matrix = raster(low, high, step)
    return body(centres.reshape(-1, 3)).reshape(centres.shape[:3]), matrix


def write_nifti(path: Path, values: np.ndarray, matrix: np.ndarray) -> Path:
    """Write an image whose matrix leads to LPS; NIfTI itself counts in RAS."""
    nibabel = pytest.importorskip("nibabel", reason="the optional package nibabel is absent (femsim[images])")
    nibabel.save(nibabel.Nifti1Image(values, RAS @ matrix), path)
    return path


def voxelised(surface: Surface, step: np.ndarray, margin: float = 3.1) -> tuple[np.ndarray, np.ndarray]:
    """Mask of the voxel centres inside a closed surface, and the matrix; fast, by the lines of the image."""
    low, high = surface.bounds[0] - margin, surface.bounds[1] + margin
    count = np.ceil((high - low) / step).astype(int) + 1
    image = pv.ImageData(dimensions=count, spacing=step, origin=low)
    stencil = surface.polydata.voxelize_binary_mask(reference_volume=image, foreground_value=1, background_value=0)
    matrix = np.diag([*step, 1.0])
    matrix[:3, 3] = low
    return np.asarray(stencil["mask"]).reshape(count, order="F").astype(bool), matrix
