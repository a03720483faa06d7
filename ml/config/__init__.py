"""Settings: ``problem.yml`` in, a checked ``Problem`` out."""
