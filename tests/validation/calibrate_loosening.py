"""Calibrate the clock of screw loosening: paired jaws with and without radiotherapy against clinical times.

One body defect is meshed and condensed once (``design``). Members are a Latin hypercube over the stated ranges of
tissue, interface, damage and fatigue constants and over patients (bite force and the months in which it comes back,
strokes a day, dose, time since radiotherapy); each is run healthy and irradiated until its first screw is seen to be
loose (``run``, resumable). ``fit`` does so for several values of the few assumed constants with the same members;
``show`` prints verdicts and draws the curves.

    python tests/validation/calibrate_loosening.py design work/three.npz
    python tests/validation/calibrate_loosening.py run work/three.npz work/all.jsonl --members 200
    python tests/validation/calibrate_loosening.py show work/all.jsonl --figure work/all.png

What clinics count is a screw that is seen or felt to be loose: one that moves or gives way sideways. A holding force
below half cannot be seen, and the dip of bonding in the first weeks would count; it is noted beside (``weak``).

Simplified on purpose, the same for both arms: bulk moduli are those of healthy bone (irradiation acts on the bone at
the screws), and the plate's stress follows the bite force at fresh screws.
"""

from __future__ import annotations

import os

if __name__ == "__main__":  # before NumPy starts its threads; two processes share two cores
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"):
        os.environ.setdefault(name, "1")

import argparse
import itertools
import json
import multiprocessing
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
from loosening_statistics import DAYS_PER_MONTH, HEALING, LOOSE_MONTHS, Arm, misfit, summary, verdicts
from ruamel.yaml import YAML
from scipy.stats import qmc

from femsim.errors import ConvergenceError, InputError, Stopped
from femsim.fem.materials import Elasticity
from femsim.interface.bone import PatchBone, patch_means
from femsim.interface.condensation import Operator
from femsim.interface.contact import ContactSolver
from femsim.interface.law import LawConstants, ScrewBoneLaw
from femsim.interface.patches import Patches
from femsim.loosening.case import LooseningCase
from femsim.loosening.criteria import LooseCriteria
from femsim.loosening.evolution import evolve
from femsim.loosening.hardware import FatigueMaterial, HardwareFatigue, Part
from femsim.loosening.history import History
from femsim.loosening.integrator import Tolerances, locate
from femsim.loosening.rates import LooseningConstants
from femsim.loosening.spectrum import DAYS_PER_WEEK, HealingSpectrum, Task
from femsim.parameters import ParameterSet, load_parameters
from femsim.tissue import TissueConstants, TissueTable, bonded_history, bonded_rate
from femsim.tissue.dose import eqd2

ROOT = Path(__file__).resolve().parents[2]
SCENARIO = ROOT / "scenarios" / "60gy-12-months.yaml"

FITTED = {
    "Kt": "loosening.stress_concentration",
    "k_res": "loosening.resorption",
    "g_t": "interface.clearance_length",
    "k_fill": "loosening.refill",
    "k_t0": "interface.shear_ratio",
}
"""Assumed constants that may be fitted, inside the ranges of their cards."""

MILDER = {"Kt": -1.0, "g_t": 1.0, "k_fill": 1.0}
"""Direction in which each spares the bone. k_res is not among them: where less bone is resorbed, an overloaded patch
goes on bearing its load, and a screw may loosen earlier."""

VARIED = (
    *(f"tissue.{key}" for key in ("D50", "tauV", "krep", "sC", "chi", "x", "u50", "nu", "Bi", "aC", "aT", "aQ")),
    *(f"tissue.{key}" for key in ("kf", "tlag", "quality_exponent")),
    *(f"interface.{key}" for key in ("bearing_stiffness", "circumferential_ratio", "bond_stiffness", "bond_strength")),
    *(f"interface.{key}" for key in ("shear_strength", "friction")),
    *(f"loosening.{key}" for key in ("life_exponent", "contact_floor", "repair", "resorption_motion_exponent")),
    *(f"loosening.{key}" for key in ("resorption_stress", "resorption_stress_exponent", "fatigue_exponent")),
    *(f"loosening.{key}" for key in ("pure_endurance", "pure_ultimate", "bending_knock_down")),
    *(f"scenario.{key}" for key in ("cycles_per_day", "load_ratio")),
)
"""Constants that differ from member to member, over the range of their card."""

