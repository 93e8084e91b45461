"""Tell a surface file that was cut off from a whole one before a reader sees it."""

from __future__ import annotations

from pathlib import Path

from femsim.errors import InputError

STL_HEADER, STL_TRIANGLE = 84, 50
"""Bytes before the triangles of a binary STL, the last four their number, and bytes of each triangle."""
PLY_HEADER_LIMIT = 20_000
PLY_SIZES = {
    **dict.fromkeys(("char", "uchar", "int8", "uint8"), 1),
    **dict.fromkeys(("short", "ushort", "int16", "uint16"), 2),
    **dict.fromkeys(("int", "uint", "int32", "uint32", "float", "float32"), 4),
    **dict.fromkeys(("double", "float64"), 8),
}


def check_whole(path: Path) -> None:
    """Raise :class:`InputError` when an STL, PLY or VTP file is shorter than its header says.

    VTK's PLY reader ends the process on a file cut off in the middle, and its STL reader returns the part it found.
    """
    check = {".stl": _check_stl, ".ply": _check_ply, ".vtp": check_xml}.get(path.suffix.lower())
    if check is not None:
        check(path)


def _cut_off(path: Path, detail: str) -> InputError:
    return InputError(f"{path}: the file is broken or cut off ({detail}); copy or export it again")


def _check_stl(path: Path) -> None:
    size = path.stat().st_size
    with path.open("rb") as file:
        start = file.read(STL_HEADER)
        file.seek(max(0, size - 512))
        end = file.read()
    if start.lstrip().startswith(b"solid") and b"\0" not in start:
        if b"endsolid" not in end:
            raise _cut_off(path, "no 'endsolid' at its end")
        return
    if size < STL_HEADER:
        raise _cut_off(path, f"{size} bytes, an STL has at least {STL_HEADER}")
    needed = STL_HEADER + STL_TRIANGLE * int.from_bytes(start[80:84], "little")
    if size < needed:
        raise _cut_off(path, f"{size} bytes where its header announces {needed}")


def check_xml(path: Path) -> None:
    """Raise :class:`InputError` when a VTK XML file does not end as one."""
    if not path.read_bytes().rstrip().endswith(b"</VTKFile>"):
        raise _cut_off(path, "no '</VTKFile>' at its end")


def _check_ply(path: Path) -> None:
    size = path.stat().st_size
    with path.open("rb") as file:
        start = file.read(PLY_HEADER_LIMIT)
    header, mark, body = start.partition(b"end_header")
    if not header.startswith(b"ply") or not mark:
        raise _cut_off(path, "no complete PLY header")
    try:
        elements, text = _ply_elements(header.decode("ascii"))
    except (UnicodeDecodeError, ValueError, KeyError, IndexError) as error:
        raise _cut_off(path, f"the PLY header cannot be understood: {error}") from error
    if text:
        lines = sum(1 for line in path.read_bytes().partition(b"end_header")[2].splitlines()[1:] if line.strip())
        if lines < sum(count for count, _ in elements):
            raise _cut_off(path, f"{lines} lines of data where its header announces {sum(c for c, _ in elements)}")
        return
    line_end = body.find(b"\n") + 1
    present = size - len(header) - len(mark) - line_end
    needed = sum(count * width for count, width in elements)
    if present < needed:
        raise _cut_off(path, f"{present} bytes of data where its header announces {needed}")


def _ply_elements(header: str) -> tuple[list[tuple[int, int]], bool]:
    """Number and least byte width of every element (a list is taken for a triangle's), and whether it is text."""
    elements: list[tuple[int, int]] = []
    text = False
    for words in (line.split() for line in header.splitlines()):
        if words[:1] == ["format"]:
            text = words[1] == "ascii"
        elif words[:1] == ["element"]:
            elements.append((int(words[2]), 0))
        elif words[:1] == ["property"]:
            count, width = elements[-1]
            width += PLY_SIZES[words[2]] + 3 * PLY_SIZES[words[3]] if words[1] == "list" else PLY_SIZES[words[1]]
            elements[-1] = (count, width)
    return elements, text
