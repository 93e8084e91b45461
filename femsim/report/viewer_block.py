"""The 3-D viewer as one piece of a page: markup, script, style and data, with what a strict policy must allow."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

from markupsafe import Markup

from femsim.errors import InputError
from femsim.report.catalogue import load_catalogue
from femsim.report.frame import source_hash
from femsim.report.viewer_data import colour_maps, field_table

MOST_DESIGNS = 4


@dataclass(frozen=True)
class ViewerBlock:
    """What a page needs to hold the viewer.

    Attributes
    ----------
    markup : Markup
        Stands where the viewer shall stand; once per page.
    script_source : str
        Goes into ``script-src`` of the page's content security policy: the hash of the one inline script.
    style_source : str
        Goes into ``style-src`` when the page does not allow ``'unsafe-inline'`` there.
    """

    markup: Markup
    script_source: str
    style_source: str


def viewer_block(
    designs: Sequence[Mapping[str, Any]],
    *,
    stills: Sequence[str | None] = (),
    strings: Mapping[str, str] | None = None,
) -> ViewerBlock:
    """Build the viewer for packed runs.

    Parameters
    ----------
    designs : sequence of mapping
        One to four results of :func:`femsim.report.viewer_data.pack_run`; one scale and one camera for all.
    stills : sequence of str or None
        For each design a ``data:`` address of a picture, shown in print and where WebGL or scripts are missing.
    strings : mapping, optional
        Every visible sentence, from :meth:`Catalogue.viewer`; English by default.

    Raises
    ------
    InputError
        No design, or more than four.
    """
    if not 1 <= len(designs) <= MOST_DESIGNS:
        raise InputError(f"{len(designs)} designs for the 3-D viewer; it shows one to {MOST_DESIGNS}: leave some out")
    words = dict(load_catalogue().viewer() if strings is None else strings)
    payload = {"strings": words, "maps": colour_maps(), "fields": field_table(), "designs": list(designs)}
    # Nothing inside the data may end the element that holds it.
    data = json.dumps(payload, ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c")
    pictures = [*stills, *[None] * (len(designs) - len(stills))]
    script, style = _file("viewer.min.js"), _file("style.css")
    markup = Markup(
        '<section class="fv"><style>{}</style>\n<div class="fv-still"><p class="fv-why">{}</p>{}</div>\n'
        '<script type="application/json">{}</script></section>\n<script>{}</script>'
    ).format(
        Markup(style),
        words["no_script"],
        Markup("").join(_figure(design, still, words) for design, still in zip(designs, pictures, strict=True)),
        Markup(data),
        Markup(script),
    )
    return ViewerBlock(markup, source_hash(script), source_hash(style))


def _figure(design: Mapping[str, Any], still: str | None, words: Mapping[str, str]) -> Markup:
    if still is None:
        return Markup("<figure><figcaption>{}: {}</figcaption></figure>").format(design["name"], words["no_picture"])
    return Markup('<figure><img src="{}" alt="{}"><figcaption>{}</figcaption></figure>').format(
        still, words["still_alt"].format(name=design["name"]), design["name"]
    )


def _file(name: str) -> str:
    return (files("femsim.report") / "viewer" / name).read_text(encoding="utf-8")
