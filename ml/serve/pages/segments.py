"""The segments of customers; where there are none, how to make them."""

from markupsafe import Markup

from ml.home.layout import Home
from ml.page.document import code, header, join_parts, paragraph
from ml.segments.segmentation import readable_segmentation
from ml.segments.segments_page import segments_body
from ml.serve.served_state import Served


def segments_page(home: Home, served: Served) -> Markup:
    """The segments of the problem that is served, as of the last run that looked at them."""
    segmentation = readable_segmentation(home, served.model.problem.name)
    if segmentation is None:
        return join_parts(
            header("Segments", "No segments yet."),
            paragraph("Customers by behaviour, with names, sizes and churn rates, come from:"),
            code("churn segments"),
        )
    return segments_body(segmentation)
