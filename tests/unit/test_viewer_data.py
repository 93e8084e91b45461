"""What the 3-D viewer is given: packed numbers within half a step, small, and a page under a strict policy."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from pathlib import Path

import numpy as np
import pytest
import pyvista as pv
from viewer_models import DEFLECTION, DOSE, HEADS, LOOSE_DAY, SIZE, written_run

from femsim.errors import InputError
from femsim.mesh.tetmesh import PLATE, outer_faces, tet_volumes
from femsim.report import viewer_data
from femsim.report.catalogue import load_catalogue
from femsim.report.viewer_block import viewer_block
from femsim.report.viewer_data import FIELDS, Part, colour_maps, pack_run, quantised, thinned
from femsim.results import RunFolder, write_json

VIEWER = Path(viewer_data.__file__).parent / "viewer"
BUNDLE = VIEWER / "viewer.min.js"
LARGEST_BUNDLE = 900_000


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    return written_run(tmp_path_factory.mktemp("viewer"))


def unpacked(packed: dict) -> np.ndarray:
    level = np.frombuffer(base64.b64decode(packed["data"]), dtype="<u2").reshape(-1, packed["columns"])
    return np.array(packed["low"]) + np.array(packed["step"]) * level


def corners(packed: dict, width: int) -> np.ndarray:
    kind = "<u2" if packed["bits"] == 16 else "<u4"
    return np.frombuffer(base64.b64decode(packed["data"]), dtype=kind).reshape(-1, width)


def test_numbers_come_back_within_half_a_step():
    """16 bits between smallest and largest value of each column; a constant column comes back exactly."""
    values = np.column_stack([np.random.default_rng(1).normal(size=500), np.full(500, 7.25)])
    back = unpacked(quantised(values))
    assert np.abs(back - values).max() <= np.ptp(values[:, 0]) / 65535 / 2 * 1.0001
    assert (back[:, 1] == 7.25).all()


def test_surface_encloses_the_tetrahedra():
    """Triangles wound outwards enclose the volume of their tetrahedra (divergence theorem); shared faces are gone."""
    from viewer_models import brick

    points, tets = brick((0, 0, 0), (2, 3, 4), (2, 2, 2))
    a, b, c = points[outer_faces(tets)[0]].transpose(1, 0, 2)
    assert np.abs(tet_volumes(points, tets)).sum() == pytest.approx(24.0)
    assert abs(np.einsum("ij,ij->", a, np.cross(b, c)) / 6) == pytest.approx(24.0)
    assert len(a) == 6 * 4 * 2


def test_fields_at_points_follow_the_elements(folder: RunFolder):
    """A dose that rises evenly along x is found again at the points, in Gy, but for the width of an element."""
    packed = pack_run(folder)
    bone = next(part for part in packed["parts"] if part["kind"] == "bone")
    x = unpacked(bone["points"])[:, 0]
    dose = unpacked(bone["fields"]["eqd2"]["surgery"])[:, 0]
    assert np.abs(dose - DOSE * x / SIZE).max() < 2.0 * DOSE / SIZE
    assert packed["ranges"]["eqd2"]["low"] == 0
    moved = unpacked(bone["moved"]["end"])
    assert moved[:, 2] == pytest.approx(2 * DEFLECTION * x / SIZE, abs=1e-4)
    assert set(bone["fields"]["eqd2"]) == {"surgery"}
    assert set(bone["fields"]["strain"]) == {"surgery", "end"}


def test_second_plate_is_a_plate(tmp_path: Path):
    """Half of the plate's elements given the number of a second plate are packed as another plate, not as a screw."""
    folder = written_run(tmp_path)
    for path in (folder / "fields").glob("*.vtu"):
        grid = pv.read(path)
        region = np.asarray(grid.cell_data["region"]).copy()
        region[np.flatnonzero(region == PLATE)[::2]] = PLATE + 1
        grid.cell_data["region"] = region
        grid.save(path)
    kinds = [part["kind"] for part in pack_run(folder)["parts"]]
    assert kinds.count("plate") == 2
    assert kinds.count("screw") == len(HEADS)


