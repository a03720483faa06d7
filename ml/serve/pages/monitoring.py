"""The last report of the monitor; where there is none, how to make one."""

from markupsafe import Markup

from ml.home.layout import Home
from ml.monitor.report_file import last_report
from ml.monitor.report_page import report_body
from ml.page.document import code, header, join_parts, paragraph
from ml.serve.served_state import Served


def monitoring_page(home: Home, served: Served) -> Markup:
    """The report of the problem that is served."""
    report = last_report(home, served.model.problem.name)
    if report is None:
        return join_parts(
            header("Monitoring", "No report yet."),
            paragraph("The monitor compares the newest week with the weeks before it, and keeps its report:"),
            code("churn monitor"),
        )
    return report_body(report)
