"""Tests run as two worker processes on two cores: threads that wait for one another would double the CPU."""

import os

# Before NumPy and the boosters are loaded.
for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(name, "1")
