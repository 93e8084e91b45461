"""Commands of femsim; each is a thin call into the package, and nothing else in the package prints."""

from __future__ import annotations

import functools
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from femsim import __version__
from femsim.errors import ConvergenceError, InputError, Stopped
from femsim.tables import comparison_columns, convergence_columns, plan_columns, screw_columns, text_table
from femsim.terminal import RESEARCH_ONLY, Screen, StopSwitch, one_sentence, quiet_libraries, say

if TYPE_CHECKING:
    from femsim.scenario import Scenario

Command = TypeVar("Command", bound=Callable[..., None])
EXIT_CODE_OF_STATUS = {kind.status: kind.exit_code for kind in (ConvergenceError, Stopped, InputError)}

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Titanium plate and screws on an irradiated jaw under years of chewing: which screws loosen, when, and why. "
    + RESEARCH_ONLY,
    epilog="Exit codes: 0 complete, 2 invalid input, 3 did not converge, 4 stopped (can be resumed).",
)
parameters_app = typer.Typer(no_args_is_help=True, help="Look at the sourced constants: list, or diff of two runs.")
app.add_typer(parameters_app, name="parameters")
_options: dict[str, bool] = {"debug": False}

ScenarioFile = Annotated[Path, typer.Argument(help="Scenario file (YAML).", show_default=False)]
Output = Annotated[Path, typer.Option("--output", "-o", help="Folder in which the new folder of results is made.")]
RUNS = Path("runs")


def _version(asked: bool) -> None:
    if asked:
        say(f"femsim {__version__}")
        raise typer.Exit


@app.callback()
def _all_commands(
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of unexpected errors.")] = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and end.")
    ] = False,
) -> None:
    _options["debug"] = debug


def _command(function: Command, group: typer.Typer = app) -> Command:
    """Register a command whose failures end in one sentence and an exit code."""

    @functools.wraps(function)
    def guarded(*arguments: Any, **options: Any) -> None:
        with one_sentence(debug=_options["debug"], leave=typer.Exit):
            function(*arguments, **options)

    group.command(name=function.__name__.strip("_"))(guarded)
    return function


def _load(path: Path) -> Scenario:
    from femsim.scenario import load_scenario, notices

    scenario = load_scenario(path)
    for sentence in notices(scenario):
        say(f"note: {sentence}", sys.stderr)
    return scenario


def _hooks(screen: Screen, stop: Callable[[], bool]) -> Any:
    from femsim import pipeline

    return pipeline.Hooks(stage=screen.stage, progress=screen.progress, note=screen.note, should_stop=stop)


def _with_hooks(work: Callable[[Any], Any]) -> Any:
    """Run some work with progress on the screen and a clean stop on Ctrl-C."""
    with Screen() as screen, StopSwitch(screen.note) as stop:
        return work(_hooks(screen, stop))


@_command
def check(
    files: Annotated[list[Path], typer.Argument(help="Scenario files (YAML).", show_default=False)],
    values: Annotated[bool, typer.Option("--values", help="Print every value and where it comes from.")] = False,
) -> None:
    """Check scenario files: all errors at once, nothing is computed."""
    from femsim.scenario import ScenarioError, dump_scenario, scenario_hash

    wrong: list[str] = []
    for path in files:
        try:
            scenario = _load(path)
        except ScenarioError as error:
            wrong += error.problems
            continue
        say(f"{path}: ok, {scenario.title} ({scenario_hash(scenario)})")
        if values:
            say(dump_scenario(scenario))
    if wrong:
        raise ScenarioError(wrong)


@_command
def plan(file: ScenarioFile, output: Output = RUNS) -> None:
    """Plan the operation without a mesh: plate, screws, their lengths and clearances, a picture."""
    from femsim import pipeline

    scenario = _load(file)
    result = _with_hooks(lambda hooks: pipeline.plan(scenario, hooks, output))
    say(text_table(plan_columns(result.table)))
    for warning in result.warnings:
        say(f"warning: {warning}", sys.stderr)
    if result.picture is not None:
        say(f"picture: {result.picture}")


@_command
def mesh(file: ScenarioFile, output: Output = RUNS) -> None:
    """Make the mesh (or take it from the cache) and print its quality."""
    from femsim import pipeline

    scenario = _load(file)
    result = _with_hooks(lambda hooks: pipeline.mesh(scenario, hooks, output))
    say(text_table([{"quantity": key, "value": value} for key, value in result.mesh.items()]))
    say(f"mesh: {result.path}{' (from the cache)' if result.from_cache else ''}")


