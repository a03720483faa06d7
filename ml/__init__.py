"""Tidemark's Python layer. What a command does is one function: ``from ml.train import train``.

Every such function takes ``home``, the folder that holds all state (default ``CHURN_HOME``), and returns
plain values. Importing the package loads nothing heavy.
"""

__version__ = "0.1.0"
