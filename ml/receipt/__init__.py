"""Receipts: the raw rows that make one value of one customer, and the nearest ones that do not.

A published build and its raw load come in; a ``Receipt``, for people or as JSON, goes out.
"""

from ml.receipt.value_receipt import receipt

__all__ = ["receipt"]
