"""The dose of one treatment plan from its DICOM folder: which files count, how often, in which frame."""

from __future__ import annotations

from collections.abc import Sequence, Set
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from femsim.errors import InputError
from femsim.images.grid import rigid_matrix
from femsim.tissue.dicom_files import DicomFolder, Item, read_folder
from femsim.tissue.dicom_grid import dose_grid
from femsim.tissue.dose_grid import DoseGrid, DoseSum, check_plausible, fits_prescription

WHOLE = ("PLAN", "MULTI_PLAN")
ONE_FRACTION = ("FRACTION", "FRACTION_SESSION")
KNOWN = (*WHOLE, *ONE_FRACTION, "BEAM")

FractionDose = Literal["one", "all"]


@dataclass(frozen=True, eq=False)
class DicomDose:
    """Dose of one course, ready for :class:`femsim.tissue.Course`.

    Attributes
    ----------
    field : DoseGrid or DoseSum
        Total physical dose in the frame of the jaw file, mm.
    fractions : int
        From the caller, else from the plan.
    notices : tuple of str
        What a reader of the results should know; no identifiers, no file names.
    """

    field: DoseGrid | DoseSum
    fractions: int
    notices: tuple[str, ...] = ()


def read_dicom_dose(
    folder: str | Path,
    *,
    fractions: int | None = None,
    outside: float | None = None,
    register: ArrayLike | None = None,
    fraction_dose: FractionDose | None = None,
    prescription: float | None = None,
) -> DicomDose:
    """Read the dose of one plan: RT Dose files, its RT Plan, and CT, structures or registration for the frame.

    Parameters
    ----------
    folder : str or Path
        Files of one plan; every phase of a treatment has its own folder and is its own course.
    fractions : int, optional
        Fractions given; without it the plan's number is used.
    outside : float, optional
        Dose outside the grid, Gy; without it points outside are refused.
    register : array_like, (4, 4), optional
        Rigid matrix from the frame of the dose to the frame of the jaw file. Without it the dose has to have the
        frame of reference of the CT or structure set, or a registration file that leads there.
    fraction_dose : {"one", "all"}, optional
        What a dose with the summation type FRACTION holds: the dose of one fraction, as planning systems have written
        it, or of all fractions of its group, as the standard says. Without it the prescription decides, or the file
        is refused.
    prescription : float, optional
        Gy, of the whole course; only to tell which of both a FRACTION dose holds.

    Raises
    ------
    InputError
        Whatever leaves the dose unclear; the sentence says what to export or to write.
    """
    files = read_folder(folder)
    if not files.doses:
        raise InputError(f"{files.name}: no RT Dose file in the folder; export the dose of the plan into it")
    notices: list[str] = []
    chosen = _chosen(files, notices)
    _note_dose_type(chosen, notices)
    number = _fractions(files, chosen, fractions, notices)
    grids = tuple(dose_grid(file, outside) for file in chosen)
    summation = _summation(chosen[0])
    if summation in ONE_FRACTION and number > 1:
        if _holds_one(grids[0], summation, number, fraction_dose, prescription):
            grids = (_times(grids[0], number),)
            notices.append(f"the dose of one fraction was multiplied by {number} fractions")
        else:
            notices.append(f"the FRACTION dose was taken as that of all {number} fractions")
    matrix = _to_jaw(files, chosen, register, notices)
    moved = tuple(grid.moved(matrix) for grid in grids)
    return DicomDose(moved[0] if len(moved) == 1 else DoseSum(moved), number, tuple(notices))


def _summation(file: Item) -> str:
    return file.text("DoseSummationType").upper()


def _holds_one(
    grid: DoseGrid, summation: str, number: int, stated: FractionDose | None, prescription: float | None
) -> bool:
    """Tell whether a FRACTION dose is that of one fraction: as stated, else as the prescription tells; no guess."""
    if summation == "FRACTION_SESSION":  # one session by its definition
        return True
    if stated is not None:
        return stated == "one"
    highest = float(grid.values.max())
    fits = [fits_prescription(total, prescription) for total in (highest, number * highest)]
    if prescription is not None and sum(fits) == 1:
        return fits[1]
    clue = "is missing" if prescription is None else f"of {prescription:g} Gy fits {'both' if all(fits) else 'neither'}"
    raise InputError(
        f"{grid.name}: a FRACTION dose of at most {highest:.4g} Gy may be that of one or of all {number} fractions, "
        f"and the prescription that would tell {clue}; write 'fraction_dose: one' (then {number * highest:.4g} Gy in "
        "all) or 'fraction_dose: all'"
    )