def test_parts_are_whole_and_separate(folder: RunFolder):
    """Bone, plate and each screw are bodies of their own, with indices inside their points."""
    packed = pack_run(folder)
    assert [(part["kind"], part["screw"]) for part in packed["parts"]] == [
        ("bone", -1),
        ("plate", -1),
        *(("screw", k) for k in range(len(HEADS))),
    ]
    for part in packed["parts"]:
        count = len(unpacked(part["points"]))
        assert corners(part["tets"], 4).max() == count - 1
        assert corners(part["triangles"], 3).max() < count
    assert packed["section"] == "filled"


def test_large_runs_are_made_smaller(folder: RunFolder):
    """What is too large loses its inside first, is thinned next, and says so; it never grows past the limit."""
    whole = len(json.dumps(pack_run(folder)))
    hollow = pack_run(folder, largest=whole - 1)
    assert hollow["section"] == "hollow"
    assert all(not part["tets"]["data"] for part in hollow["parts"])
    size = len(json.dumps(hollow))
    assert size < whole
    assert len(json.dumps(pack_run(folder, largest=size * 3 // 4))) <= size * 3 // 4


def test_thinning_merges_points_of_a_cube():
    """Two triangles over nearly the same corners become one, with mean places and values."""
    points = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [0.1, 0, 0], [1.1, 0, 0]], dtype=float)
    triangles = np.array([[0, 1, 2], [3, 4, 2], [0, 3, 2]])
    part = Part("bone", -1, points, triangles, np.empty((0, 4), int), {("eqd2", "surgery"): np.arange(5.0)}, {})
    merged = thinned(part, 0.6)
    assert len(merged.points) == 3
    assert len(merged.triangles) == 1
    assert sorted(merged.values["eqd2", "surgery"]) == [1.5, 2.0, 2.5]


def test_long_courses_keep_the_days_of_events(tmp_path: Path):
    """A slider needs a few hundred days, and among them each day on which something happened."""
    event = {"day": LOOSE_DAY, "kind": "screw loose", "subject": "screw-4", "text": ""}
    packed = pack_run(written_run(tmp_path, days=3001, events=[event]))
    days = packed["timeline"]["days"]
    assert len(days) <= viewer_data.MOST_DAYS + 1
    assert LOOSE_DAY in days
    assert days[-1] == 300.0
    holding = packed["timeline"]["columns"]["holding_ratio"]
    assert holding[0][-1] == pytest.approx(90.0)
    assert {len(course) for course in holding} == {len(days)}


def test_run_without_results_shows_its_surfaces(tmp_path: Path):
    """A run stopped before its fields has no course; one without any surface is refused with what to try."""
    from femsim.results.fields import write_surface

    folder = RunFolder.create(tmp_path, "early", "01234567")
    write_json(folder / "run.json", {"kind": "femsim run", "format": 1, "title": "Early", "status": "failed"})
    with pytest.raises(InputError, match="no surfaces to show; run the scenario"):
        pack_run(folder)
    (folder / "surfaces").mkdir()
    write_surface(folder / "surfaces" / "bone.vtp", np.eye(3), np.array([[0, 1, 2]]))
    packed = pack_run(folder)
    assert [part["kind"] for part in packed["parts"]] == ["bone"]
    assert packed["timeline"]["days"] == []
    assert packed["ranges"] == {}
    assert packed["status"] == "failed"


def test_scales_reach_what_they_must(folder: RunFolder):
    """Shares reach the healthy value, loads start at zero, and the true highest value is told beside a cut scale."""
    ranges = pack_run(folder)["ranges"]
    assert ranges["bonded"]["high"] == 100.0
    assert ranges["von_mises"]["low"] == 0.0
    assert ranges["von_mises"]["high"] <= ranges["von_mises"]["max"]
    assert ranges["strain"]["max"] == pytest.approx(2000, rel=0.05)


def test_maps_grow_evenly_in_lightness():
    """A perceptually uniform map climbs or falls in lightness in nearly even steps (CIE L*)."""
    for name, text in colour_maps().items():
        rgb = np.frombuffer(base64.b64decode(text), dtype=np.uint8).reshape(256, 3) / 255
        linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
        light = 116 * np.cbrt(linear @ [0.2126, 0.7152, 0.0722]) - 16
        steps = np.diff(light[::15])
        assert (np.sign(steps) == np.sign(steps[0])).all(), name
        assert np.abs(steps).max() < 2 * np.abs(steps).mean(), name


def test_policy_allows_exactly_this_script(folder: RunFolder):
    """The hashes handed to the page are those of the script and style between the tags, as a browser computes them."""
    block = viewer_block([pack_run(folder)])
    script = re.findall(r"<script>(.*?)</script>", block.markup, re.DOTALL)
    style = re.findall(r"<style>(.*?)</style>", block.markup, re.DOTALL)
    for found, source in ((script, block.script_source), (style, block.style_source)):
        assert len(found) == 1
        digest = base64.b64encode(hashlib.sha256(found[0].encode()).digest()).decode()
        assert source == f"'sha256-{digest}'"


def test_data_cannot_leave_its_element(tmp_path: Path):
    """A title is text, whatever stands in it."""
    block = viewer_block([pack_run(written_run(tmp_path, title="</script><img src=x onerror=alert(1)>"))])
    assert "</script><img" not in block.markup
    assert "<img" not in block.markup
    assert block.markup.count("</script>") == 2


def test_number_of_designs_is_limited(folder: RunFolder):
    """More than four views cannot be read side by side."""
    packed = pack_run(folder)
    for count in (0, 5):
        with pytest.raises(InputError, match="shows one to 4"):
            viewer_block([packed] * count)


def test_bundle_is_small_closed_and_current():
    """The committed bundle asks for nothing, evaluates nothing, names its licence and was made from these sources."""
    text = BUNDLE.read_text(encoding="utf-8")
    assert len(text.encode()) < LARGEST_BUNDLE
    assert "Permission is hereby granted" in text
    for forbidden in ("eval(", "new Function", "</script", "import(", "new Worker", "WebSocket"):
        assert forbidden not in text, forbidden
    assert set(re.findall(r"https?://[^\"'`\s)]+", text)) <= {"http://www.w3.org/1999/xhtml"}
    digest = hashlib.sha256()
    for path in sorted((VIEWER / "source").iterdir()):
        digest.update(path.read_bytes())
    assert digest.hexdigest() in text[:200], "sources have changed: npm ci && npm run build in femsim/report/viewer"


def test_lockfile_names_no_host():
    """Packages are pinned by their digests, not by where they were fetched."""
    lock = json.loads((VIEWER / "package-lock.json").read_text(encoding="utf-8"))
    assert all("resolved" not in package for package in lock["packages"].values())
    assert lock["packages"]["node_modules/three"]["integrity"]


def test_every_sentence_is_in_the_catalogue():
    """Keys used by the source are in the catalogue and the other way round, so that another language is one file."""
    source = "".join(path.read_text(encoding="utf-8") for path in sorted((VIEWER / "source").iterdir()))
    block = (VIEWER.parent / "viewer_block.py").read_text(encoding="utf-8")
    words = load_catalogue().viewer()
    calls = r"""(?:say|control|tick)\(\s*"(\w+)\""""
    literal = set(re.findall(calls, source)) | set(re.findall(r'words\["(\w+)"\]', block))
    literal |= set(re.findall(r"strings\.(\w+)", source)) | set(re.findall(r'"(section_\w+)"', source))
    literal |= {f"field_{name}" for name in FIELDS}
    assert literal - words.keys() == set()
    prefixes = ("field_", "moment_", "view_", "group_", "state_", "row_", "event_", "letter_")
    assert {key for key in words.keys() - literal if not key.startswith(prefixes)} - {"pause"} == set()


def test_no_word_claims_safety():
    """The one sentence that speaks of safety says that none is claimed."""
    claim = re.compile(r"\b(safe|safety|secure|stable|reliable)\b", re.IGNORECASE)
    sentences = [text for text in load_catalogue().viewer().values() if claim.search(text)]
    assert sentences == [load_catalogue().viewer()["research"]]
