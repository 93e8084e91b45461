"""The command line: exit codes, one sentence per error, what is printed where, clean stops."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import types
from pathlib import Path

import pytest
from typer.testing import CliRunner

import femsim
from femsim.cli import app
from femsim.errors import ConvergenceError, MeshError, Stopped
from femsim.tables import plan_columns, plate_columns, screw_columns, text_table
from femsim.terminal import RESEARCH_ONLY

ROOT = Path(__file__).resolve().parents[2]
BENCH = ROOT / "scenarios" / "bench-block.yaml"
COMMANDS = (
    *("check", "plan", "mesh", "run", "report", "compare", "show", "export"),
    *("tissue", "doctor", "schema", "cite", "parameters"),
)


class Hooks:
    """Stands in for the pipeline's hooks: keeps what it is given."""

    def __init__(self, stage, progress, note, should_stop):
        self.stage, self.progress, self.note, self.should_stop = stage, progress, note, should_stop


@pytest.fixture
def pipeline(monkeypatch):
    """A pipeline that answers at once; tests replace its functions."""
    module = types.ModuleType("femsim.pipeline")
    module.Hooks = Hooks
    monkeypatch.setitem(sys.modules, "femsim.pipeline", module)
    monkeypatch.setattr(femsim, "pipeline", module, raising=False)
    return module


def call(*arguments: object):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def process(*arguments: object, **options):
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "femsim.cli", *map(str, arguments)]
    return subprocess.run(
        command, capture_output=True, text=True, cwd=ROOT, env=environment, timeout=120, check=False, **options
    )


def test_help_names_every_command_and_the_exit_codes():
    """A person finds all commands, the exit codes and the limits of use in the first help page."""
    result = call("--help")
    assert result.exit_code == 0
    assert all(f"  {name}" in result.stdout for name in COMMANDS)
    assert "2 invalid input" in result.stdout
    assert "Research use only" in result.stdout
    for name in COMMANDS:
        assert call(name, "--help").exit_code == 0


def test_version():
    """The version can be asked for."""
    assert call("--version").stdout == f"femsim {femsim.__version__}\n"


def test_help_and_check_do_not_load_the_numerical_stages():
    """Help and check start fast: no mesher, no solver, no renderer is imported for them."""
    code = (
        "import sys; from femsim.cli import app\n"
        f"app(['check', {str(BENCH)!r}], standalone_mode=False)\n"
        "heavy = ('numba', 'scipy.sparse', 'pyvista', 'matplotlib.pyplot', 'femsim.pipeline', 'femsim.geometry')\n"
        "print([name for name in heavy if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, timeout=120, check=True
    )
    assert done.stdout.splitlines()[-1] == "[]"


def test_check_prints_ok_and_values():
    """A valid file is said to be so, with its hash; --values adds every value with its origin."""
    result = call("check", BENCH)
    assert (result.exit_code, result.stderr) == (0, "")
    assert f"{BENCH}: ok, Bench block" in result.stdout
    assert "# preset reconstruction-2.5" in call("check", "--values", BENCH).stdout


def test_check_reports_all_files(tmp_path):
    """Errors of several files come together, one line each on standard error, with exit code 2."""
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text(BENCH.read_text(encoding="utf-8").replace("120 N", "120").replace("gap", "gab"), encoding="utf-8")
    result = call("check", wrong, BENCH, tmp_path / "none.yaml")
    assert result.exit_code == 2
    lines = result.stderr.splitlines()
    assert len(lines) == 3
    assert "did you mean 'gap'?" in lines[0]
    assert "120 has no unit" in lines[1]
    assert "no such file" in lines[2]
    assert str(BENCH) in result.stdout


@pytest.mark.parametrize("command", ["plan", "mesh", "run"])
def test_invalid_scenario_ends_every_command_with_two(pipeline, tmp_path, command):
    """No stage starts on a wrong scenario."""
    result = call(command, tmp_path / "none.yaml")
    assert result.exit_code == 2
    assert result.stderr == f"{tmp_path / 'none.yaml'}: no such file\n"


PLANNED = {
    "screw": "screw-1",
    "plate": "plate",
    "hole": 1,
    "stump": "mesial",
    "head": (-14.52, -50.4, 117.0),
    "axis": (0.0, 1.0, 0.0),
    "diameter": 2.4,
    "length": 17.0,
    "length_in_bone": 9.123456,
    "cortical_engagement": 7.5,
    "near_cortex": 3.9,
    "far_cortex": 3.6,
    "bicortical": True,
    "beyond_far_cortex": 0.4,
    "distance_to_cut": 13.7,
    "gap_at_hole": 0.6,
    "plate_clearance": (0.6, 0.7),
}
PLATE = {
    "plate": "plate",
    "length": 97.9,
    "width": 8.0,
    "thickness": 2.5,
    "clearance": (0.6, 0.7),
    "metal_beside_seat": 2.0,
    "finish": "bent",
}


