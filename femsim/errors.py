"""Exceptions of femsim: one root, one kind per failure, each with the exit code of the command line."""

from __future__ import annotations


class FemsimError(Exception):
    """Root of every error that femsim raises on purpose.

    The message is one sentence for a person: what happened, where, the value, what is allowed, what to try.

    Attributes
    ----------
    exit_code : int
        Exit code of the command line for this kind of failure.
    status : str
        The word written to ``run.json``.
    """

    exit_code = 1
    status = "failed"


class InputError(FemsimError):
    """The scenario, a file it names or a value in it cannot be used."""

    exit_code = 2
    status = "invalid input"


class GeometryError(InputError):
    """The operation described cannot be built: open surface, plate off the bone, screw in the defect, ..."""


class MeshError(InputError):
    """No mesh of acceptable quality could be made of the geometry."""


class ConvergenceError(FemsimError):
    """A solver or an integrator did not reach its tolerance."""

    exit_code = 3
    status = "did not converge"


class Stopped(FemsimError):
    """The user or the system stopped the run; it can be resumed."""

    exit_code = 4
    status = "stopped"