@_command
def converge(
    file: ScenarioFile,
    presets: Annotated[str, typer.Option(help="Sizing presets from coarse to fine.")] = "preview,standard,fine",
    output: Output = RUNS,
) -> None:
    """Solve the day of surgery on several meshes and compare displacement, screw loads and tractions."""
    from femsim import pipeline

    scenario, names = _load(file), [name.strip() for name in presets.split(",") if name.strip()]
    result = _with_hooks(lambda hooks: pipeline.converge(scenario, names, hooks, output))
    say(text_table(convergence_columns(result.rows)))
    say(f"differences are against {names[-1]}; table: {result.folder / 'convergence.csv'}")


@_command
def run(
    file: ScenarioFile,
    output: Output = RUNS,
    resume: Annotated[bool, typer.Option("--resume", help="Continue the unfinished run of this scenario.")] = False,
) -> None:
    """Run a scenario: mesh, tissue, years of chewing, screws, report. Ctrl-C stops cleanly."""
    from femsim import pipeline

    scenario = _load(file)
    result = _with_hooks(lambda hooks: pipeline.run(scenario, output, resume, hooks))
    for message in result.messages:
        say(message)
    say(text_table(screw_columns(result.screws)))
    say(f"run: {result.folder} ({result.status})")
    if result.report is not None:
        say(f"report: {result.report}")
    say(RESEARCH_ONLY)
    code = EXIT_CODE_OF_STATUS.get(result.status, 0)
    if code:
        raise typer.Exit(code)


Pdf = Annotated[bool, typer.Option("--pdf", help="Also print the page (needs Chromium or Chrome).")]
Study = Annotated[
    Path | None, typer.Option("--study", help="Study folder for the confidence band; by default one beside the runs.")
]
Language = Annotated[str, typer.Option("--language", help="Language code, or a strings.<code>.json file.")]


