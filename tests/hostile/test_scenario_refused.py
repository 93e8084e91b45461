"""Scenario files that must be refused: one sentence per error with file and line; nothing is executed or expanded."""

from __future__ import annotations

import os
import time

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from femsim.errors import InputError
from femsim.scenario import ScenarioError, load_scenario

GOOD = """\
schema: 1
title: test
jaw: {parametric: {}}
resection: {side: left, from: 34, to: 36}
plate: {preset: reconstruction-2.5, height: 9 mm}
screws: {preset: locking-2.4, per_stump: 4, length: bicortical}
irradiation:
  surgery_after: 12 months
  courses: [{prescription: 60 Gy, fractions: 30, field: {target: {centre: 35, radius: 35 mm}}}]
loading: {tasks: [{bite: right-first-molar, force: 150 N}], recovery: [[0, 0.2], [6, 1.0]]}
simulate: {years: 3}
"""
BENCH = {
    "jaw: {parametric: {}}": "jaw: {bench_block: {}}",
    "resection: {side: left, from: 34, to: 36}": "resection: null",
    "plate: {preset: reconstruction-2.5, height: 9 mm}": "plate: {preset: reconstruction-2.5}",
    "bite: right-first-molar": "bite: tip",
    "centre: 35": "centre: [0 mm, 5 mm, 0 mm]",
}

