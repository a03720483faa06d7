"""How good probabilities are, and how well one feature ranks alone."""
