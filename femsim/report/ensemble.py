"""The confidence that a study adds to a single run: first loosening among virtual patients, read from its summary."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from femsim.errors import InputError

SUMMARY = "summary.json"
KIND = "femsim-study"


@dataclass(frozen=True)
class Band:
    """First loosening of one design among virtual patients, with pointwise 95 % limits.

    Attributes
    ----------
    patients : int
    median, median_low, median_high : float or None
        Days since surgery; None where half of the patients never come that far.
    horizon : float
        Days that were computed.
    held, held_low, held_high : float or None
        Share of patients without a loose screw at the horizon.
    """

    patients: int
    median: float | None
    median_low: float | None
    median_high: float | None
    horizon: float
    held: float | None
    held_low: float | None
    held_high: float | None

    @property
    def limits(self) -> tuple[float, float]:
        """Interval of the median; a limit that is not reached is infinite."""
        never = float("inf")
        return (
            never if self.median_low is None else self.median_low,
            never if self.median_high is None else self.median_high,
        )


@dataclass(frozen=True)
class Ensemble:
    """What a study says of the designs on a page.

    Attributes
    ----------
    title : str
    bands : mapping of str to Band
        By scenario hash.
    differ : mapping of frozenset of two hashes to float
        p value of the log-rank test of two designs, where the study compared them.
    """

    title: str
    bands: Mapping[str, Band]
    differ: Mapping[frozenset[str], float]


def find_ensemble(study: Path | None, runs: Iterable[Path], hashes: Iterable[str]) -> Ensemble | None:
    """The study named, or the newest one beside the runs that knows the most of these scenarios.

    Parameters
    ----------
    study : Path or None
        Study folder that was asked for.
    runs : iterable of Path
        Run folders; studies are looked for beside them.
    hashes : iterable of str
        Scenarios on the page.

    Raises
    ------
    InputError
        The study asked for has no summary, or knows none of the scenarios.
    """
    wanted = set(hashes)
    if study is not None:
        found = _read(study / SUMMARY)
        if not wanted & found.bands.keys():
            known = ", ".join(found.bands) or "none with a scenario hash"
            raise InputError(
                f"{study}: knows none of the scenarios on this page ({', '.join(sorted(wanted))}; "
                f"its designs are {known}); name the study that was made of them"
            )
        return found
    places = sorted({path.resolve().parent for path in runs})
    candidates = [path for place in places for path in place.glob(f"*/{SUMMARY}")]
    readable: list[Ensemble] = []
    for path in sorted(candidates, key=lambda item: item.stat().st_mtime, reverse=True):
        try:
            readable.append(_read(path))
        except InputError:
            continue  # not asked for: another program's summary, or a study that is being written
    fitting = [one for one in readable if wanted & one.bands.keys()]
    return max(fitting, key=lambda one: len(wanted & one.bands.keys()), default=None)


def _read(path: Path) -> Ensemble:
    if not path.is_file():
        raise InputError(f"{path.parent}: no study with results there (no {SUMMARY}); give the folder of a study")
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if content["kind"] != KIND:
            raise ValueError(f"kind is {content['kind']!r}")
        designs = {one["name"]: one for one in content["designs"]}
        bands = {
            one["scenario_hash"]: _band(one, float(content["horizon_days"]))
            for one in designs.values()
            if one.get("scenario_hash") and one["n"]  # a design whose points all failed has no curve
        }
        differ = {
            frozenset(designs[pair[side]]["scenario_hash"] or "" for side in "ab"): float(pair["logrank_p"])
            for pair in content.get("comparisons", [])
            if pair.get("logrank_p") is not None
        }
        return Ensemble(str(content.get("title", "")), bands, differ)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{path}: is not the summary of a femsim study ({type(error).__name__}: {error})") from error


def _band(design: Mapping[str, Any], horizon: float) -> Band:
    first = design["first_loosening"]
    held, low, high = (first[key][-1] if first.get(key) else None for key in ("held", "low", "high"))
    median, median_low, median_high = (
        None if first.get(key) is None else float(first[key]) for key in ("median_day", "median_low", "median_high")
    )
    return Band(int(design["n"]), median, median_low, median_high, horizon, held, low, high)
