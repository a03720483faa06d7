"""Warnings of libraries that a user cannot act on."""

import warnings


def silence_known_warnings() -> None:
    """Silence two of them in the output of ``feast`` commands."""
    warnings.filterwarnings("ignore", "On demand feature view is an experimental feature", RuntimeWarning)
    warnings.filterwarnings("ignore", "fetch_arrow_table\\(\\) is deprecated", DeprecationWarning)
