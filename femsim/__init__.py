"""femsim: titanium plate and screws on an irradiated jaw under years of chewing (research software)."""

import os

__version__ = "0.1.0"

# Two OpenMP runtimes share the cores (numba's and MKL's): threads that spin while they wait starve the other one.
# Multigrid on 300,000 unknowns takes a third of the processor time with it. Read when the runtimes are loaded.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