@_command
def study(
    file: Annotated[
        Path, typer.Argument(metavar="FILE|STUDY", help="Study file (YAML) or study folder.", show_default=False)
    ],
    output: Output = RUNS,
    workers: Annotated[
        int | None,
        typer.Option("--workers", help="Worker processes or jobs; by default one per core.", show_default=False),
    ] = None,
    dask: Annotated[
        str | None, typer.Option("--dask", metavar="ADDRESS", help="Run on this dask.distributed scheduler.")
    ] = None,
    slurm: Annotated[
        str | None, typer.Option("--slurm", metavar="OPTIONS", help="Run as a Slurm array; options of sbatch, or ''.")
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Continue, or join, the study of this file.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be done and about how long.")] = False,
) -> None:
    """Run a study: many points from one file, one table. Killed and resumed it gives the same table."""
    from femsim.study.command import Where, planned, run_study
    from femsim.study.summary import comparison_rows, design_rows

    where = Where(workers, dask, slurm)
    if dry_run:
        for line in planned(file, where):
            say(line)
        return
    with Screen() as screen, StopSwitch(screen.note) as stop:
        finished = run_study(
            *(file, where, output, resume),
            progress=lambda done, total, failed: screen.progress("points", done / max(total, 1)),
            begun=lambda folder: screen.note(f"study: {folder}"),
            should_stop=stop,
        )
    for line in finished.sentences:
        say(line)
    say(text_table(design_rows(finished.summary)))
    if finished.summary["comparisons"]:
        say(text_table(comparison_rows(finished.summary)))
    for path in finished.files:
        say(f"table: {path}")
    say(f"report: {finished.page}")
    say(RESEARCH_ONLY)


@_command
def bench(
    suite: Annotated[str, typer.Option("--suite", help="quick (minutes) or standard (about an hour).")] = "quick",
    output: Annotated[Path, typer.Option("--output", "-o", help="JSON file with figures and environment.")] = Path(
        "bench.json"
    ),
    slurm: Annotated[
        str | None, typer.Option("--slurm", metavar="OPTIONS", help="Run on a Slurm node; options of srun, or ''.")
    ] = None,
    compare: Annotated[
        tuple[Path, Path] | None,
        typer.Option("--compare", metavar="A.json B.json", help="Print the ratios of two results.", show_default=False),
    ] = None,
) -> None:
    """Run the benchmarks of a source tree and write one JSON, or compare two of them."""
    from femsim.study.bench import compared, run_suite

    if compare is not None:
        say(text_table(compared(*compare)))
        return
    with Screen() as screen:
        content = run_suite(suite, output, screen.note, slurm)
    rows = [
        {"script": script, "figure": name, "value": value}
        for script, figures in content["figures"].items()
        for name, value in figures.items()
    ]
    say(text_table(rows))
    say(f"bench: {output}")


@_command
def report(
    runs: Annotated[list[Path], typer.Argument(help="Run folders.", show_default=False)],
    pdf: Pdf = False,
    study: Study = None,
    language: Language = "en",
) -> None:
    """Write the report page of runs again."""
    from femsim import pipeline

    for folder in runs:
        work = functools.partial(pipeline.report, folder, pdf=pdf, study=study, language=language)
        say(f"report: {_with_hooks(work)}")
    say(RESEARCH_ONLY)


@_command
def compare(
    sources: Annotated[
        list[Path],
        typer.Argument(metavar="RUN|SCENARIO...", help="Two to four run folders or scenarios.", show_default=False),
    ],
    output: Output = RUNS,
    pdf: Pdf = False,
    study: Study = None,
    language: Language = "en",
) -> None:
    """Compare designs on one page; scenarios that were not run yet are run."""
    from femsim import pipeline

    designs = [source if source.is_dir() else _load(source) for source in sources]
    result = _with_hooks(
        lambda hooks: pipeline.compare(designs, output, hooks, study=study, pdf=pdf, language=language)
    )
    say(text_table(comparison_columns(result.table)))
    for sentence in result.notes:
        say(sentence)
    say(f"comparison: {result.page}")
    if result.pdf is not None:
        say(f"print: {result.pdf}")
    say(RESEARCH_ONLY)


@_command
def show(
    folder: Annotated[Path, typer.Argument(metavar="RUN", help="Run folder.", show_default=False)],
    field: Annotated[str | None, typer.Option("--field", help="operation, motion, stress, strain, dose, ...")] = None,
    view: Annotated[str | None, typer.Option("--view", help="frontal, left, right, inferior, plate, unrolled.")] = None,
) -> None:
    """Open a run in a window that can be turned with the mouse; keys 1 to 6 are cameras, N is the next field."""
    from femsim import pipeline

    pipeline.show(folder, field, view)


@_command
def export(
    source: Annotated[
        Path, typer.Argument(metavar="RUN|SCENARIO", help="Run folder or scenario file.", show_default=False)
    ],
    to: Annotated[str, typer.Option("--to", help="calculix, abaqus or febio.", show_default=False)],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="File to write; by default one in the run folder.")
    ] = None,
    task: Annotated[str | None, typer.Option("--task", help="Chewing task; by default the first.")] = None,
) -> None:
    """Write the static model of the day of surgery for another finite-element program."""
    from femsim import pipeline

    result = _with_hooks(lambda hooks: pipeline.export(source, to, output, task, hooks))
    say(text_table(result.table))
    say(f"export: {result.path}")


@_command
def tissue(
    eqd2: Annotated[float, typer.Option(help="Equivalent dose in 2 Gy fractions, Gy.", show_default=False)],
    months: Annotated[float, typer.Option(help="From the end of radiotherapy to surgery.", show_default=False)],
    heal_days: Annotated[float, typer.Option(help="Days after surgery at which bonding is given.")] = 180.0,
    micromotion: Annotated[float, typer.Option(help="Peak cyclic micromotion of the screw, um.")] = 0.0,
    hbo: Annotated[int, typer.Option(help="Sessions of hyperbaric oxygen before surgery.")] = 0,
    set_: Annotated[
        list[str] | None, typer.Option("--set", metavar="NAME=VALUE", help="Replace a tissue parameter: D50=40.")
    ] = None,
    json_file: Annotated[Path | None, typer.Option("--json", help="Also write the values to this file.")] = None,
) -> None:
    """Print the state of irradiated bone at one point, without a mesh."""
    from femsim.parameters import load_parameters
    from femsim.tissue.constants import TissueConstants
    from femsim.tissue.point import tissue_point

    constants = TissueConstants.from_parameters(load_parameters(_tissue_overrides(set_ or [])))
    point = tissue_point(eqd2, months, heal_days, micromotion, hbo, constants=constants)
    say(text_table([{"quantity": key, "value": value} for key, value in point.items()]))
    if json_file is not None:
        try:
            json_file.write_text(json.dumps(point, indent=2) + "\n", encoding="utf-8")
        except OSError as error:
            raise InputError(
                f"{json_file}: cannot be written ({error.strerror}); choose another --json file"
            ) from error