# old text, new text, line of the error, words that the sentence has to contain
TABLE = {
    "wrong unit": ("9 mm", "9 kg", 5, ["plate.height", "'9 kg'", "wrong dimension", "mm"]),
    "unknown unit": ("9 mm", "9 milimeter", 5, ["unknown unit", "milimeter"]),
    "bare number": ("9 mm", "9", 5, ["9 has no unit", "'9 mm'"]),
    "bare number in quotes": ("9 mm", "'9'", 5, ["has no unit", "'9 mm'"]),
    "decimal comma": ("9 mm", "'9,5 mm'", 5, ["decimal point"]),
    "decimal comma between braces": ("9 mm", "9,5 mm", 5, ["has no unit"]),
    "two numbers": ("9 mm", "9 5 mm", 5, ["not one finite number"]),
    "expression": ("9 mm", "9**9**9**9 mm", 5, ["not one finite number"]),
    "not a number": ("9 mm", ".nan", 5, ["not a finite number"]),
    "not a number with unit": ("9 mm", "nan mm", 5, ["not a finite number"]),
    "infinite": ("150 N", "1e999 N", 10, ["not a finite number"]),
    "implausible": ("9 mm", "9 m", 5, ["'9 m'", "3 mm to 30 mm"]),
    "plate touches the bone": ("9 mm", "9 mm, standoff: 0.1 mm", 5, ["'0.1 mm'", "0.2 mm to 5 mm"]),
    "plate hangs below the bone": ("9 mm", "3.5 mm", 5, ["plate.height", "3.5 mm above", "at least 4 mm"]),
    "screw at the cut": ("bicortical", "bicortical, minimal_distance_to_cut: 1 mm", 6, ["'1 mm'", "2 mm to 20 mm"]),
    "unit in the wrong place": ("9 mm", "mm 9", 5, ["not one finite number"]),
    "negative": ("150 N", "-150 N", 10, ["'-150 N'", "0 N to 1200 N"]),
    "quantity is a list": ("9 mm", "[9 mm]", 5, ["is not a quantity"]),
    "quantity is a truth value": ("9 mm", "true", 5, ["is not a quantity"]),
    "unknown key": ("height", "hieght", 5, ["unknown key 'hieght'", "did you mean 'height'?"]),
    "unknown section": ("simulate", "simulation", 11, ["unknown key 'simulation'", "did you mean 'simulate'?"]),
    "unknown word": ("side: left", "side: lefft", 4, ["'lefft'", "left, right", "did you mean 'left'?"]),
    "unknown preset": ("reconstruction-2.5", "reconstruct-2.5", 5, ["did you mean 'reconstruction-2.5'?"]),
    "unknown screw": ("locking-2.4", "locking-2.5", 6, ["known", "locking-2.7"]),
    "unknown length rule": ("bicortical", "bicortcal", 6, ["did you mean 'bicortical'?"]),
    "unknown bite": ("right-first-molar", "right-molar", 10, ["did you mean 'right-first-molar'?"]),
    "unknown size": ("{parametric: {}}", "{parametric: {bigonial: 98 mm}}", 3, ["did you mean 'bigonial_width'?"]),
    "implausible size": ("{parametric: {}}", "{parametric: {bigonial_width: 98 cm}}", 3, ["88 to 110 mm"]),
    "missing key": ("side: left, ", "", 4, ["the key 'side' is missing"]),
    "missing title": ("title: test\n", "", 1, ["the key 'title' is missing"]),
    "wrong schema": ("schema: 1", "schema: 2", 1, ["is 2; allowed is 1"]),
    "text for a whole number": ("fractions: 30", "fractions: thirty", 9, ["a whole number, not 'thirty'"]),
    "fraction for a whole number": ("fractions: 30", "fractions: 30.5", 9, ["a whole number, not 30.5"]),
    "truth value for a whole number": ("per_stump: 4", "per_stump: yes", 6, ["mesial, distal"]),
    "too many screws": ("per_stump: 4", "per_stump: {mesial: 40, distal: 4}", 6, ["40", "at most 8"]),
    "section is a word": (
        "plate: {preset: reconstruction-2.5, height: 9 mm}",
        "plate: thick",
        5,
        ["expects a section"],
    ),
    "section is empty": ("plate: {preset: reconstruction-2.5, height: 9 mm}", "plate:", 5, ["is empty"]),
    "list is a section": ("[[0, 0.2], [6, 1.0]]", "{0: 0.2}", 10, ["expects a list"]),
    "no tasks": ("[{bite: right-first-molar, force: 150 N}]", "[]", 10, ["at least 1"]),
    "upper tooth": ("to: 36", "to: 26", 4, ["26 is not a tooth of the lower jaw"]),
    "tooth on the other side": ("to: 36", "to: 46", 4, ["tooth 46 is not on the left side", "31 to 38"]),
    "teeth in the wrong order": ("from: 34, to: 36", "from: 36, to: 34", 4, ["36 lies behind 34"]),
    "bite on a removed tooth": ("right-first-molar", "35", 10, ["tooth 35, which the resection removes"]),
    "first molar removed": ("right-first-molar", "left-first-molar", 10, ["tooth 36", "removes"]),
    "bench bite in a jaw": ("right-first-molar", "tip", 10, ["end of the bench block"]),
    "tooth and distance": (
        "side: left, from: 34, to: 36",
        "side: midline, from: 44, to: 20 mm",
        4,
        ["one end is a tooth, the other a distance"],
    ),
    "a ramus and an end": ("from: 34, to: 36", "from: 34, to: 36, ramus: 25 mm", 4, ["resection.to", "already ends"]),
    "a ramus on both sides": (
        "side: left, from: 34, to: 36",
        "side: midline, from: 43, ramus: 25 mm",
        4,
        ["resection.side", "write left or right"],
    ),
    "distances from back to front": ("from: 34, to: 36", "from: 50 mm, to: 20 mm", 4, ["50 mm lies behind 20 mm"]),
    "distance without unit": ("from: 34, to: 36", "from: 20.5, to: 36", 4, ["20.5 is not a tooth"]),
    "one end": ("from: 34, to: 36", "from: 34", 4, ["resection.to", "'to' is missing"]),
    "one segment in a list": (
        "{side: left, from: 34, to: 36}",
        "{segments: [{side: left, from: 34, to: 36}]}",
        4,
        ["resection.segments", "at least 2 entries"],
    ),
    "segments and a side": (
        "{side: left, from: 34, to: 36}",
        "{side: left, segments: [{side: left, from: 34, to: 35}, {side: right, from: 44, to: 45}]}",
        4,
        ["resection.side", "move this key"],
    ),
    "bite on the second segment": (
        "{side: left, from: 34, to: 36}",
        "{segments: [{side: left, from: 34, to: 35}, {side: right, from: 45, to: 46}]}",
        10,
        ["tooth 46, which the resection removes"],
    ),
    "planes and a tooth": (
        "{side: left, from: 34, to: 36}",
        "{from: 34, planes: [{point: [25 mm, 0 mm, 9 mm], normal: [0, 1, 0]}, "
        "{point: [40 mm, 0 mm, 9 mm], normal: [0, 1, 0]}]}",
        4,
        ["resection.from", "two planes already say"],
    ),
    "middle screws without a middle": (
        "per_stump: 4",
        "per_stump: {mesial: 4, distal: 4, middle: 3}",
        6,
        ["no piece of bone in the middle"],
    ),
    "no resection": ("resection: {side: left, from: 34, to: 36}\n", "", 1, ["'resection' is missing"]),
    "recovery starts late": ("[[0, 0.2]", "[[1, 0.2]", 10, ["starts at week 1"]),
    "recovery not ascending": ("[6, 1.0]]", "[6, 1.0], [6, 0.5]]", 10, ["week 6 does not come after week 6"]),
    "recovery pair too short": ("[6, 1.0]]", "[6]]", 10, ["an entry is missing"]),
    "load ratio of one": ("force: 150 N", "force: 150 N, load_ratio: 1", 10, ["less than 1"]),
    "load ratio below zero": ("force: 150 N", "force: 150 N, load_ratio: -0.1", 10, ["at least 0"]),
    "no time": ("years: 3", "years: 0", 11, ["more than 0"]),
    "years as text": ("years: 3", "years: '3'", 11, ["a plain number, not '3'"]),
    "two jaws": (
        "{parametric: {}}",
        "{parametric: {}, surface: a.stl}",
        3,
        ["exactly one of", "not parametric and surface"],
    ),
    "no jaw": ("{parametric: {}}", "{}", 3, ["none of them"]),
    "landmarks without surface": ("{parametric: {}}", "{parametric: {}, landmarks: {}}", 3, ["only with a surface"]),
    "unknown landmark": (
        "{parametric: {}}",
        "{surface: a.stl, landmarks: {condyle_lef: [1 mm, 2 mm, 3 mm]}}",
        3,
        ["did you mean 'condyle_left'?"],
    ),
    "missing surface file": ("{parametric: {}}", "{surface: a.stl}", 3, ["no file 'a.stl'"]),
    "two fields": ("{target: {", "{uniform: {}, target: {", 9, ["exactly one of uniform, target"]),
    "point with two numbers": ("centre: 35", "centre: [1 mm, 2 mm]", 9, ["is not a point"]),
    "point without units": ("centre: 35", "centre: [1, 2, 3]", 9, ["1 has no unit"]),
    "unknown parameter": ("years: 3}", "years: 3}\nparameters: {tissue.D5: 40 Gy}", 12, ["did you mean 'tissue.D50'?"]),
    "parameter without unit": ("years: 3}", "years: 3}\nparameters: {tissue.D50: 40}", 12, ["'40 Gy'"]),
    "parameter that a key covers": ("years: 3}", "years: 3}\nparameters: {plates.height: 9 mm}", 12, ["plate.height"]),
    "parameter list": ("years: 3}", "years: 3}\nparameters: 40 Gy", 12, ["expects parameter names"]),
    "key twice": ("title: test", "title: test\ntitle: other", 3, ["'title' is written twice", "line 2"]),
    "deep key twice": ("side: left,", "side: left, side: right,", 4, ["'side' is written twice"]),
    "tab": ("  surgery_after", "\tsurgery_after", 8, ["a tab"]),
    "open bracket": ("[[0, 0.2], [6, 1.0]]", "[[0, 0.2], [6, 1.0]", 10, ["not valid YAML"]),
    "python tag": ("title: test", "title: !!python/object/apply:os.system [exit 3]", 2, ["tag", "not allowed"]),
    "own tag": ("title: test", "title: !run test", 2, ["tag !run", "not allowed"]),
    "key is a list": ("title: test", "title: test\n? [1, 2]\n: 3", 3, ["a key has to be a word"]),
    "control character": ("title: test", "title: te\x07st", 0, ["not allowed"]),
}