PATIENT = {
    "bite_force": (60.0, 200.0),
    "full_bite": (12.0, 60.0),
    "prescription": (50.0, 70.0),
    "months": (6.0, 60.0),
}
"""Bite force in the end [N] (published healing forces), months after surgery at which it is reached (chewing after
treatment of oral cancer recovers between one and five years: de Groot 2019), prescribed dose [Gy], months since
radiotherapy."""
EVEN_IN_LOGARITHM = {"full_bite", "months"}

EARLY_BITE = ((1.5, 30.0, 60.0), (4.5, 60.0, 150.0))
"""Month, bite force of the weakest and of the strongest patient [N]: published healing forces of months 0 to 3 and 3 to
6, put at the middle of each; a patient keeps his place between the weakest and the strongest."""

REST_DAYS = 120.0
"""The dip after insertion lies in the first weeks."""

FRACTIONS = 30
HORIZON = 5 * 365.25
ARMS = ("healthy", "irradiated")

COARSE = Tolerances.coarse()
"""About twenty times looser than a run: the first screw of the standard jaw loosens on day 233 instead of 231."""

LONGEST_RUN = 60.0
"""Processor seconds after which a run is given up and its jaw censored on the day reached; the number is reported."""


# --- design ---------------------------------------------------------------------------------------------------------


def build_design(path: Path, per_stump: int, plate: str, preset: str, bite: str) -> None:
    """Mesh and condense one body defect with healthy bulk bone and store what the members need."""
    from femsim.pipeline.construct import construct, loosening_case, meshed
    from femsim.pipeline.hooks import Hooks
    from femsim.pipeline.setting import prepare
    from femsim.scenario import scenario_from_mapping

    written = YAML(typ="safe").load(SCENARIO.read_text(encoding="utf-8"))
    task = {**written["loading"]["tasks"][0], "bite": bite}
    written["plate"]["preset"] = plate
    written["screws"]["per_stump"] = per_stump
    written["loading"]["tasks"] = [task]
    written["mesh"] = {"preset": preset}
    irradiated = prepare(scenario_from_mapping(written, str(SCENARIO)), Hooks())
    setting = prepare(scenario_from_mapping({**written, "irradiation": None}, str(SCENARIO)), Hooks())
    mesh, _, _ = meshed(setting, Hooks())
    built = construct(setting, mesh, Hooks())
    case, chewer = loosening_case(setting, built)
    full = chewer.chew(case.insertion(), case.tissue_at(0.0), 1.0, chewer.cold())
    assert case.stress_at is not None
    plate_name = setting.operation.plates[0].name
    peak, valley = case.stress_at(0.0, full)[0][plate_name]
    course = irradiated.tissue.courses[0]
    operator = built.condensation.operator
    data = {f"operator_{key}": np.asarray(value) for key, value in asdict(operator).items()}
    data |= {f"patches_{key}": value for key, value in built.patches.arrays().items()}
    np.savez_compressed(
        path,
        **data,
        cortical=patch_means(built.model, built.patches, built.model.cortical.astype(float)),
        dose_share=course.dose(built.patches.centre) / course.maximum,
        stumps=np.array(case.stumps),
        activation=case.tasks[0].activation,
        bite=case.tasks[0].bite,
        bite_name=bite,
        bite_force=task_force(case.tasks[0]),
        plate_stress=np.stack([peak, valley]),
    )


def task_force(task: Task) -> float:
    """Full bite force of a task that has one."""
    assert task.bite_force is not None
    return task.bite_force


@dataclass(frozen=True, eq=False)
class Design:
    """One operated jaw, condensed, as :func:`build_design` stored it."""

    operator: Operator
    patches: Patches
    data: Mapping[str, Any]
    digest: str


@cache
def load_design(path: Path) -> Design:
    """Read a stored design."""
    with np.load(path) as stored:
        data = {key: stored[key] for key in stored.files}
    parts: dict[str, dict[str, Any]] = {"operator": {}, "patches": {}}
    for key, value in data.items():
        group, _, name = key.partition("_")
        if group in parts:
            parts[group][name] = value
    for name in ("load_names", "bite_names"):
        parts["operator"][name] = tuple(str(one) for one in parts["operator"][name])
    digest = sha256(data["operator_G"].tobytes()).hexdigest()[:12]
    return Design(Operator(**parts["operator"]), Patches.from_arrays(parts["patches"]), data, digest)


