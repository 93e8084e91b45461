"""Entry of the rendering child process: ``python -m femsim.report RUN LANGUAGE``."""

import sys
from pathlib import Path

from femsim.report.pictures import render_here

render_here(Path(sys.argv[1]), sys.argv[2])
