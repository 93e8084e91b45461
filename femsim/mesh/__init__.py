"""Arrangement to tagged tetrahedra, interface faces, quality, cache, files."""

from femsim.mesh.cache import cached_mesh, default_cache_dir, mesh_key
from femsim.mesh.files import load_mesh, read_mesh, save_mesh, write_mesh
from femsim.mesh.sizing import Sizing
from femsim.mesh.tetmesh import BONE, PLATE, SCREW_FIRST, Interface, Mesh
from femsim.mesh.tetrahedra import build_mesh

__all__ = [
    "BONE",
    "PLATE",
    "SCREW_FIRST",
    "Interface",
    "Mesh",
    "Sizing",
    "build_mesh",
    "cached_mesh",
    "default_cache_dir",
    "load_mesh",
    "mesh_key",
    "read_mesh",
    "save_mesh",
    "write_mesh",
]