# --- members --------------------------------------------------------------------------------------------------------


def members(count: int, seed: int) -> list[dict[str, float]]:
    """Latin hypercube over :data:`VARIED` and :data:`PATIENT`; the same for every value of the fitted constants.

    Contact at insertion, lag, formation and resorption of bonding come from the same experiments and are not
    independent: combinations by which a screw at rest in healthy bone would count as loose are drawn again.
    """
    cards = load_parameters()
    names, generator = [*VARIED, *PATIENT], np.random.default_rng(seed)
    found: list[dict[str, float]] = []
    while len(found) < count:
        rows = qmc.LatinHypercube(len(names), rng=generator).random(count)
        drawn = [{name: quantile(cards, name, float(p)) for name, p in zip(names, row, strict=True)} for row in rows]
        found += [member for member in drawn if bonds_at_rest(member)]
    return found[:count]


def bonds_at_rest(member: Mapping[str, float]) -> bool:
    """Whether bonding without motion in healthy bone keeps a screw's holding force above the threshold."""
    cards = parameters_of(member, {})
    tissue = TissueConstants.from_parameters(cards)
    bonded = bonded_history(np.arange(1.0, REST_DAYS), 1.0, tissue)
    return bool(bonded.min() > cards["loosening.loose_holding"] * tissue.Bi)


def quantile(cards: ParameterSet, name: str, share: float) -> float:
    """Value of a constant below which ``share`` of its members lie."""
    if name in PATIENT:
        low, high, even = *PATIENT[name], name not in EVEN_IN_LOGARITHM
    else:
        entry = cards.entry(name)
        if entry.range is None:
            raise InputError(f"{name} has no range in its card; take it out of the ensemble")
        low, high, even = *entry.range, entry.distribution != "loguniform"
    return float(low + share * (high - low)) if even else float(low * (high / low) ** share)


def parameters_of(member: Mapping[str, float], fitted: Mapping[str, float]) -> ParameterSet:
    """Cards with a member's values and the fitted ones, which must lie inside the ranges of their cards."""
    cards = load_parameters()
    for symbol, value in fitted.items():
        low, high = cards.entry(FITTED[symbol]).range or (value, value)
        if not low <= value <= high:
            raise InputError(f"{symbol} is {value:g}; its card allows {low:g} to {high:g}")
        cards = cards.override(FITTED[symbol], value, "fit")
    for name, value in member.items():
        if name not in PATIENT:
            cards = cards.override(name, value, "member")
    return cards


def spectrum_of(member: Mapping[str, float]) -> HealingSpectrum:
    """Recovery of one patient's bite after :data:`EARLY_BITE`; constant before its first point."""
    weakest, strongest = PATIENT["bite_force"]
    place = (member["bite_force"] - weakest) / (strongest - weakest)
    months = [month for month, _, _ in EARLY_BITE] + [member["full_bite"]]
    forces = [low + place * (high - low) for _, low, high in EARLY_BITE] + [member["bite_force"]]
    weeks = np.array(months) * DAYS_PER_MONTH / DAYS_PER_WEEK
    return HealingSpectrum(weeks, np.array(forces) / member["bite_force"])


def loosening_of(
    design: Design, member: Mapping[str, float], fitted: Mapping[str, float], arm: str, tolerances: Tolerances = COARSE
) -> LooseningCase:
    """Case of one jaw; it ends with its first loose screw."""
    cards, data = parameters_of(member, fitted), design.data
    tissue = TissueConstants.from_parameters(cards)
    given = member["prescription"] if arm == "irradiated" else 0.0
    dose = eqd2(given * data["dose_share"], FRACTIONS, tissue.alpha_beta)
    table = TissueTable(
        tissue,
        surgery_day=member["months"] * DAYS_PER_MONTH,
        horizon=HORIZON,
        eqd2_max=float(eqd2(given, FRACTIONS, tissue.alpha_beta)),
    )
    bone = PatchBone.of_classes(data["cortical"], Elasticity.from_parameters(cards), table.histories(dose))
    law = ScrewBoneLaw(LawConstants.from_parameters(cards))
    task = Task(
        name=str(data["bite_name"]),
        activation=data["activation"],
        bite=int(data["bite"]),
        bite_force=member["bite_force"],
        cycles_per_day=member["scenario.cycles_per_day"],
        load_ratio=member["scenario.load_ratio"],
    )
    criteria = asdict(LooseCriteria.from_parameters(cards))
    stumps = [str(name) for name in data["stumps"]]
    # A stump that needs all its screws is lost with the first of them, which ends the run.
    criteria["stump_minimum"] = max(stumps.count(name) for name in stumps)
    criteria["loose_holding"] = 0.0  # switched off: nobody can see it; see weak_day
    return LooseningCase(
        solver=ContactSolver(design.operator, design.patches.thread_shape, law, cards["interface.bite_stiffness"]),
        patches=design.patches,
        stumps=stumps,
        tasks=(task,),
        spectrum=spectrum_of(member),
        tissue_at=bone.at,
        bonded_rate=lambda bonded, activity, day, motion: bonded_rate(bonded, activity, day, motion, tissue),
        constants=LooseningConstants.from_parameters(cards),
        criteria=LooseCriteria(**criteria),
        initial_bond=tissue.Bi,
        probe=cards["interface.probe_displacement"],
        tolerances=tolerances,
    )


