"""Proof that the contract holds on the data at hand: one module for each check; ``all_checks`` runs them."""

from ml.audit.findings import Breach, Finding

__all__ = ["Breach", "Finding"]
