"""The one place that wires the stages: scenario, geometry, mesh, tissue, operator, years of chewing, report."""

from femsim.pipeline.commands import MeshResult, PlanResult, mesh, plan, report, run, show
from femsim.pipeline.comparing import ComparisonResult, compare
from femsim.pipeline.convergence import ConvergenceResult, converge
from femsim.pipeline.exporting import ExportResult, export
from femsim.pipeline.hooks import Hooks
from femsim.pipeline.scenario_run import RunResult

__all__ = [
    "ComparisonResult",
    "ConvergenceResult",
    "ExportResult",
    "Hooks",
    "MeshResult",
    "PlanResult",
    "RunResult",
    "compare",
    "converge",
    "export",
    "mesh",
    "plan",
    "report",
    "run",
    "show",
]