def fracture_day(design: Design, member: Mapping[str, float], fitted: Mapping[str, float]) -> float:
    """Day on which the plate's fatigue life is used up; infinity beyond the horizon."""
    cards, data = parameters_of(member, fitted), design.data
    spectrum = spectrum_of(member)
    part = Part("plate", FatigueMaterial.pure(cards), cards["loosening.bending_knock_down"])
    hardware = HardwareFatigue([part], np.array([member["scenario.cycles_per_day"]]), spectrum)
    peak = data["plate_stress"][0] * (member["bite_force"] / float(data["bite_force"]))
    last = float(spectrum.kinks[-1])
    # Stress tensors are proportional to the force; the valley is the member's own load ratio.
    hardware.refresh(last, [{"plate": (peak, member["scenario.load_ratio"] * peak)}])
    marks = [0.0, *(float(day) for day in spectrum.kinks if day > 0.0), HORIZON]
    for start, end in itertools.pairwise(marks):
        if hardware.total(start, end)["plate"] >= 1.0:
            length = end - start
            share = locate(
                lambda part_of, start=start, length=length: (
                    hardware.total(start, start + part_of * length)["plate"] >= 1.0
                ),
                length,
                COARSE.event,
            )
            return start + share * length
        hardware.advance(start, end)
    return float("inf")


def weak_day(history: History, criteria: LooseCriteria) -> float:
    """First day on which a screw has held less than its share of the force at insertion for the full duration."""
    day, below = history.step("day"), history.screw("holding_ratio") < criteria.loose_holding
    first = np.inf
    for screw in below.T:
        since = np.inf
        for now, weak in zip(day, screw, strict=True):
            since = min(since, now) if weak else np.inf
            if now - since >= criteria.loose_duration:
                first = min(first, since + criteria.loose_duration)
    return float(first)


def followed(design: Design, number: int, member: Mapping[str, float], fitted: Mapping[str, float], arm: str) -> dict:
    """Follow one jaw to its first loose screw or the horizon."""
    began, reached = time.process_time(), 0.0  # a busy machine must not censor jaws

    def progress(day: float, _: float) -> None:
        nonlocal reached
        reached = day

    record: dict[str, Any] = {"member": number, "arm": arm, "loose": False, "screw": "", "criterion": "", "note": ""}
    record |= {"fracture": fracture_day(design, member, fitted), "weak": float("inf")}
    criteria = LooseCriteria.from_parameters(parameters_of(member, fitted))
    try:
        outcome = evolve(
            loosening_of(design, member, fitted, arm),
            HORIZON,
            checkpoint_every=10**9,
            should_stop=lambda: time.process_time() - began > LONGEST_RUN,
            on_progress=progress,
        )
        reached = outcome.day
        record["weak"] = weak_day(outcome.history, criteria)
        first = next((event for event in outcome.events if event.kind in ("screw loose", "support lost")), None)
        if first is not None:
            record |= {"loose": True, "screw": first.subject, "criterion": first.criterion}
    except Stopped:
        record["note"] = "given up"
    except ConvergenceError as error:
        record["note"] = f"no convergence: {error}"
    return {**record, "day": reached, "seconds": round(time.process_time() - began, 2)}


