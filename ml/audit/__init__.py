"""Proof that the contract holds on the data at hand: one check a module, asked in turn by ``run``."""

from ml.audit.findings import Breach, Finding

__all__ = ["Breach", "Finding"]