def test_plan_prints_the_table(pipeline, tmp_path):
    """The plan shows its rows, its warnings and where the picture is, and writes where it is told to."""

    def plan(scenario, hooks, output):
        assert output == tmp_path / "plans"
        return types.SimpleNamespace(
            operation=None,
            plates=[PLATE],
            table=[PLANNED],
            warnings=["close to the cut"],
            picture=tmp_path / "plan.png",
        )

    pipeline.plan = plan
    result = call("plan", BENCH, "--output", tmp_path / "plans")
    assert result.exit_code == 0
    assert "in bone" in result.stdout
    assert " 9.1 " in result.stdout
    assert "3.9+3.6" in result.stdout
    assert "least gap" in result.stdout
    assert " 0.60 " in result.stdout
    assert "plan.png" in result.stdout
    assert "warning: close to the cut" in result.stderr


def test_mesh_says_whether_it_came_from_the_cache(pipeline, tmp_path):
    """Quality is printed, and a cached mesh is said to be one; results go to the folder runs unless told otherwise."""

    def mesh(scenario, hooks, output):
        assert output == Path("runs")
        return types.SimpleNamespace(
            mesh={
                "tets": 1234,
                "scaled_jacobian": {"min": 0.1234567, "histogram": {"0-0.05": 0, "0.05-0.1": 7}},
                "screws": [
                    {
                        "name": "screw-1",
                        "interface_area": 61.04,
                        "interface_area_error": 0.0123,
                        "volume": 50.0,
                        "volume_error": -0.01,
                    }
                ],
            },
            origin="the cache",
            path=tmp_path / "mesh.vtu",
        )

    pipeline.mesh = mesh
    result = call("mesh", BENCH)
    assert result.exit_code == 0
    assert "1234" in result.stdout
    assert "0.1235" in result.stdout
    assert "(from the cache)" in result.stdout
    assert "scaled jacobian histogram 0.05-0.1 7" in " ".join(result.stdout.split())
    assert result.stdout.splitlines()[-2].split() == ["screw-1", "61.0", "1.23", "50.0", "-1.00"]


LOOSE = {
    "screw": "screw-10",
    "stump": "mesial",
    "loose": True,
    "loose_day": 1094.6,
    "criterion": "stiffness",
    "motion_p50_um": 1.0,
    "motion_p95_um": 212.3456,
    "holding_ratio": 0.4217,
    "lateral_ratio": 0.01139,
    "bonded": 0.1887,
    "clearance_um": 10.6,
    "eqd2_gy": 60.0,
    "length_mm": 17.0,
}


def test_tables_fit_a_terminal():
    """The tables of screws show day, criterion and short numbers, within a hundred columns even for long entries."""
    rows = [LOOSE, {**LOOSE, "loose": False, "loose_day": None, "criterion": "", "motion_p95_um": 1.388e-05}]
    table = text_table(screw_columns(rows))
    assert [line.split() for line in table.splitlines()[2:]] == [
        ["screw-10", "mesial", "day", "1095", "stiffness", "212", "42", "1", "19", "10.6", "60.0"],
        ["screw-10", "mesial", "no", "-", "0.0", "42", "1", "19", "10.6", "60.0"],
    ]
    second = {**PLANNED, "screw": "screw-10", "plate": "plate-2", "hole": 4, "head": (-42.2, -50.4, 117.0)}
    two = text_table(plan_columns([PLANNED, {**second, "axis": (-0.77, -0.64, -0.02)}]))
    assert "2/4" in two
    assert "3.9+3.6" in two
    for wide in (table, two, text_table(plan_columns([PLANNED])), text_table(plate_columns([PLATE]))):
        assert max(map(len, wide.splitlines())) <= 100
    assert "nan" not in text_table(screw_columns([{"screw": "screw-1", "motion_p95_um": float("nan")}]))


def finished(folder: Path, status: str = "complete"):
    rows = [{"screw": "screw-1", "stump": "mesial", "loose": False, "loose_day": None, "motion_p95_um": 12.3456}]
    return types.SimpleNamespace(
        folder=folder,
        status=status,
        screws=rows,
        messages=["no screw loosens"],
        report=folder / "r.html",
        from_cache=False,
    )


