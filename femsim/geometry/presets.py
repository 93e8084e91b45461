"""Named presets in a parameter card: ``plates.reconstruction-2.5.width`` belongs to ``reconstruction-2.5``."""

from __future__ import annotations

import difflib

from femsim.errors import InputError
from femsim.parameters import ParameterSet


def preset_names(parameters: ParameterSet, card: str, key: str) -> tuple[str, ...]:
    """Names of the presets of a card; every preset has the given key."""
    start, end = card + ".", "." + key
    return tuple(
        entry.name.removeprefix(start).removesuffix(end)
        for entry in parameters
        if entry.name.startswith(start) and entry.name.endswith(end)
    )


def preset_group(parameters: ParameterSet, card: str, preset: str, key: str) -> dict[str, float]:
    """Values of one preset by their short name.

    Raises
    ------
    InputError
        Unknown preset, with the closest name and the list.
    """
    names = preset_names(parameters, card, key)
    if preset not in names:
        close = difflib.get_close_matches(preset, names, n=1, cutoff=0.4)
        hint = f", did you mean {close[0]!r}?" if close else ","
        raise InputError(f"{card}: no preset {preset!r}{hint} allowed are {', '.join(names)}")
    return parameters.group(f"{card}.{preset}")