# --- ensemble -------------------------------------------------------------------------------------------------------


def run_ensemble(
    design_path: Path,
    out: Path,
    count: int,
    seed: int,
    fitted: Mapping[str, float],
    processes: int,
    minutes: float,
    harsher: Path | None = None,
    infer: bool = False,
    first: int | None = None,
) -> bool:
    """Follow all members in both arms, one line each; True when none is left. Lines already there are kept.

    The irradiated arm comes first. With ``infer`` a jaw that holds to the horizon when irradiated is taken to hold when
    healthy too, and marked so, without being run. ``first`` follows only so many of the members, to compare constants
    on the same ones.
    """
    design = load_design(design_path)
    head = {"design": design.digest, "members": count, "seed": seed, "fitted": dict(fitted)}
    head |= {"horizon": HORIZON}
    stored_rows(out, head)
    if harsher is not None:
        taken_over(out, harsher)
    done = {(row["member"], row["arm"]) for row in stored_rows(out, head)}
    everyone = members(count, seed)
    end = time.monotonic() + 60.0 * minutes
    with multiprocessing.get_context("spawn").Pool(processes) as pool, open(out, "a", encoding="utf-8") as stream:
        for arm in reversed(ARMS):
            if infer and arm == ARMS[0]:
                done |= inferred(out)
            wanted = [k for k in range(count)[:first] if (k, arm) not in done]
            jobs = [(design_path, k, everyone[k], dict(fitted), arm) for k in wanted]
            # Handed out in small portions, so that a stop loses little.
            for start in range(0, len(jobs), 4 * processes):
                if time.monotonic() > end:
                    return False
                for row in pool.imap_unordered(_job, jobs[start : start + 4 * processes]):
                    stream.write(json.dumps(row) + "\n")
                    stream.flush()
    return True


def inferred(out: Path) -> set[tuple[int, str]]:
    """Write healthy rows of the members whose irradiated jaw holds; the members and arm written."""
    rows = stored_rows(out)
    known = {row["member"] for row in rows if row["arm"] == ARMS[0]}
    held = [
        row
        for row in rows
        if row["arm"] == ARMS[1] and not (row["loose"] or row["note"]) and row["member"] not in known
    ]
    with open(out, "a", encoding="utf-8") as stream:
        for row in held:
            stream.write(json.dumps({**row, "arm": ARMS[0], "weak": float("inf"), "seconds": 0.0, "inferred": True}))
            stream.write("\n")
    return {(row["member"], ARMS[0]) for row in held}


def taken_over(out: Path, harsher: Path) -> int:
    """Jaws that held under harsher constants hold under milder ones: write their rows without running them.

    Only for screening. The file ``out`` must be of the same members and design as ``harsher`` and already begun.
    """
    head, wanted = (json.loads(path.read_text(encoding="utf-8").splitlines()[0]) for path in (harsher, out))
    if {**head, "fitted": 0} != {**wanted, "fitted": 0}:
        raise InputError(f"{harsher}: is of other members or of another design than {out}")
    cards = load_parameters()
    mine, theirs = ({s: head["fitted"].get(s, cards[name]) for s, name in FITTED.items()} for head in (wanted, head))
    same = all(mine[symbol] == theirs[symbol] for symbol in FITTED if symbol not in MILDER)
    if not same or any(sign * (mine[symbol] - theirs[symbol]) < 0.0 for symbol, sign in MILDER.items()):
        raise InputError(f"{harsher}: its constants are not harsher than those of {out} in every respect")
    done = {(row["member"], row["arm"]) for row in stored_rows(out)}
    held = [row for row in stored_rows(harsher) if not row["loose"] and not row["note"]]
    fresh = [{**row, "seconds": 0.0} for row in held if (row["member"], row["arm"]) not in done]
    with open(out, "a", encoding="utf-8") as stream:
        stream.writelines(json.dumps(row) + "\n" for row in fresh)
    return len(fresh)


def _job(job: tuple[Path, int, dict[str, float], dict[str, float], str]) -> dict[str, Any]:
    path, number, member, fitted, arm = job
    return followed(load_design(path), number, member, fitted, arm)


