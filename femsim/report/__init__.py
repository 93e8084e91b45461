"""Reports: pictures, charts and self-contained pages of one run or several designs, made from run folders alone."""

from femsim.report.page import write_comparison, write_report
from femsim.report.pdf import print_page

__all__ = ["print_page", "write_comparison", "write_report"]
