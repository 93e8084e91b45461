"""The first screen: headline, ranking of designs in plain words, why, and what would change it."""

from __future__ import annotations

import math
from collections.abc import Sequence

from femsim.report import words as told
from femsim.report.catalogue import DAYS_PER_YEAR, Catalogue
from femsim.report.design import Design
from femsim.report.frame import Column, Row, Table
from femsim.report.ranking import LONG_LIFE, SAME_LIFE, SAME_TIME, SIGNIFICANT, Place, Ranking


def headline(designs: Sequence[Design], ranking: Ranking, words: Catalogue) -> str:
    """One line that answers the question: of a run what happens, of several designs which comes first."""
    if len(designs) == 1:
        return told.headline(designs[0].run, words)
    first = [place.design for place in ranking.places if place.rank == 1]
    if not first:
        return words.say("words.ranking_unfinished")
    if len(first) > 1:
        return words.say("words.tie_first", names=words.listed([design.name for design in first]))
    return words.say("words.first_is", name=first[0].name, headline=_inside(told.headline(first[0].run, words)))


def _inside(text: str) -> str:
    return text[:1].lower() + text[1:]


def unfinished(designs: Sequence[Design], words: Catalogue) -> list[str]:
    """Sentences about runs that are not complete; they come before everything else."""
    states = ((design, told.state(design.run, words)) for design in designs)
    return [words.say("words.of_design", name=design.name, told=_inside(state)) for design, state in states if state]


def sentences(design: Design, words: Catalogue) -> list[str]:
    """Answer of a single run: what happens, how sure that is, why, and what is nearest to happening."""
    found = told.answer(design.run, words)
    sure = told.confidence(design.band, words)
    if design.complete:
        found.append(sure or words.say("words.no_band"))
    return found


def reasons(designs: Sequence[Design], words: Catalogue) -> list[tuple[str, list[str]]]:
    """For each design of a comparison its headline, how sure that is, the main reason and the nearest margins."""
    found = []
    for design in designs:
        run = design.run
        texts = [
            told.state(run, words),
            told.confidence(design.band, words),
            told.main_reason(run, words) if run.screws else "",
            told.nearest_margin(run, words),
            told.plate_margin(run, words),
        ]
        head = words.say("words.of_design", name=design.name, told=_inside(told.headline(run, words)))
        found.append((head, [text for text in texts if text]))
    return found


def ranking_table(ranking: Ranking, words: Catalogue) -> Table:
    """Place of every design with the measures that made it."""
    studied = any(place.design.band for place in ranking.places)
    keys = ["rank", "design", "first_loose", "screws_loose", *(["ensemble"] if studied else [])]
    keys += ["plate_life", "implant_volume", "nearest", "decided"]
    kinds = {"implant_volume": "", "nearest": "text wide"}
    columns = tuple(Column(words.say(f"tables.{key}"), kinds.get(key, "text")) for key in keys)
    rows = tuple(Row(_cells(place, ranking, studied, words)) for place in ranking.places)
    return Table(words.say("tables.ranking"), columns, rows, _ranking_note(ranking, words), head=1)


def _cells(place: Place, ranking: Ranking, studied: bool, words: Catalogue) -> tuple[str, ...]:
    design = place.design
    shared = sum(1 for other in ranking.places if other.rank == place.rank) > 1
    if place.rank is None:
        rank = words.say("tables.no_place")
    else:
        rank = words.say("tables.shared_place", rank=place.rank) if shared else str(place.rank)
    first = words.say("tables.holds_until", horizon=words.years(design.horizon))
    failure = design.run.failure
    if not math.isinf(design.first_loose_day):
        first = words.duration(design.first_loose_day)
    elif failure is not None:
        text = told.event_sentence(failure, words)
        first = words.say("tables.fails_first", text=text, when=words.when(failure["day"]))
    elif not design.complete:
        first = "–"
    volume = design.implant_volume
    return (
        rank,
        design.name,
        first,
        words.say("tables.loose_of", loose=len(design.loose), count=len(design.run.screws)),
        *([_band(design, words)] if studied else []),
        _life(design.plate_life, words),
        words.number(None if volume is None else volume / 1000),
        told.margin_in_short(design.run, words),
        words.say(f"tables.decided_{place.decided_by}"),
    )


def _band(design: Design, words: Catalogue) -> str:
    band = design.band
    if band is None:
        return "–"
    if band.median is not None:
        low, high = (
            words.say("words.not_reached") if day is None else words.duration(day)
            for day in (band.median_low, band.median_high)
        )
        return words.say("tables.band_short", median=words.duration(band.median), low=low, high=high)
    held = [words.percent(share, 2) for share in (band.held, band.held_low, band.held_high)]
    return words.say("tables.band_held_short", held=held[0], low=held[1], high=held[2])


def _life(days: float | None, words: Catalogue) -> str:
    if days is None:
        return "–"
    if days > LONG_LIFE:
        return words.say("tables.long_life", years=words.number(LONG_LIFE / DAYS_PER_YEAR))
    return words.years(days)


def _ranking_note(ranking: Ranking, words: Catalogue) -> str:
    life = words.number(SAME_LIFE)
    notes = [
        words.say("tables.ranking_study", p=words.number(SIGNIFICANT), life=life)
        if ranking.from_ensemble
        else words.say("tables.ranking_single", time=words.percent(SAME_TIME), life=life)
    ]
    if len({place.design.horizon for place in ranking.places}) > 1:
        notes.append(words.say("tables.ranking_common", horizon=words.years(ranking.common_horizon)))
    notes.append(words.say("tables.ranking_life"))
    return " ".join(notes)
