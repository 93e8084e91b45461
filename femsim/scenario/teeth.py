"""Tooth numbers of the lower jaw (FDI) and the bite words of scenario files."""

from __future__ import annotations

from typing import Literal

Activation = Literal["INC", "ICP", "RMOL", "LMOL", "PULL"]
"""Muscle patterns: incisal, intercuspal, right and left molar; ``PULL`` is the actuator of the bench block."""

LEFT = tuple(range(31, 39))
RIGHT = tuple(range(41, 49))
LOWER = (*LEFT, *RIGHT)
WORDS = {3: "canine", 4: "first-premolar", 5: "second-premolar", 6: "first-molar", 7: "second-molar"}
BITES: dict[str, tuple[int, ...]] = {
    "incisal": (31, 41),
    "intercuspal": (36, 46),
    **{f"left-{word}": (30 + number,) for number, word in WORDS.items()},
    **{f"right-{word}": (40 + number,) for number, word in WORDS.items()},
    "tip": (),
}
"""Bite word to the teeth that meet the food; ``tip`` is the free end of the bench block."""

BOTH_SIDES = tuple(WORDS.values())
"""Bite words without a side: chewed on the left and on the right in turn, by the habit of the patient."""

LAST_FRONT_TOOTH = 3
"""Position in the quadrant of the canine, the last tooth that bites with the incisal pattern of muscles."""


def place(tooth: int) -> int:
    """Return the place of a tooth along the arch, right to left: 48 -> -8, 41 -> -1, 31 -> 1, 38 -> 8."""
    number = tooth % 10
    return number if tooth // 10 == 3 else -number


def between(first: int, last: int) -> tuple[int, ...]:
    """Return the teeth from ``first`` to ``last`` along the arch, both included."""
    low, high = sorted((place(first), place(last)))
    return tuple(tooth for tooth in LOWER if low <= place(tooth) <= high)


def bite_teeth(bite: str | int) -> tuple[int, ...]:
    """Return the teeth of a bite given as a word or a tooth number; a word without a side has those of both sides."""
    if bite in BOTH_SIDES:
        return (*BITES[f"left-{bite}"], *BITES[f"right-{bite}"])
    return BITES[bite] if isinstance(bite, str) else (bite,)


def usual_activation(bite: str | int) -> Activation:
    """Return the muscle pattern of a bite: ``INC``, ``ICP``, ``RMOL``, ``LMOL``, or ``PULL`` on the bench block."""
    biting = bite_teeth(bite)
    if not biting:
        return "PULL"
    if biting[0] % 10 <= LAST_FRONT_TOOTH:
        return "INC"
    if len(biting) > 1:
        return "ICP"
    return "LMOL" if biting[0] in LEFT else "RMOL"
