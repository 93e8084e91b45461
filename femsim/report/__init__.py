"""Reports: pictures, charts and one self-contained page, made from a run folder alone."""

from femsim.report.page import write_report

__all__ = ["write_report"]
