"""Customers by behaviour, and customers whose behaviour changed against their own past."""
