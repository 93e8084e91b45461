"""Entry of the rendering child process: ``python -m femsim.report RUN``."""

import sys
from pathlib import Path

from femsim.report.scenes import render_here

render_here(Path(sys.argv[1]))
