"""The model that is served: its card, with the curves of the one that was judged."""

from functools import lru_cache

from markupsafe import Markup

from ml.common.progress import SILENT
from ml.evaluate.evidence_file import evidence_file
from ml.home.layout import Home
from ml.model.model_files import read_judged
from ml.reports.model_card import card_of
from ml.segments.segmentation import segments_file
from ml.serve.served_state import Served


def model_page(home: Home, served: Served) -> Markup:
    """The card of the served model, drawn once for as long as its evidence and the segments stay the same."""
    files = evidence_file(home, served.model.version), segments_file(home, served.model.problem.name)
    return drawn_card(home, served, tuple(file.stat().st_mtime_ns if file.exists() else 0 for file in files))


# A card takes a second to draw, and two states are alive while a newer one is taken over.
@lru_cache(maxsize=2)
def drawn_card(home: Home, served: Served, _written: tuple[int, ...]) -> Markup:
    card, draw = card_of(read_judged(home.models / served.model.version), home, SILENT)
    return draw(card)