def test_run_prints_screws_report_and_limits(pipeline, tmp_path):
    """A run ends with the table of screws, the report's path and the limits of use; progress goes to standard error."""
    seen = {}

    def run(scenario, runs_dir, resume, hooks):
        seen.update(name=scenario.name, runs=runs_dir, resume=resume, stop=hooks.should_stop())
        hooks.stage("mesh")
        hooks.progress("mesh", 0.5)
        hooks.note("compiling kernels")
        return finished(tmp_path)

    pipeline.run = run
    result = call("run", BENCH, "--output", tmp_path / "runs", "--resume")
    assert result.exit_code == 0
    assert seen == {"name": "bench-block", "runs": tmp_path / "runs", "resume": True, "stop": False}
    assert "12.3" in result.stdout
    assert "no screw loosens" in result.stdout
    assert f"report: {tmp_path / 'r.html'}" in result.stdout
    assert result.stdout.rstrip().endswith(RESEARCH_ONLY)
    assert "compiling kernels" in result.stderr
    assert "mesh: " in result.stderr
    assert "\x1b" not in result.output


@pytest.mark.parametrize(
    ("error", "code"),
    [(MeshError("two bad\n elements"), 2), (ConvergenceError("no"), 3), (Stopped("stop"), 4), (KeyboardInterrupt(), 4)],
)
def test_failures_have_their_exit_codes(pipeline, error, code):
    """Every kind of failure has its exit code and one line on standard error."""

    def run(scenario, runs_dir, resume, hooks):
        raise error

    pipeline.run = run
    result = call("run", BENCH)
    assert result.exit_code == code
    assert len(result.stderr.splitlines()) == 1
    assert "Traceback" not in result.output


@pytest.mark.parametrize(("status", "code"), [("complete", 0), ("stopped", 4), ("did not converge", 3)])
def test_status_of_a_run_sets_the_exit_code(pipeline, tmp_path, status, code):
    """A run that ends early without an exception still tells it by its exit code."""
    pipeline.run = lambda *arguments: finished(tmp_path, status)
    assert call("run", BENCH).exit_code == code


def test_unexpected_error_is_one_sentence_with_a_log(pipeline):
    """A defect of femsim shows no traceback, but says where it is kept; --debug shows it."""

    def run(scenario, runs_dir, resume, hooks):
        raise ZeroDivisionError("division by zero")

    pipeline.run = run
    result = call("run", BENCH)
    assert result.exit_code == 1
    assert len(result.stderr.splitlines()) == 1
    assert "unexpected error (ZeroDivisionError: division by zero)" in result.stderr
    log = Path(result.stderr.split("details are in ")[1].split(";")[0])
    assert "Traceback" in log.read_text(encoding="utf-8")
    log.unlink()
    assert isinstance(call("--debug", "run", BENCH).exception, ZeroDivisionError)


def test_first_signal_asks_and_second_ends(pipeline, tmp_path):
    """Ctrl-C asks the run to stop at a safe point; once more ends it at once; both end with 4."""

    def patient(scenario, runs_dir, resume, hooks):
        os.kill(os.getpid(), signal.SIGTERM)
        assert hooks.should_stop()
        raise Stopped("stopped after 10 days")

    def deaf(scenario, runs_dir, resume, hooks):
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)
        return finished(tmp_path)

    pipeline.run = patient
    before = signal.getsignal(signal.SIGTERM)
    result = call("run", BENCH)
    assert result.exit_code == 4
    assert "stopping at the next safe point" in result.stderr
    assert "stopped after 10 days" in result.stderr
    assert signal.getsignal(signal.SIGTERM) is before
    pipeline.run = deaf
    assert call("run", BENCH).exit_code == 4


def test_report_and_show_pass_their_folders(pipeline, tmp_path):
    """Each run folder gets its page, and show opens the one named."""
    opened = []
    pipeline.report = lambda folder, hooks, **choices: folder / "report.html"
    pipeline.show = lambda *given: opened.append(given)
    result = call("report", tmp_path / "a", tmp_path / "b")
    assert result.stdout.splitlines()[:2] == [f"report: {tmp_path / x / 'report.html'}" for x in "ab"]
    assert RESEARCH_ONLY in result.stdout
    assert call("show", tmp_path).exit_code == 0
    assert call("show", tmp_path, "--field", "dose", "--view", "frontal").exit_code == 0
    assert opened == [(tmp_path, None, None), (tmp_path, "dose", "frontal")]


def test_report_passes_its_choices(pipeline, tmp_path):
    """Print version, study and language reach the pipeline."""
    seen = []
    pipeline.report = lambda folder, hooks, **choices: seen.append(choices) or folder / "report.pdf"
    assert call("report", tmp_path, "--pdf", "--study", tmp_path / "s", "--language", "de").exit_code == 0
    assert seen == [{"pdf": True, "study": tmp_path / "s", "language": "de"}]


