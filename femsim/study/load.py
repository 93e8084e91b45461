"""Read study files: every error at once, each one sentence with file and line."""

from __future__ import annotations

from pathlib import Path

from pydantic import ValidationError

from femsim.scenario.document import read_document
from femsim.scenario.load import ScenarioError
from femsim.scenario.messages import sentences
from femsim.study.schema import Origin, StudyFile


def load_study(path: str | Path) -> StudyFile:
    """Read a study file; the scenarios it leads to are checked by :func:`femsim.study.plan.plan_study`.

    Parameters
    ----------
    path : str or Path
        YAML 1.2 text in UTF-8. ``base`` is relative to its folder.

    Raises
    ------
    ScenarioError
        With all problems of the file.
    """
    path = Path(path)
    name = str(path)
    document = read_document(path, name)
    if document.problems and not document.values:
        raise ScenarioError(document.problems)
    origin, found = Origin(name, path.resolve().parent, document.lines), list(document.problems)
    values = dict(document.values)
    if "study" not in values and "jaw" in values:
        raise ScenarioError([f"{name}:1: this is a scenario, not a study; run it with 'femsim run'"])
    try:
        study = StudyFile.model_validate(values)
    except ValidationError as error:
        for one in error.errors():
            for place, text in sentences(StudyFile, one):
                what = ".".join(str(key) for key in place)
                found.append(f"{origin.at(place)}: {what}: {text}" if what else f"{origin.at(place)}: {text}")
    if found:
        raise ScenarioError(list(dict.fromkeys(found)))
    study._origin = origin
    return study