def _times(grid: DoseGrid, number: int) -> DoseGrid:
    highest = float(grid.values.max()) * number
    try:
        check_plausible(highest, grid.name)
    except InputError as error:
        raise InputError(
            f"{grid.name}: the FRACTION dose times {number} fractions reaches {highest:g} Gy, more than any course "
            "gives; if the file already holds all fractions write 'fraction_dose: all'"
        ) from error
    return grid.scaled(number)


def _chosen(files: DicomFolder, notices: list[str]) -> tuple[Item, ...]:
    """Return the files whose sum is the dose: a plan is never added to its own parts."""
    kinds: dict[str, list[Item]] = {}
    for file in files.doses:
        kind = _summation(file)
        if kind not in KNOWN:
            raise file.wrong(
                f"DoseSummationType is {kind or 'missing'}; allowed are {', '.join(KNOWN)}; export the summed plan dose"
            )
        kinds.setdefault(kind, []).append(file)
    own = "put every plan into a folder of its own and write one course for each"
    plans = {_plan_of(file) for file in files.doses if _summation(file) != "MULTI_PLAN"} - {""}
    if len(plans) > 1:
        raise InputError(f"{files.name}: the dose files belong to {len(plans)} plans; {own}")
    for group, what in ((WHOLE, "whole-plan"), (ONE_FRACTION, "fraction")):
        found = [file for kind in group for file in kinds.get(kind, [])]
        if len(found) > 1:
            raise InputError(f"{files.name}: {len(found)} {what} doses, of which only one can be meant; {own}")
        if found:
            rest = len(files.doses) - 1
            if rest:
                notices.append(f"{rest} dose files of parts of the plan were left out, the {what} dose contains them")
            return tuple(found)
    beams = tuple(kinds["BEAM"])
    _check_beams(files, beams, notices)
    return beams


def _check_beams(files: DicomFolder, doses: Sequence[Item], notices: list[str]) -> None:
    numbers = [_beams_of(file) for file in doses]
    every = [number for group in numbers for number in group]
    twice = sorted({number for number in every if every.count(number) > 1})
    if twice:
        raise InputError(f"{files.name}: beam {twice[0]} has more than one dose file; keep one dose for each beam")
    plan = _plan_file(files, doses[0])
    if plan is None or not all(numbers):
        notices.append(f"the doses of {len(doses)} beams were summed; no plan shows whether all beams are there")
        return
    setup = {
        beam.whole("BeamNumber")
        for keyword in ("BeamSequence", "IonBeamSequence")
        for beam in plan.items(keyword)
        if beam.text("TreatmentDeliveryType").upper() not in ("", "TREATMENT", "CONTINUATION")
    }
    planned = {
        beam.whole("ReferencedBeamNumber")
        for group in plan.items("FractionGroupSequence")
        for beam in group.items("ReferencedBeamSequence")
    }
    missing = sorted(number for number in planned - setup - set(every) if number is not None)
    if missing:
        text = ", ".join(str(number) for number in missing)
        raise InputError(f"{files.name}: no dose file for beam {text} of the plan; export all beams or the plan's dose")


def _plan_of(dose: Item) -> str:
    return next((plan.text("ReferencedSOPInstanceUID") for plan in dose.items("ReferencedRTPlanSequence")), "")


def _groups_of(dose: Item) -> list[Item]:
    return [
        group
        for plan in dose.items("ReferencedRTPlanSequence")
        for group in plan.items("ReferencedFractionGroupSequence")
    ]


def _beams_of(dose: Item) -> list[int]:
    beams = [beam for group in _groups_of(dose) for beam in group.items("ReferencedBeamSequence")]
    return [number for beam in beams if (number := beam.whole("ReferencedBeamNumber")) is not None]


def _plan_file(files: DicomFolder, dose: Item) -> Item | None:
    wanted = _plan_of(dose)
    return next((plan for plan in files.plans if wanted and plan.text("SOPInstanceUID") == wanted), None)


def _note_dose_type(doses: Sequence[Item], notices: list[str]) -> None:
    for file in doses:
        kind = file.text("DoseType").upper()
        if kind not in ("PHYSICAL", "EFFECTIVE"):
            raise file.wrong(f"DoseType is {kind or 'missing'}; PHYSICAL is needed, export the physical dose")
    if any(file.text("DoseType").upper() == "EFFECTIVE" for file in doses):
        notices.append("the dose is EFFECTIVE: biologically weighted by the planning system, and weighted again here")


def _fractions(files: DicomFolder, doses: Sequence[Item], given: int | None, notices: list[str]) -> int:
    planned = _planned_fractions(files, doses[0])
    if given is None and planned is None:
        raise InputError(
            f"{files.name}: the number of fractions is unknown, for no RT Plan file of this dose states it; write "
            "'fractions' for the course"
        )
    if given is None:
        assert planned is not None
        return planned
    if planned is None and _sums_phases(files, doses[0]):
        notices.append(
            f"the dose sums several plans or phases and is taken as one course of {given} fractions; where phases "
            "differ this understates EQD2 (never overstates it): one course for each phase is exact"
        )
    if planned is not None and planned != given:
        notices.append(f"the plan has {planned} fractions; the {given} that were written are used")
    return given