def refused(path) -> tuple[str, ...]:
    with pytest.raises(ScenarioError) as caught:
        load_scenario(path)
    assert isinstance(caught.value, InputError)
    assert caught.value.exit_code == 2
    return caught.value.problems


def write(tmp_path, text: str):
    path = tmp_path / "case.yaml"
    path.write_bytes(text.encode("utf-8"))
    return path


def test_the_unchanged_file_is_accepted(tmp_path):
    """The refusals below come from the change alone."""
    assert load_scenario(write(tmp_path, GOOD)).plate.height == 9.0


@pytest.mark.parametrize("case", TABLE)
def test_refused_in_one_sentence(tmp_path, case):
    """Each error names file, line, value and what is allowed, in a single line."""
    old, new, line, words = TABLE[case]
    assert GOOD.count(old) >= 1
    path = write(tmp_path, GOOD.replace(old, new, 1))
    problems = refused(path)
    about = [one for one in problems if all(word in one for word in words)]
    assert about, problems
    assert about[0].startswith(f"{path}:{line}: " if line else f"{path}: ")
    assert all("\n" not in one for one in problems)
    # A misspelled or missing section is reported as unknown and as missing, and a comma splits one value into two.
    assert len(problems) <= (2 if case in ("unknown section", "decimal comma between braces") else 1), problems


