"""The DICOM files of one treatment plan, sorted by kind."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from femsim.errors import InputError
from femsim.images.dicom import Item, is_dicom, open_file

RT_DOSE = "1.2.840.10008.5.1.4.1.1.481.2"
RT_STRUCTURES = "1.2.840.10008.5.1.4.1.1.481.3"
RT_PLANS = ("1.2.840.10008.5.1.4.1.1.481.5", "1.2.840.10008.5.1.4.1.1.481.8")
"""RT Plan and RT Ion Plan."""
REGISTRATION = "1.2.840.10008.5.1.4.1.1.66.1"
SCANS = ("CT", "MR")
"""Modalities whose frame of reference is the patient's."""

@dataclass(frozen=True)
class DicomFolder:
    """The files of one treatment plan, sorted by kind.

    Attributes
    ----------
    name : str
        Folder, for messages.
    doses, plans, structures, registrations : tuple of Item
    scan_frames : frozenset of str
        Frames of reference of the CT and MR images.
    """

    name: str
    doses: tuple[Item, ...] = ()
    plans: tuple[Item, ...] = ()
    structures: tuple[Item, ...] = ()
    registrations: tuple[Item, ...] = ()
    scan_frames: frozenset[str] = field(default_factory=frozenset)


def read_folder(folder: str | Path) -> DicomFolder:
    """Read every DICOM file in a folder and the folders below it; of images only the frame of reference.

    Raises
    ------
    InputError
        No such folder, a broken DICOM file, pydicom absent.
    """
    root = Path(folder).resolve()
    if not root.is_dir():
        raise InputError(f"DICOM: no folder {str(root)!r}; give the folder with the RT Dose and RT Plan files")
    kinds: dict[str, list[Item]] = {"dose": [], "plan": [], "structures": [], "registration": []}
    frames: set[str] = set()
    paths = [path for path in sorted(one for one in root.rglob("*") if one.is_file()) if is_dicom(path)]
    for number, path in enumerate(paths, start=1):
        label = f"DICOM folder {root.name!r}, file {number} of {len(paths)} by name"
        head = open_file(path, label, only=["SOPClassUID", "Modality", "FrameOfReferenceUID"])
        kind = _kind(head)
        if kind:
            kinds[kind].append(open_file(path, f"{label} (RT {kind})"))
        elif head.text("Modality") in SCANS and head.text("FrameOfReferenceUID"):
            frames.add(head.text("FrameOfReferenceUID"))
    return DicomFolder(
        f"DICOM folder {root.name!r}",
        tuple(kinds["dose"]),
        tuple(kinds["plan"]),
        tuple(kinds["structures"]),
        tuple(kinds["registration"]),
        frozenset(frames),
    )


def _kind(head: Item) -> str:
    kind, modality = head.text("SOPClassUID"), head.text("Modality")
    if kind == RT_DOSE or modality == "RTDOSE":
        return "dose"
    if kind in RT_PLANS or modality == "RTPLAN":
        return "plan"
    if kind == RT_STRUCTURES or modality == "RTSTRUCT":
        return "structures"
    return "registration" if kind == REGISTRATION or modality == "REG" else ""
