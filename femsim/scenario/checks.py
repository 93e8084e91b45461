"""Checks between sections: does every value fit the others, and is every value that was written read by the run?"""

from __future__ import annotations

from collections.abc import Iterator

from pydantic import BaseModel

from femsim.scenario.defaults import cards
from femsim.scenario.irradiation import Irradiation
from femsim.scenario.jaw import Jaw
from femsim.scenario.loading import Loading
from femsim.scenario.quantities import Path, read_quantity
from femsim.scenario.schema import Bone, Plate, Resection, Scenario, Screws, SecondPlate, Source

MOST_SCREWS_ON_BENCH = 6
USUAL_SCREWS = 3


def cross_checks(parts: dict[str, BaseModel | None], source: Source) -> Iterator[tuple[Path, str]]:
    """Yield the path and sentence of every contradiction between the sections that are valid by themselves.

    Parameters
    ----------
    parts : dict
        Section name to section; a section that is itself wrong is left out.
    source : Source
        For the folder that file names are relative to.
    """
    yield from _dose_files(parts.get("irradiation"), source)
    simulate = parts.get("simulate")
    healthy = "irradiation" in parts and parts["irradiation"] is None
    if healthy and simulate is not None and "refresh_moduli" in simulate.model_fields_set:
        yield ("simulate", "refresh_moduli"), "the bone of a jaw without irradiation does not age; remove this key"
    jaw = parts.get("jaw")
    if not isinstance(jaw, Jaw):
        return
    yield from _jaw_files(jaw, source)
    bone = parts.get("bone")
    if jaw.ct is not None and isinstance(bone, Bone) and bone.cortical == "orthotropic":
        yield ("bone", "cortical"), "the moduli of a CT are isotropic; write isotropic, or remove jaw.ct"
    if "resection" in parts:
        yield from _resection_and_jaw(jaw, parts["resection"])
    if jaw.bench_block is not None:
        yield from _bench(parts)
    else:
        yield from _teeth_that_are_gone(parts)
    yield from _drawn_plates(parts, source)
    for path, screws in _all_screws(parts):
        yield from _middle_screws(parts.get("resection"), screws, path)


def _jaw_files(jaw: Jaw, source: Source) -> Iterator[tuple[Path, str]]:
    for key, name in (("surface", jaw.surface), ("labels", jaw.labels)):
        if name is not None and not (source.folder / name).is_file():
            yield ("jaw", key), f"no file {name!r} in {source.folder}"
    if jaw.ct is not None and not (source.folder / jaw.ct.image).exists():
        yield ("jaw", "ct", "image"), f"no file or folder {jaw.ct.image!r} in {source.folder}"


def _all_screws(parts: dict[str, BaseModel | None]) -> Iterator[tuple[Path, Screws]]:
    screws, second = parts.get("screws"), parts.get("second_plate")
    if isinstance(screws, Screws):
        yield ("screws",), screws
    if isinstance(second, SecondPlate):
        yield ("second_plate", "screws"), second.screws


def _drawn_plates(parts: dict[str, BaseModel | None], source: Source) -> Iterator[tuple[Path, str]]:
    """Files of drawn plates, and keys that their own holes leave unread."""
    for path, screws in _all_screws(parts):
        key = "plate" if path == ("screws",) else "second_plate"
        plate = parts.get(key)
        if not isinstance(plate, Plate) or plate.surface is None:
            continue
        for name in ("surface", "holes"):
            file = getattr(plate, name)
            if isinstance(file, str) and not (source.folder / file).is_file():
                yield (key, name), f"no file {file!r} in {source.folder}"
        for name in ("per_stump", "distance_measured"):
            if name in screws.model_fields_set:
                yield (*path, name), "the holes of the drawn plate say where its screws stand; remove this key"
        graft = parts.get("graft")
        if key == "plate" and graft is not None and "screws" in graft.model_fields_set:
            yield ("graft", "screws"), "the holes of the drawn plate say where its screws stand; remove this key"


def _middle_screws(resection: BaseModel | None, screws: Screws, path: Path) -> Iterator[tuple[Path, str]]:
    if not isinstance(resection, Resection):
        return
    count = screws.per_stump
    if len(resection.parts) == 1 and count.middle is not None:
        yield (*path, "per_stump", "middle"), "one segment leaves no piece of bone in the middle; remove this key"
    elif len(resection.parts) > 1 and count.middle is None and count.mesial != count.distal:
        yield (*path, "per_stump"), "several segments leave bone between them; write middle: too"


def _resection_and_jaw(jaw: Jaw, resection: BaseModel | None) -> Iterator[tuple[Path, str]]:
    if jaw.bench_block is not None and resection is not None:
        yield ("resection",), "the bench block has its own gap and no resection; remove this section"
    if jaw.bench_block is None and resection is None:
        yield ("resection",), "the key 'resection' is missing; write for example {side: left, from: 33, to: 37}"


