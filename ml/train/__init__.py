"""Training: labelled rows -> candidates -> calibrated champion, saved with its evidence.

training            the steps in their order
permitted_features  the features a model may read
leakage_suspects    inputs that alone order the labels too well
candidates          the models that compete
folds, trials       each candidate fitted and validated in time
tuning              better settings of the promising candidates
refit               each candidate once more, from training and selection rows
champion_choice     the best candidate, or a simpler one that is as good
calibration_choice  which kind of calibration would have helped
test_part           the evidence on the test part, evaluated once
final_fit           the model that scores, from every settled row
promotion           whether the new model replaces the champion
readback            the saved model in a fresh process
"""

import os

# Waiting threads sleep: where they spin instead, training beside other processes takes several times as long.
# Set here because the first library with OpenMP reads it when it is loaded.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

from ml.train.training import train

__all__ = ["train"]
