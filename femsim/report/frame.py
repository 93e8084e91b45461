"""The frame that all pages share: templates, style, content security policy, pictures as data."""

from __future__ import annotations

import base64
import hashlib
import io
from collections.abc import Iterable
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from femsim.report.catalogue import Catalogue

PICTURE_WIDTH = 1100
"""Pixels; no column of a page is wider, and a page of four designs must stay below ten megabytes."""
PICTURE_QUALITY = 86


@dataclass(frozen=True)
class Column:
    """Heading of a column; ``kind`` is a class of the page's style: empty for numbers, ``text``, ``text wide``."""

    label: str
    kind: str = ""


@dataclass(frozen=True)
class Row:
    """Cells of one row, as they are shown; ``mark`` is a class of the page's style, such as ``loose``."""

    cells: tuple[Any, ...]
    mark: str = ""


@dataclass(frozen=True)
class Table:
    """A table of a page.

    Attributes
    ----------
    caption : str
        Names the table, for the eye and for a screen reader.
    columns : tuple of Column
    rows : tuple of Row
    note : str
        Small print below it.
    head : int
        Column whose cells name their row.
    groups : tuple of (str, int)
        Heading and number of rows of each group, in order, when the rows belong to several designs.
    """

    caption: str
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    note: str = ""
    head: int = 0
    groups: tuple[tuple[str, int], ...] = ()

    def bodies(self) -> list[tuple[str, tuple[Row, ...]]]:
        """Heading and rows of every group; one without a heading when there are no groups."""
        found, start = [], 0
        for heading, count in self.groups or (("", len(self.rows)),):
            found.append((heading, self.rows[start : start + count]))
            start += count
        return found


@dataclass(frozen=True)
class Chart:
    """A chart as it stands on a page: its ``data:`` address, a short title, a description, small print below it."""

    source: str
    title: str
    alt: str
    note: str = ""


def render(
    template: str, words: Catalogue, *, script_source: str = "", styles: Iterable[str] = (), **content: Any
) -> str:
    """Fill a template that extends ``base.html.j2``.

    Parameters
    ----------
    template : str
        File in ``femsim/report/templates``.
    words : Catalogue
        Also given to the template, with ``say`` and the filters ``number``, ``percent``, ``duration`` and ``count``.
    script_source : str
        What ``script-src`` of the policy must allow: the hash of the one inline script, if there is one.
    styles : iterable of str
        Hashes of inline styles besides the page's own.
    **content
        Names for the template.
    """
    environment = Environment(
        loader=PackageLoader("femsim.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        number=words.number, percent=words.percent, duration=words.duration, count=words.count, told=words.told
    )
    style = (files("femsim.report") / "templates" / "page.css").read_text(encoding="utf-8")
    return environment.get_template(template).render(
        words=words,
        say=words.say,
        style=Markup(style),
        style_sources=" ".join([source_hash(style), *styles]),
        script_source=script_source,
        **content,
    )


def source_hash(text: str) -> str:
    """What a content security policy must name to allow exactly this inline script or style."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode('utf-8')).digest()).decode('ascii')}'"


def data_uri(kind: str, content: bytes) -> str:
    """Bytes as an address within the page."""
    return f"data:{kind};base64,{base64.b64encode(content).decode('ascii')}"


def svg_chart(svg: str, title: str, alt: str, note: str = "") -> Chart:
    """An SVG text as a chart of a page."""
    return Chart(data_uri("image/svg+xml", svg.encode("utf-8")), title, alt, note)


def picture_uri(path: Path) -> str:
    """A rendered picture for a page: no wider than a column and stored as WebP, a fraction of the size of the PNG."""
    from PIL import Image

    with Image.open(path) as image:
        shown = image.convert("RGB")
        if shown.width > PICTURE_WIDTH:
            height = round(shown.height * PICTURE_WIDTH / shown.width)
            shown = shown.resize((PICTURE_WIDTH, height), Image.Resampling.LANCZOS)
    stream = io.BytesIO()
    shown.save(stream, "WEBP", quality=PICTURE_QUALITY, method=4)
    return data_uri("image/webp", stream.getvalue())
