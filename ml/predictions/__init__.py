"""The prediction log: every score that left, in a chain of hashes that shows a changed or missing one."""
