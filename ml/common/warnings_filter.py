"""Warnings of the libraries below that tell a user nothing he could act on."""

import warnings


def silence_known_warnings() -> None:
    """Keep two of them out of the output of ``feast`` commands."""
    warnings.filterwarnings("ignore", "On demand feature view is an experimental feature", RuntimeWarning)
    warnings.filterwarnings("ignore", "fetch_arrow_table\\(\\) is deprecated", DeprecationWarning)
