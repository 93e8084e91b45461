"""Open DICOM files and read single elements from them; whatever is broken inside becomes one clear sentence."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from femsim.errors import InputError
from femsim.images.formats import required

MAGIC_PLACE, MAGIC = 128, b"DICM"
ENDINGS = (".dcm", ".dicom", ".ima")
COSINE_TOLERANCE = 1e-3
"""Largest error of the products of direction cosines: files carry at least four digits of them."""

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

    def pixel_array(self) -> NDArray[Any]:
        """Return the stored pixels, (rows, columns) or (frames, rows, columns)."""
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                return np.asarray(self.dataset.pixel_array)
        except Exception as error:  # absent, cut off or contradictory pixels fail in any way
            raise self.wrong("the pixels cannot be read; the file is broken or no image, export it again") from error

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


def is_dicom(path: Path) -> bool:
    # A file that is named as DICOM is opened even without the magic word, so that a broken one is not passed over.
    with path.open("rb") as stream:
        start = stream.read(MAGIC_PLACE + len(MAGIC))
    return start[MAGIC_PLACE:] == MAGIC or path.suffix.lower() in ENDINGS


def placed(file: Item) -> tuple[NDArray[np.float64], ...]:
    """Return position, row and column directions [3 each] and the spacings (rows, columns) of an image [mm]."""
    found = []
    for keyword, count in (("ImagePositionPatient", 3), ("ImageOrientationPatient", 6), ("PixelSpacing", 2)):
        values = file.numbers(keyword)
        if len(values) != count:
            raise file.wrong(f"{keyword} holds {len(values)} numbers where {count} are needed; export it again")
        found.append(values)
    position, cosines, spacing = found
    row, column = cosines[:3], cosines[3:]
    products = np.array([row @ row - 1.0, column @ column - 1.0, row @ column])
    if np.abs(products).max() > COSINE_TOLERANCE:
        raise file.wrong(
            f"ImageOrientationPatient is {cosines.tolist()}, not two perpendicular unit vectors; export it again"
        )
    if spacing.min() <= 0.0:
        raise file.wrong(f"PixelSpacing is {spacing.tolist()} mm; both steps must be more than 0")
    return position, row / np.linalg.norm(row), column / np.linalg.norm(column), spacing


def _syntax(file: Item) -> str:
    meta = getattr(file.dataset, "file_meta", None)
    return Item(file.label, meta).text("TransferSyntaxUID") if meta is not None else ""


UNCOMPRESSED = ("", "1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.1.99", "1.2.840.10008.1.2.2")
"""Implicit and explicit little endian, the latter deflated as a whole, explicit big endian; "" when not stated."""


def compressed(file: Item) -> bool:
    return _syntax(file) not in UNCOMPRESSED


def big_endian(file: Item) -> bool:
    return _syntax(file) == UNCOMPRESSED[-1]