def _tissue_overrides(assignments: list[str]) -> dict[str, tuple[str, str]]:
    """Read ``D50=40`` or ``D50=40 Gy``; a bare number is in the unit of the parameter card."""
    from femsim.parameters import load_parameters
    from femsim.scenario.quantities import read_quantity

    cards = load_parameters()
    found: dict[str, tuple[str, str]] = {}
    for assignment in assignments:
        key, equals, text = assignment.partition("=")
        name = f"tissue.{key.strip().removeprefix('tissue.')}"
        if not equals:
            raise InputError(f"--set {assignment!r}: write NAME=VALUE, such as D50=40")
        if name not in cards:
            known = ", ".join(entry.name.removeprefix("tissue.") for entry in cards if entry.name.startswith("tissue."))
            raise InputError(f"--set {assignment!r}: unknown tissue parameter {key!r} (known: {known})")
        if name in found:
            raise InputError(f"--set {assignment!r}: {name.removeprefix('tissue.')} is set twice; keep one of them")
        entry = cards.entry(name)
        unit = entry.unit
        try:
            float(text)
        except ValueError:
            bare = False
        else:
            bare = True
        try:
            value = read_quantity(f"{text.strip()} {unit}" if bare else text, unit)
        except InputError as error:
            raise InputError(f"--set {assignment!r}: {error}") from error
        if entry.range and not entry.range[0] <= value <= entry.range[1]:
            limits = f"{entry.range[0]:g} to {entry.range[1]:g} {unit}".strip()
            say(f"note: --set {assignment!r} is outside the range of its card, {limits}", sys.stderr)
        found[name] = (f"{text.strip()} {unit}".strip() if bare else text, "--set")
    return found


@_command
def cite(folder: Annotated[Path, typer.Argument(metavar="RUN", help="Run folder.", show_default=False)]) -> None:
    """Print the references (BibTeX) of every constant that a run has used."""
    from femsim.parameters import citations

    say(citations(_run_parameters(folder)).rstrip("\n"))


@functools.partial(_command, group=parameters_app)
def diff(
    first: Annotated[Path, typer.Argument(metavar="RUN_A", help="Run folder.", show_default=False)],
    second: Annotated[Path, typer.Argument(metavar="RUN_B", help="Run folder.", show_default=False)],
) -> None:
    """Print the constants that differ between two runs."""
    from femsim.parameters import parameter_differences

    rows = parameter_differences(_run_parameters(first), _run_parameters(second))
    say(text_table(rows) if rows else "both runs used the same constants")


@functools.partial(_command, group=parameters_app)
def _list(
    card: Annotated[str | None, typer.Option("--card", help="Only this card, such as tissue.")] = None,
) -> None:
    """Print every constant, weakest evidence first."""
    from femsim.parameters import evidence_rows, load_parameters

    entries = list(load_parameters())
    cards = sorted({entry.name.partition(".")[0] for entry in entries})
    if card is not None and card not in cards:
        raise InputError(f"--card {card!r}: no such card; choose one of {', '.join(cards)}")
    say(text_table(evidence_rows(entry for entry in entries if card in (None, entry.name.partition(".")[0]))))


def _run_parameters(folder: Path) -> list[dict[str, Any]]:
    from femsim.results import open_run

    found = open_run(folder).record().get("parameters")
    keys = ("name", "value", "unit", "source", "origin")
    whole = isinstance(found, list) and all(isinstance(row, dict) and set(keys) <= row.keys() for row in found)
    if not found or not whole:
        raise InputError(f"{folder}: its record lists no constants; they are written when a run is complete")
    return found


@_command
def doctor() -> None:
    """Print versions, solver, renderer, cores and cache of this installation, and what is missing."""
    from femsim.doctor import examine

    findings = []
    with Screen() as screen:
        for finding in examine(screen.stage):
            findings.append({"what": finding.what, "found": finding.found, "verdict": finding.verdict})
    say(text_table(findings))


@_command
def schema() -> None:
    """Print the JSON Schema of scenario files, for editors that complete and check."""
    from femsim.scenario import json_schema

    say(json.dumps(json_schema(), indent=2))


def main() -> None:
    """Run the command line."""
    if "--debug" not in sys.argv:
        quiet_libraries()
    app(prog_name="femsim")


if __name__ == "__main__":
    main()
