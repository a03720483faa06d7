"""Facts as they happen: raw rows that count at once, and that the next build takes in.

    push         lines in; each accepted or rejected as an ingest would, kept before it is acknowledged
    pushes       the pushes of a home, in one SQLite file
    staged_load  what is loaded, and what is pushed
    take_in      the pushes that are in no load yet, appended to the raw rows

A push is checked by the ingest itself, over a load of its own: the home's current load and the pushes that
are in none yet. Facts that count at once are read from there.
"""

from ml.journal.push import push
from ml.journal.take_in import take_in

__all__ = ["push", "take_in"]
