"""Training: labelled rows -> candidates -> calibrated champion, saved with its evidence.

parts       the rows to fit, choose, calibrate and judge on
candidates  the models that compete
choice      the best, or a simpler one as good
verdict     the test part, touched once
run         the steps in their order
"""

from ml.train.run import train

__all__ = ["train"]
