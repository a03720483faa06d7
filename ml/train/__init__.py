"""Training: labelled rows -> candidates -> calibrated champion, saved with its evidence.

parts       the rows to fit, choose, calibrate and judge on
suspects    inputs that tell the label too well to be honest
candidates  the models that compete
anew        each candidate once more, from training and selection rows
choice      the best, or a simpler one as good
verdict     the test part, touched once
run         the steps in their order
"""

import os

# Threads that wait shall sleep: where they spin, training beside other work takes several times as long.
# Read when the first library with OpenMP is loaded.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

from ml.train.training import train

__all__ = ["train"]
