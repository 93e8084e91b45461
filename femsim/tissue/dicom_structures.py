"""A structure (target, jaw) from the contours of an RT Structure Set, as a closed surface."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from numpy.typing import ArrayLike

from femsim.errors import InputError
from femsim.geometry.surface import Surface
from femsim.images.grid import rigid_matrix
from femsim.tissue.contours import contour_surface
from femsim.tissue.dicom_dose import frame_matrix
from femsim.tissue.dicom_files import Item, read_folder

CLOSED = ("CLOSED_PLANAR", "CLOSEDPLANAR_XOR")


@dataclass(frozen=True, eq=False)
class Structure:
    """A contoured structure.

    Attributes
    ----------
    surface : Surface
        Closed, in the frame of the jaw file, mm.
    notices : tuple of str
        What a reader of the results should know.
    """

    surface: Surface
    notices: tuple[str, ...] = ()


def read_structure(folder: str | Path, name: str, *, register: ArrayLike | None = None) -> Structure:
    """Read one structure of the RT Structure Set in a DICOM folder.

    Parameters
    ----------
    folder : str or Path
        With exactly one RT Structure Set.
    name : str
        ROI name; capitals do not matter when only one name fits.
    register : array_like, (4, 4), optional
        Rigid matrix from the frame of the structures to the frame of the jaw file. Without it the structures have to
        have the frame of reference of the scan in the folder, if there is one, or a registration file that leads there.

    Raises
    ------
    InputError
        No or several structure sets, an unknown name, contours that are no closed stack, another frame.
    """
    files = read_folder(folder)
    if len(files.structures) != 1:
        raise InputError(
            f"{files.name}: {len(files.structures)} RT Structure Sets in the folder; exactly one is needed"
        )
    file = files.structures[0]
    roi = _roi(file, name)
    contours = [
        _contour(contour)
        for item in file.items("ROIContourSequence")
        if item.whole("ReferencedROINumber") == roi.whole("ROINumber")
        for contour in item.items("ContourSequence")
    ]
    surface = contour_surface(contours, f"structure {name!r}")
    notices: list[str] = []
    if register is not None:
        matrix = rigid_matrix(register, files.name)
    else:
        own = roi.text("ReferencedFrameOfReferenceUID") or file.text("FrameOfReferenceUID")
        matrix = frame_matrix(files, own, "structure set", files.scan_frames or {own}, notices)
    return Structure(surface.transformed(matrix[:3, :3], matrix[:3, 3]), tuple(notices))


def _roi(file: Item, name: str) -> Item:
    rois = file.items("StructureSetROISequence")
    exact = [roi for roi in rois if roi.text("ROIName") == name]
    found = exact or [roi for roi in rois if roi.text("ROIName").casefold() == name.casefold()]
    if len(found) != 1:
        names = ", ".join(sorted({roi.text("ROIName") for roi in rois})) or "none"
        raise file.wrong(f"{len(found) or 'no'} structures are named {name!r}; the file has {names}")
    return found[0]


def _contour(contour: Item) -> ArrayLike:
    kind = contour.text("ContourGeometricType").upper()
    if kind not in CLOSED:
        raise contour.wrong(f"a contour of the structure is {kind or 'of no kind'}; closed planar contours are needed")
    values = contour.numbers("ContourData")
    if len(values) == 0 or len(values) % 3:
        raise contour.wrong(f"a contour holds {len(values)} numbers, not three for every point; export it again")
    return values.reshape(-1, 3)
