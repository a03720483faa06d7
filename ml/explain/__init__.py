"""Why a score is what it is: contributions of features, and the same in words."""