def test_compare_takes_folders_and_scenarios(pipeline, tmp_path):
    """Folders stay folders, files are loaded as scenarios; the order, what was taken and the page are printed."""
    seen = []
    row = {"place": 1, "design": "A", "first_loose_day": None, "plate_life_years": 12.345, "implant_mm3": 1500.0}
    last = row | {"place": None, "design": "B", "first_loose_day": 77.7}
    rows = [row | {"decided_by": "only"}, last | {"decided_by": "unfinished"}]

    def compare(designs, runs, hooks, **choices):
        seen.append((designs, runs, choices))
        return types.SimpleNamespace(page=runs / "c.html", pdf=runs / "c.pdf", table=rows, notes=["B: taken from x"])

    pipeline.compare = compare
    result = call("compare", tmp_path, BENCH, "-o", tmp_path / "runs", "--pdf")
    assert result.exit_code == 0, result.stderr
    (designs, runs, choices) = seen[0]
    assert designs[0] == tmp_path
    assert designs[1].name == "bench-block"
    assert runs == tmp_path / "runs"
    assert choices == {"study": None, "pdf": True, "language": "en"}
    lines = result.stdout.splitlines()
    assert lines[0].split()[:2] == ["place", "design"]
    assert lines[2].split()[:4] == ["1", "A", "-", "12.3"]
    assert "not ranked" in lines[3]
    assert "B: taken from x" in lines
    assert f"comparison: {runs / 'c.html'}" in lines
    assert f"print: {runs / 'c.pdf'}" in lines
    assert RESEARCH_ONLY in lines


def test_schema_is_json():
    """The printed schema is a JSON document about scenario files."""
    assert json.loads(call("schema").stdout)["title"] == "Scenario"


def test_tissue_prints_and_writes_one_point(tmp_path):
    """The tissue command gives every state of the model and the effect of a changed parameter."""
    file = tmp_path / "point.json"
    assert call("tissue", "--eqd2", 60, "--months", 12, "--json", file).exit_code == 0
    usual = json.loads(file.read_text(encoding="utf-8"))
    assert set(usual) == {"V", "N", "p", "C", "Phi", "Ec", "Et", "Q", "fs", "log10_Nf", "B", "B_ratio"}
    for text in ("D50=40", "D50=40 Gy", "tissue.D50=4000 cGy"):
        assert call("tissue", "--eqd2", 60, "--months", 12, "--set", text, "--json", file).exit_code == 0
        assert json.loads(file.read_text(encoding="utf-8"))["V"] < usual["V"]


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ("D5=40", "unknown tissue parameter"),
        ("D50", "NAME=VALUE"),
        ("D50=40 mm", "wrong dimension"),
        ("D50=x", "not one"),
    ],
)
def test_tissue_refuses_wrong_settings(setting, words):
    """A wrong setting is one sentence and exit code 2."""
    result = call("tissue", "--eqd2", 60, "--months", 12, "--set", setting)
    assert result.exit_code == 2
    assert words in result.stderr
    assert len(result.stderr.splitlines()) == 1


def test_tissue_refuses_a_folder_that_is_not_there(tmp_path):
    """A file that cannot be written is the user's to mend."""
    result = call("tissue", "--eqd2", 60, "--months", 12, "--json", tmp_path / "no" / "x.json")
    assert result.exit_code == 2
    assert "cannot be written" in result.stderr


def test_as_a_process(tmp_path):
    """Run as a program: exit code, one line on standard error, nothing on standard output, no traceback."""
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text(BENCH.read_text(encoding="utf-8").replace("120 N", "120 kg"), encoding="utf-8")
    line = 1 + next(k for k, text in enumerate(wrong.read_text(encoding="utf-8").splitlines()) if "120 kg" in text)
    done = process("check", wrong)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.count("\n") == 1
    assert done.stderr.startswith(f"{wrong}:{line}: loading.tasks.0.force: '120 kg' has the wrong dimension")
    assert process("check", BENCH).returncode == 0
    assert process("nonsense").returncode == 2
    assert "Traceback" not in process("run").stderr


def test_doctor_names_what_a_run_needs():
    """The examination covers versions, solver, renderer, cores, memory and caches."""
    result = call("doctor")
    assert result.exit_code == 0
    for word in ("numpy", "direct solver", "renderer", "cores", "memory", "mesh cache", "numba cache"):
        assert word in result.stdout


def test_table_of_nothing_and_of_uneven_rows():
    """A table never fails: no rows, missing values, infinite values."""
    assert text_table([]) == "(none)"
    assert text_table([{"a": 1.0}, {"b": float("nan")}, {"a": True, "b": [1.5, None]}]).splitlines() == [
        "a    b",
        "---  -----",
        "1    -",
        "-    -",
        "yes  1.5 -",
    ]
    assert text_table([{"n": 1.0}, {"n": 200}, {"n": None}]).splitlines() == ["  n", "---", "  1", "200", "  -"]