def _sums_phases(files: DicomFolder, dose: Item) -> bool:
    plan = _plan_file(files, dose)
    groups = [] if plan is None else plan.items("FractionGroupSequence")
    return _summation(dose) == "MULTI_PLAN" or (_summation(dose) == "PLAN" and len(groups) > 1)


def _planned_fractions(files: DicomFolder, dose: Item) -> int | None:
    plan = None if _summation(dose) == "MULTI_PLAN" else _plan_file(files, dose)
    if plan is None:
        return None
    groups = plan.items("FractionGroupSequence")
    named = {group.whole("ReferencedFractionGroupNumber") for group in _groups_of(dose)} - {None}
    if named:
        groups = [group for group in groups if group.whole("FractionGroupNumber") in named]
    if len(groups) != 1:
        return None
    number = groups[0].whole("NumberOfFractionsPlanned")
    if number is not None and number < 1:
        raise plan.wrong(f"NumberOfFractionsPlanned is {number}; it must be 1 or more")
    return number


def _to_jaw(
    files: DicomFolder, doses: Sequence[Item], register: ArrayLike | None, notices: list[str]
) -> NDArray[np.float64]:
    """Return the matrix from the frame of the doses to the frame of the jaw."""
    frames = {file.text("FrameOfReferenceUID") for file in doses}
    if len(frames) != 1:
        raise InputError(f"{files.name}: the dose files have different frames of reference; export them from one plan")
    if register is not None:
        return rigid_matrix(register, files.name)
    structures = {file.text("FrameOfReferenceUID") for file in files.structures} | {
        frame.text("FrameOfReferenceUID")
        for file in files.structures
        for frame in file.items("ReferencedFrameOfReferenceSequence")
    }
    return frame_matrix(files, frames.pop(), "dose", files.scan_frames | structures, notices)


def frame_matrix(
    files: DicomFolder, own: str, what: str, scan_frames: Set[str], notices: list[str]
) -> NDArray[np.float64]:
    """Return the matrix from a frame of reference to the one of the jaw's scan: same frame, or a registration.

    Parameters
    ----------
    files : DicomFolder
        For its registration files.
    own : str
        Frame of reference of the dose or structure.
    what : str
        For messages.
    scan_frames : set of str
        Frames of reference of what shows the jaw.
    notices : list of str
        Gets a sentence about what was assumed or done.

    Raises
    ------
    InputError
        Another frame without a registration file that leads from one to the other.
    """
    others = sorted(scan_frames - {""})
    if not own:
        raise InputError(f"{files.name}: the {what} names no frame of reference; export it again or write 'register'")
    if not others:
        notices.append(f"no scan or structures came with the {what}; its frame was taken to be the jaw's")
        return np.eye(4)
    if others == [own]:
        return np.eye(4)
    if len(others) > 1:
        raise InputError(
            f"{files.name}: scans and structures have {len(others)} frames of reference; keep those of the jaw's scan "
            "only, or write 'register'"
        )
    found = _registered(files, own, others[0])
    if found is None:
        raise InputError(
            f"{files.name}: the {what} has another frame of reference than the scan or structures, and no registration "
            "file leads from one to the other; add it or write 'register'"
        )
    notices.append(f"the {what} was moved by the registration file of the folder")
    return found


def _registered(files: DicomFolder, source: str, target: str) -> NDArray[np.float64] | None:
    for file in files.registrations:
        into = file.text("FrameOfReferenceUID")
        for item in file.items("RegistrationSequence"):
            start = item.text("FrameOfReferenceUID")
            if start != into and {start, into} == {source, target}:
                matrix = _rigid_of(file, item)
                return matrix if start == source else np.asarray(np.linalg.inv(matrix), dtype=float)
    return None


def _rigid_of(file: Item, item: Item) -> NDArray[np.float64]:
    matrices = [one for outer in item.items("MatrixRegistrationSequence") for one in outer.items("MatrixSequence")]
    if len(matrices) != 1:
        raise file.wrong(f"the registration is made of {len(matrices)} matrices; one is needed, or write 'register'")
    values = matrices[0].numbers("FrameOfReferenceTransformationMatrix")
    if len(values) != 16:
        raise file.wrong(f"the registration matrix holds {len(values)} numbers; 16 are needed, or write 'register'")
    return rigid_matrix(values.reshape(4, 4), file.label)
