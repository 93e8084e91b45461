"""Open DICOM files and read single elements from them; whatever is broken inside becomes one clear sentence."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from femsim.errors import InputError
from femsim.tissue.dose_images import required

RT_DOSE = "1.2.840.10008.5.1.4.1.1.481.2"
RT_STRUCTURES = "1.2.840.10008.5.1.4.1.1.481.3"
RT_PLANS = ("1.2.840.10008.5.1.4.1.1.481.5", "1.2.840.10008.5.1.4.1.1.481.8")
"""RT Plan and RT Ion Plan."""
REGISTRATION = "1.2.840.10008.5.1.4.1.1.66.1"
SCANS = ("CT", "MR")
"""Modalities whose frame of reference is the patient's."""
MAGIC_PLACE, MAGIC = 128, b"DICM"
ENDINGS = (".dcm", ".dicom", ".ima")

Answer = TypeVar("Answer")


@dataclass(frozen=True, eq=False)
class Item:
    """A DICOM data set or an item of one of its sequences; reads elements by their standard keywords.

    Attributes
    ----------
    label : str
        For messages: folder and place of the file in it. File names are left out, for they often hold the patient's
        name and messages are kept in records; values that identify the patient are never read.
    dataset : pydicom.Dataset
    """

    label: str
    dataset: Any

    def text(self, keyword: str) -> str:
        """Return an element as text, empty when absent."""
        value = self._read(keyword, lambda found: "" if found is None else str(found).strip())
        return value or ""

    def numbers(self, keyword: str) -> NDArray[np.float64]:
        """Return an element's numbers (n,); empty when absent."""

        def convert(found: Any) -> NDArray[np.float64]:
            if found is None or (isinstance(found, str) and not found.strip()):
                return np.zeros(0)
            values = np.atleast_1d(np.asarray(found, dtype=float))
            if not np.all(np.isfinite(values)):
                raise ValueError("not finite")
            return values

        return self._read(keyword, convert)

    def whole(self, keyword: str) -> int | None:
        """Return an element as a whole number; None when absent."""
        found = self.numbers(keyword)
        if len(found) == 0:
            return None
        if len(found) > 1 or found[0] != int(found[0]):
            raise self.wrong(f"{keyword} is {found.tolist()}; one whole number is needed")
        return int(found[0])

    def items(self, keyword: str) -> list[Item]:
        """Return the items of a sequence; empty when absent."""
        return self._read(keyword, lambda found: [] if found is None else [Item(self.label, one) for one in found])

    def pixels(self) -> bytes:
        """Return the raw bytes of the pixels, empty when absent."""
        return self._read("PixelData", lambda found: b"" if found is None else bytes(found))

    def wrong(self, text: str) -> InputError:
        """Make the error about this file."""
        return InputError(f"{self.label}: {text}")

    def _read(self, keyword: str, convert: Callable[[Any], Answer]) -> Answer:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # about spelling of values; those that matter are checked here
                return convert(self.dataset.get(keyword))
        except InputError:
            raise
        except Exception as error:  # elements are decoded when they are asked for and fail in any way
            raise self.wrong(f"the element {keyword} cannot be read; the file is broken, export it again") from error


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
    paths = [path for path in sorted(one for one in root.rglob("*") if one.is_file()) if _is_dicom(path)]
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


def open_file(path: Path, label: str, only: list[str] | None = None) -> Item:
    """Open one DICOM file, called ``label`` in messages; ``only`` limits the elements that are read."""
    pydicom: Any = required("pydicom", "dicom", "reading DICOM files")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            dataset = pydicom.dcmread(path, stop_before_pixels=only is not None, specific_tags=only)
    except Exception as error:  # the reader raises whatever a broken file makes fail
        raise InputError(f"{label}: this is no whole DICOM file; copy or export it again") from error
    return Item(label, dataset)


def _is_dicom(path: Path) -> bool:
    # A file that is named as DICOM is opened even without the magic word, so that a broken one is not passed over.
    with path.open("rb") as stream:
        start = stream.read(MAGIC_PLACE + len(MAGIC))
    return start[MAGIC_PLACE:] == MAGIC or path.suffix.lower() in ENDINGS


def _kind(head: Item) -> str:
    kind, modality = head.text("SOPClassUID"), head.text("Modality")
    if kind == RT_DOSE or modality == "RTDOSE":
        return "dose"
    if kind in RT_PLANS or modality == "RTPLAN":
        return "plan"
    if kind == RT_STRUCTURES or modality == "RTSTRUCT":
        return "structures"
    return "registration" if kind == REGISTRATION or modality == "REG" else ""