def stored_rows(path: Path, head: Mapping[str, Any] | None = None) -> list[dict[str, Any]]:
    """Rows of a results file; with ``head`` the file is begun when missing and refused when it is of another ensemble.

    A line that a stop has cut short is dropped from the file.
    """
    if head is not None and not path.is_file():
        path.write_text(json.dumps(head) + "\n", encoding="utf-8")
        return []
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    if lines and not lines[-1].endswith("\n"):
        lines.pop()
        path.write_text("".join(lines), encoding="utf-8")
    first, *rows = (json.loads(line) for line in lines)
    if head is not None and first != head:
        differing = sorted(key for key in head if first.get(key) != head[key])
        raise InputError(f"{path}: belongs to another ensemble ({', '.join(differing)} differ); name another file")
    return rows


def arms_of(rows: Sequence[Mapping[str, Any]], hidden: bool = False) -> tuple[Arm, Arm]:
    """Healthy and irradiated arm of the members of which both are known; with ``hidden`` weak screws are loose too."""
    found = {(row["member"], row["arm"]): row for row in rows}
    both = sorted(k for k, arm in found if arm == ARMS[0] and (k, ARMS[1]) in found)

    def arm(name: str) -> Arm:
        mine = [found[k, name] for k in both]
        day, loose, fracture, weak = (
            np.array([row[key] for row in mine]) for key in ("day", "loose", "fracture", "weak")
        )
        return Arm(np.minimum(day, weak), loose | (weak < day), fracture) if hidden else Arm(day, loose, fracture)

    return arm(ARMS[0]), arm(ARMS[1])


def candidates(count: int, seed: int) -> Iterator[dict[str, float]]:
    """First the cards' own values, then a Latin hypercube over the ranges of the fitted constants."""
    cards = load_parameters()
    yield {symbol: cards[name] for symbol, name in FITTED.items()}
    shares = qmc.LatinHypercube(len(FITTED), rng=np.random.default_rng(seed)).random(max(count - 1, 0))
    for row in shares:
        yield {symbol: quantile(cards, FITTED[symbol], float(p)) for symbol, p in zip(FITTED, row, strict=True)}


# --- what people see ------------------------------------------------------------------------------------------------


def shown(path: Path, first: int | None = None) -> list[str]:
    """Lines about one results file, or about its first members."""
    head = json.loads(path.read_text(encoding="utf-8").splitlines()[0])
    rows = [row for row in stored_rows(path) if first is None or row["member"] < first]
    healthy, irradiated = arms_of(rows)
    found = summary(healthy, irradiated)
    fitted = ", ".join(f"{symbol} {value:.4g}" for symbol, value in head["fitted"].items()) or "values of the cards"
    seconds = np.array([row["seconds"] for row in rows])
    lines = [f"{path.name}: {len(healthy.day)} pairs; {fitted}; misfit {misfit(found):.3g}"]
    lines += [f"  {line}" for line in verdicts(found)]
    for name, arm in zip(ARMS, (healthy, irradiated), strict=True):
        day, loose = arm.at_risk()
        months = ", ".join(f"{m:.0f}" for m in np.sort(day[loose]) / DAYS_PER_MONTH)
        lines.append(f"  {name}: {int(loose.sum())} loose, months {months or '-'}")
    late, none = found["irradiated_late_median_months"], found["irradiated_loose"] - found["irradiated_loose_late"]
    lines.append(
        f"  irradiated jaws that loosen after {HEALING:g} days: median {late:.3g} months; {none:.0f} loosen before"
    )
    weak = [int(arm.at_risk()[1].sum()) for arm in arms_of(rows, hidden=True)]
    early = [int((arm.at_risk()[1] & (arm.day < HEALING)).sum()) for arm in arms_of(rows, hidden=True)]
    lines.append(
        f"  by holding force too: {weak[0]} healthy, {weak[1]} irradiated loose, of these in the first "
        f"{HEALING:g} days {early[0]} and {early[1]}"
    )
    lines.append(
        f"  hazard ratio 95 %: {found['hazard_ratio_low']:.2g} to {found['hazard_ratio_high']:.2g}; plates broken "
        f"{found['fractures']:.0f}; given up or not converged {sum(bool(row['note']) for row in rows)}; "
        f"healthy jaws inferred {sum('inferred' in row for row in rows)}; "
        f"{np.median(seconds[seconds > 0.0]):.1f} s a run (median), {seconds.sum() / 60:.1f} min in all"
    )
    return lines


