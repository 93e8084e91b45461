"""Meshes that come with femsim, so that a first run needs no meshing: found by the key on their cards."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from ruamel.yaml import YAML, YAMLError

# Beside the package in a source tree; inside it in an installed one (setup.py puts them there).
_PACKAGE = Path(__file__).resolve().parents[1]
FOLDERS = (_PACKAGE / "meshes", _PACKAGE.parent / "meshes")


def shipped_file(key: str) -> Path | None:
    """The shipped mesh file with this key, or None.

    Parameters
    ----------
    key : str
        From :func:`femsim.mesh.cache.mesh_key`.
    """
    return next((files[key] for files in map(_files, FOLDERS) if key in files), None)


@cache
def _files(folder: Path) -> dict[str, Path]:
    """Mesh files of a folder by the keys on their cards."""
    found: dict[str, Path] = {}
    for card in sorted(folder.glob("*.yaml")):
        try:
            content = YAML(typ="safe").load(card.read_text(encoding="utf-8"))
        except (OSError, YAMLError):
            # A card that cannot be read names no mesh; the mesh is then made as any other.
            continue
        if isinstance(content, dict) and "key" in content:
            found[str(content["key"])] = card.with_suffix(".npz")
    return found
