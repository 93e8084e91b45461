"""Rigid statics of the published attachments against the published reactions."""

from __future__ import annotations

import numpy as np
import pytest

from femsim.geometry.muscles import activation_patterns, reference_muscles
from femsim.geometry.sites import Statics, rigid_statics
from femsim.parameters import load_parameters

MIRROR = np.array([-1.0, 1.0, 1.0])


def reactions(pattern: str, bite: str) -> Statics:
    parameters = load_parameters()
    muscles, activation = reference_muscles(parameters), activation_patterns(parameters)[pattern]
    condyle = parameters.vector("muscles.reference.condyle")
    molar = parameters.vector("muscles.reference.first_molar")
    places = {
        "incisal": parameters.vector("muscles.reference.incisor")[None],
        "left": molar[None],
        "right": molar[None] * MIRROR,
        "both": np.array([molar, molar * MIRROR]),
    }
    return rigid_statics(
        np.array([muscle.point for muscle in muscles]),
        np.array([activation[muscle.name] * muscle.force * muscle.direction for muscle in muscles]),
        places[bite],
        {"left": condyle, "right": condyle * MIRROR},
    )


@pytest.mark.parametrize(
    ("pattern", "bite", "force", "left", "right"),
    [
        ("INC", "incisal", 166, 149, 149),
        ("LMOL", "left", 499, 110, 278),
        ("RMOL", "right", 499, 278, 110),
        ("ICP", "both", 707, 264, 264),
    ],
)
def test_published_reactions(pattern: str, bite: str, force: float, left: float, right: float) -> None:
    """Bite and vertical joint reactions at full published activation meet the stated values within one per cent."""
    found = reactions(pattern, bite)
    assert found.bite == pytest.approx(force, rel=0.01)
    assert found.condyles["left"] == pytest.approx(left, rel=0.01)
    assert found.condyles["right"] == pytest.approx(right, rel=0.01)


@pytest.mark.parametrize(("pattern", "bite"), [("INC", "incisal"), ("LMOL", "left"), ("ICP", "both")])
def test_reactions_balance_the_muscles(pattern: str, bite: str) -> None:
    """Vertical forces and the moments about the condylar line and the sagittal axis vanish."""
    parameters = load_parameters()
    found = reactions(pattern, bite)
    muscles, activation = reference_muscles(parameters), activation_patterns(parameters)[pattern]
    condyle = parameters.vector("muscles.reference.condyle")
    molar = parameters.vector("muscles.reference.first_molar")
    tooth = {"incisal": parameters.vector("muscles.reference.incisor"), "left": molar, "both": molar * [0, 1, 1]}[bite]
    points = np.array([*(m.point for m in muscles), tooth, condyle, condyle * MIRROR])
    down = np.array([found.bite, found.condyles["left"], found.condyles["right"]])
    forces = np.array(
        [
            *(activation[m.name] * m.force * m.direction for m in muscles),
            *(force * np.array([0.0, 0.0, -1.0]) for force in down),
        ]
    )
    centre = condyle * [0, 1, 1]
    moment = np.cross(points - centre, forces).sum(axis=0)
    assert abs(forces[:, 2].sum()) < 1e-9
    assert abs(moment[0]) < 1e-8
    assert abs(moment[1]) < 1e-8


def test_a_bite_between_the_condyles_is_refused() -> None:
    """A bite on the line through the condyles has no lever and is refused."""
    condyles = {"a": np.array([50.0, 30, 80]), "b": np.array([-50.0, 30, 80])}
    with pytest.raises(ValueError, match="line through"):
        rigid_statics(np.zeros((1, 3)), np.ones((1, 3)), np.array([[0.0, 30, 80]]), condyles)