def draw(path: Path, figure: Path) -> None:
    """Share of jaws without a loose screw over the months, both arms, with broken plates."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt
    from scipy.stats import CensoredData, ecdf

    fig, axis = plt.subplots(figsize=(7.0, 4.2), layout="constrained")
    lowest = 1.0
    for name, colour, arm in zip(ARMS, ("#4477aa", "#cc6677"), arms_of(stored_rows(path)), strict=True):
        day, loose = arm.at_risk()
        curve = ecdf(CensoredData.right_censored(day, ~loose)).sf
        months = np.concatenate([[0.0], curve.quantiles, [HORIZON]]) / DAYS_PER_MONTH
        held = np.concatenate([[1.0], curve.probabilities, curve.probabilities[-1:]])
        axis.step(months, held, where="post", color=colour, label=f"{name}, {int(loose.sum())} of {len(day)} loose")
        lowest = min(lowest, float(held.min()))
        broken = arm.fracture[arm.fracture < arm.day] / DAYS_PER_MONTH
        axis.plot(broken, np.full(len(broken), 1.0), "v", color=colour, clip_on=False)
    axis.axvspan(*LOOSE_MONTHS, color="#dddddd", zorder=0, label="clinical median of loosening")
    axis.set(xlabel="months since surgery", ylabel="jaws without a loose screw", xlim=(0, 60))
    axis.set_ylim(np.floor(10.0 * lowest - 1.0) / 10.0, 1.01)
    axis.legend(frameon=False, loc="lower left")
    fig.savefig(figure, dpi=130)
    plt.close(fig)


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    one = commands.add_parser("design", help="mesh and condense")
    one.add_argument("design", type=Path)
    one.add_argument("--screws", type=int, default=3, help="per stump")
    one.add_argument("--plate", default="reconstruction-2.5")
    one.add_argument("--mesh", default="preview")
    one.add_argument("--bite", default="right-first-molar")
    for name in ("run", "fit"):
        two = commands.add_parser(name)
        two.add_argument("design", type=Path)
        two.add_argument("out", type=Path, help="results file; for fit a folder of them")
        two.add_argument("--members", type=int, default=200)
        two.add_argument("--seed", type=int, default=6)
        two.add_argument("--processes", type=int, default=2)
        two.add_argument("--minutes", type=float, default=np.inf, help="stop early; the same command goes on")
        if name == "run":
            two.add_argument("--milder-than", type=Path, metavar="FILE", help="take over the jaws that held there")
            two.add_argument("--first", type=int, help="only so many of the members")
            two.add_argument("--infer", action="store_true", help="jaws that hold irradiated hold healthy; not run")
            two.add_argument("--set", nargs="*", default=[], metavar="Kt=2", help=f"of {', '.join(FITTED)}")
        else:
            two.add_argument("--candidates", type=int, default=16)
    three = commands.add_parser("show")
    three.add_argument("files", type=Path, nargs="+")
    three.add_argument("--first", type=int, help="only so many of the members")
    three.add_argument("--figure", type=Path)
    given = parser.parse_args(arguments)
    if given.command == "design":
        given.design.parent.mkdir(parents=True, exist_ok=True)
        build_design(given.design, given.screws, given.plate, given.mesh, given.bite)
    elif given.command == "run":
        fitted = {key: float(value) for key, _, value in (text.partition("=") for text in given.set)}
        unknown = sorted(set(fitted) - set(FITTED))
        if unknown:
            raise InputError(f"{unknown[0]} is not fitted; choose from {', '.join(FITTED)}")
        run_ensemble(
            given.design,
            given.out,
            given.members,
            given.seed,
            fitted,
            given.processes,
            given.minutes,
            given.milder_than,
            given.infer,
            given.first,
        )
        print("\n".join(shown(given.out)))
    elif given.command == "fit":
        given.out.mkdir(parents=True, exist_ok=True)
        end = time.monotonic() + 60.0 * given.minutes
        for k, fitted in enumerate(candidates(given.candidates, given.seed)):
            left = (end - time.monotonic()) / 60.0
            path = given.out / f"{k:02d}.jsonl"
            if not run_ensemble(given.design, path, given.members, given.seed, fitted, given.processes, left):
                break
            print("\n".join(shown(path)), flush=True)
    else:
        for path in given.files:
            print("\n".join(shown(path, given.first)))
        if given.figure is not None:
            draw(given.files[0], given.figure)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
