"""Make the shipped meshes again: ``python meshes/make``.

A mesh whose card has the key of its scenario's geometry is left alone, so the command costs nothing when nothing has
changed. ``--check`` only tells which are out of date; ``--again`` makes every mesh anew.
"""

from __future__ import annotations

import argparse
import io
from importlib.metadata import version
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from femsim import __version__
from femsim.durable import write_text
from femsim.errors import InputError
from femsim.mesh import BONE, PLATE, SCREW_FIRST, Mesh, build_mesh, load_mesh, mesh_key, save_mesh
from femsim.mesh.cache import ROUTE_VERSION
from femsim.pipeline import Hooks
from femsim.pipeline.setting import Setting, prepare
from femsim.scenario import load_scenario

FOLDER = Path(__file__).resolve().parents[1]
SCENARIOS = FOLDER.parent / "scenarios"
SHIPPED = ("60gy-12-months", "bench-block")
COMMAND = "python meshes/make"


def setting_of(name: str) -> Setting:
    """Geometry and sizing of a shipped mesh's scenario."""
    return prepare(load_scenario(SCENARIOS / f"{name}.yaml"), Hooks())


def up_to_date(name: str, key: str) -> bool:
    """Whether the shipped mesh can be read and its card has this key."""
    card = FOLDER / f"{name}.yaml"
    if not card.is_file() or YAML(typ="safe").load(card.read_text(encoding="utf-8")).get("key") != key:
        return False
    try:
        load_mesh(card.with_suffix(".npz"))
    except InputError:
        return False
    return True


def card_of(name: str, setting: Setting, mesh: Mesh, key: str) -> dict[str, Any]:
    """What a person must know about a mesh before using it."""
    operation = setting.operation
    names = {BONE: "bone"}
    names |= {PLATE + number: plate.name for number, plate in enumerate(operation.plates)}
    names |= {SCREW_FIRST + number: screw.name for number, screw in enumerate(operation.screws)}
    return {
        "mesh": f"{name}.npz",
        "scenario": f"scenarios/{name}.yaml",
        "key": key,
        "units": "mm",
        "elements": "tetrahedra with straight edges, four vertices each; femsim solves them with ten nodes",
        "regions": names,
        "sets": "interface_*: the faces that each screw shares with bone, from both sides; component: pieces of bone",
        "licence": "BSD-3-Clause, as femsim; the geometry is parametric, no patient's data are in it",
        "made": {
            "command": COMMAND,
            "sizing": setting.scenario.mesh.preset,
            "femsim": __version__,
            "route": ROUTE_VERSION,
            "pytetwild": version("pytetwild"),
        },
        "quality": mesh.quality,
    }


def write_card(path: Path, card: dict[str, Any]) -> None:
    """Write a card as YAML, numbers to four digits."""
    stream = io.StringIO()
    yaml = YAML()
    yaml.width = 110
    yaml.dump(_rounded(card), stream)
    write_text(path, stream.getvalue())


def _rounded(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _rounded(one) for key, one in value.items()}
    if isinstance(value, list):
        return [_rounded(one) for one in value]
    return float(f"{value:.4g}") if isinstance(value, float) else value


def main() -> int:
    """Bring every shipped mesh up to date; 1 when ``--check`` finds one that is not."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="only tell which meshes are out of date")
    parser.add_argument("--again", action="store_true", help="make every mesh anew")
    arguments = parser.parse_args()
    stale = 0
    for name in SHIPPED:
        setting = setting_of(name)
        key = mesh_key(setting.operation, setting.sizing)
        if up_to_date(name, key) and not arguments.again:
            print(f"{name}: up to date ({key})")
            continue
        stale += 1
        if arguments.check:
            print(f"{name}: out of date; ship it again: {COMMAND}")
            continue
        mesh = build_mesh(setting.operation, setting.sizing)
        path = save_mesh(mesh, FOLDER / f"{name}.npz")
        write_card(path.with_suffix(".yaml"), card_of(name, setting, mesh, key))
        print(f"{name}: {mesh.quality['tets']} tetrahedra, {path.stat().st_size / 1e6:.2f} MB ({key})")
    return 1 if arguments.check and stale else 0


if __name__ == "__main__":
    raise SystemExit(main())