def _bench(parts: dict[str, BaseModel | None]) -> Iterator[tuple[Path, str]]:
    plate, screws = parts.get("plate"), parts.get("screws")
    if isinstance(plate, Plate) and plate.surface is not None:
        yield ("plate", "surface"), "the bench block takes a straight plate of a preset; remove this key"
    if plate is not None and "height" in plate.model_fields_set:
        yield ("plate", "height"), "the bench block has no lower border and does not read plate.height; remove it"
    if plate is not None and "countersink" in plate.model_fields_set:
        yield ("plate", "countersink"), "every hole of the bench block holds a screw; remove this key"
    if isinstance(screws, Screws):
        number = screws.per_stump
        if number.mesial != number.distal or number.mesial > MOST_SCREWS_ON_BENCH:
            text = f"the bench block takes one number for both blocks, 1 to {MOST_SCREWS_ON_BENCH}"
            yield ("screws", "per_stump"), text
        if "distance_measured" in screws.model_fields_set:
            yield ("screws", "distance_measured"), "the screws of the bench block stand upright; remove this key"
        if screws.holes:
            yield ("screws", "holes"), "the bench block does not read single holes; remove this key"
    if parts.get("graft") is not None:
        yield ("graft",), "the bench block takes no graft; remove this section"
    if parts.get("second_plate") is not None:
        yield ("second_plate",), "the bench block takes one plate; remove this section"
    loading = parts.get("loading")
    if isinstance(loading, Loading):
        for k, task in enumerate(loading.tasks):
            if task.bite != "tip":
                yield ("loading", "tasks", k, "bite"), f"the bench block has no teeth ({task.bite!r}); write tip"
            elif task.activation != "PULL":
                yield (
                    ("loading", "tasks", k, "activation"),
                    "the bench block has no muscles; write PULL or leave it out",
                )
    irradiation = parts.get("irradiation")
    if isinstance(irradiation, Irradiation):
        for below, centre in irradiation.centres():
            if isinstance(centre, int):
                text = f"the bench block has no tooth {centre}; write a point such as [0 mm, 5 mm, 0 mm]"
                yield ("irradiation", *below), text


def _dose_files(irradiation: BaseModel | None, source: Source) -> Iterator[tuple[Path, str]]:
    if isinstance(irradiation, Irradiation):
        for below, name in irradiation.files():
            kind, place = ("folder" if below[-1] == "folder" else "file"), source.folder / name
            if not (place.is_dir() if kind == "folder" else place.is_file()):
                yield ("irradiation", *below), f"no {kind} {name!r} in {source.folder}"


def _teeth_that_are_gone(parts: dict[str, BaseModel | None]) -> Iterator[tuple[Path, str]]:
    loading, resection = parts.get("loading"), parts.get("resection")
    if not isinstance(loading, Loading):
        return
    parts_removed = resection.parts if isinstance(resection, Resection) else ()
    removed = {tooth for part in parts_removed for tooth in part.removed}
    for k, task in enumerate(loading.tasks):
        gone = [tooth for part in task.parts for tooth in part.teeth if tooth in removed]
        if task.bite == "tip":
            yield ("loading", "tasks", k, "bite"), "'tip' is the end of the bench block; name a tooth of the jaw"
        elif gone:
            text = f"bite {task.bite!r} needs tooth {gone[0]}, which the resection removes; choose another bite"
            yield ("loading", "tasks", k, "bite"), text
        elif task.activation == "PULL":
            yield ("loading", "tasks", k, "activation"), "PULL belongs to the bench block; write INC, ICP, RMOL or LMOL"


def notices(scenario: Scenario) -> Iterator[str]:
    """Yield sentences about values that are allowed but unusual."""
    at = scenario.source.at
    fewest = min(scenario.screws.per_stump.mesial, scenario.screws.per_stump.distal)
    if fewest < USUAL_SCREWS and scenario.plate.surface is None and scenario.jaw.bench_block is None:
        yield f"{at(('screws', 'per_stump'))}: {fewest} screws per stump are fewer than the usual {USUAL_SCREWS}"
    thickness, width = scenario.plate.thickness, scenario.plate.width
    if thickness > width:
        where = at(("plate", "thickness"))
        yield f"{where}: a plate of {thickness:g} mm thickness is thicker than its width of {width:g} mm"
    for name, law in scenario.irradiation.laws() if scenario.irradiation is not None else ():
        yield f"{at(('irradiation', 'own_laws', name))}: runs the Python file {law.path!r}; only run what you trust"
    for name, text in scenario.parameters.items():
        entry = cards().entry(name)
        if entry.range and not entry.range[0] <= read_quantity(text, entry.unit) <= entry.range[1]:
            limits = f"{entry.range[0]:g} to {entry.range[1]:g} {entry.unit}".strip()
            yield f"{at(('parameters', name))}: {name} = {text} is outside the range of its card, {limits}"
