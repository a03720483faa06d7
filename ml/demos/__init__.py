"""Demo data: each module writes one folder of raw tables that obeys the contract."""