def test_all_errors_are_reported_at_once(tmp_path):
    """A person mends a file in one round: every section's errors come together, in the order of the lines."""
    text = GOOD.replace("9 mm", "9").replace("side: left", "side: up").replace("60 Gy", "60 mm").replace("30", "0", 1)
    text = text.replace("right-first-molar", "tip").replace("years: 3", "years: -1")
    problems = refused(write(tmp_path, text))
    lines = [int(one.split("case.yaml:")[1].split(":")[0]) for one in problems]
    assert lines == sorted(lines) == [4, 5, 9, 9, 10, 11]


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("bite: tip", "bite: 46", ["no teeth", "write tip"]),
        ("preset: reconstruction-2.5", "preset: reconstruction-2.5, height: 9 mm", ["does not read plate.height"]),
        ("per_stump: 4", "per_stump: {mesial: 2, distal: 3}", ["one number for both blocks"]),
        ("resection: null", "resection: {side: left, from: 34, to: 36}", ["no resection"]),
        ("[0 mm, 5 mm, 0 mm]", "35", ["no tooth 35"]),
        ("force: 150 N", "force: 150 N, activation: INC", ["no muscles"]),
    ],
)
def test_bench_block_refuses_what_it_does_not_read(tmp_path, old, new, words):
    """A value that a run on the bench block would never read is an error."""
    text = GOOD
    for jaw, bench in BENCH.items():
        text = text.replace(jaw, bench)
    load_scenario(write(tmp_path, text))
    problems = refused(write(tmp_path, text.replace(old, new)))
    assert len(problems) == 1
    assert all(word in problems[0] for word in words), problems


def test_missing_folder_empty_binary_and_large_files(tmp_path):
    """Whatever stands at the path, the answer is one sentence."""
    assert "no such file" in refused(tmp_path / "none.yaml")[0]
    assert "is a folder" in refused(tmp_path)[0]
    for empty in ("", "\n\n", "# only a remark\n", "---\n"):
        assert "is empty" in refused(write(tmp_path, empty))[0]
    for other in ("just words", "- 1\n- 2\n", "42"):
        assert "'key: value'" in refused(write(tmp_path, other))[0]
    path = tmp_path / "case.yaml"
    path.write_bytes(b"schema: 1\ntitle: \xff\xfe\x00")
    assert refused(path) == (f"{path}:2: is not UTF-8 text; save the file as UTF-8",)
    path.write_bytes(os.urandom(4096))
    assert len(refused(path)) == 1
    path.write_bytes(b"a" * 300_000)
    assert "has 300000 bytes" in refused(path)[0]
    assert "not valid YAML" in refused(write(tmp_path, GOOD + "---\n" + GOOD))[0]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_a_pipe_does_not_block(tmp_path):
    """A named pipe in place of a file is refused instead of waited for."""
    path = tmp_path / "pipe.yaml"
    os.mkfifo(path)
    assert "not a regular file" in refused(path)[0]


def test_yaml_bombs_are_harmless(tmp_path):
    """Aliases that multiply, refer to themselves or nest without end are refused within seconds."""
    levels = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    levels += [f"a{k}: &a{k} [{', '.join([f'*a{k - 1}'] * 10)}]" for k in range(1, 12)]
    start = time.monotonic()
    assert "after following its aliases" in refused(write(tmp_path, "\n".join(levels)))[0]
    assert "nested too deeply" in refused(write(tmp_path, "schema: &a [*a]"))[0]
    assert "nested too deeply" in refused(write(tmp_path, "schema: " + "[" * 20_000))[0]
    assert time.monotonic() - start < 20


def test_harmless_aliases_work(tmp_path):
    """An alias is allowed, and its value is reported where it is used."""
    text = GOOD.replace("force: 150 N", "force: &f 150 N").replace("[{bite", "[{bite: 46, name: b, force: *f}, {bite")
    with pytest.raises(ScenarioError, match="undefined alias"):
        load_scenario(write(tmp_path, text))
    text = GOOD.replace("force: 150 N}", "force: &f 150 N}, {bite: 47, force: *f}")
    assert [task.force for task in load_scenario(write(tmp_path, text)).loading.tasks] == [150.0, 150.0]


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_mutated_files_never_crash(tmp_path, data):
    """Any damage to a good file ends in a scenario or in sentences, never in another exception."""
    content = bytearray(GOOD.encode())
    for _ in range(data.draw(st.integers(1, 6))):
        place = data.draw(st.integers(0, len(content) - 1))
        kind = data.draw(st.sampled_from(["replace", "delete", "insert", "cut"]))
        if kind == "replace":
            content[place] = data.draw(st.sampled_from(b"[]{}:,#&*!|>'\"%@`\t\n -0123456789eE.\xff"))
        elif kind == "delete":
            del content[place]
        elif kind == "insert":
            content[place:place] = data.draw(st.sampled_from([b"&a ", b"*a ", b"!!int ", b"<<: ", b"? ", b"- ", b"~"]))
        else:
            del content[place : place + data.draw(st.integers(1, 80))]
        content = content or bytearray(b"#")
    path = tmp_path / "case.yaml"
    path.write_bytes(bytes(content))
    problems: tuple[str, ...] = ()
    try:
        load_scenario(path)
    except ScenarioError as error:
        problems = error.problems or ("refused without a reason",)
    assert all(one.startswith(str(path)) and "\n" not in one for one in problems)
