"""The segments of customers, as 'churn segments' keeps them."""

from markupsafe import Markup

from ml.reports.card_data import Card
from ml.segments.segments_page import segment_parts


def behaviour(card: Card) -> list[Markup]:
    """Sizes, churn rates, what tells segments apart, who moved."""
    return segment_parts(card.segmentation)
