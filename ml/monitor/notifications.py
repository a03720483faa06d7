"""Where a report is sent: a webhook, and a file for the text file collector of Prometheus."""

import json
import urllib.error
import urllib.request

from ml.common.durable_files import replace_file
from ml.home.layout import Home
from ml.monitor.report import MonitorReport
from ml.monitor.settings import MonitorSettings

SECONDS = 10


def notify(home: Home, report: MonitorReport, settings: MonitorSettings) -> list[str]:
    """Send what the settings ask for; a sentence for each that failed, which is no reason to fail."""
    warnings = []
    if settings.webhook:
        warnings += post(settings.webhook, json.dumps(report.summary()).encode())
    if settings.prometheus_file:
        try:
            replace_file(home.root / settings.prometheus_file, prometheus_text(report).encode())
        except OSError as error:
            warnings.append(
                f"the file {settings.prometheus_file} for Prometheus was not written: {error.strerror}"
            )
    return warnings


def post(url: str, body: bytes) -> list[str]:
    """POST JSON; a sentence if that failed, without the address, which may hold a secret."""
    request = urllib.request.Request(url, body, {"Content-Type": "application/json"}, method="POST")
    try:
        with urllib.request.urlopen(request, timeout=SECONDS):
            return []
    except urllib.error.HTTPError as error:
        return [f"the webhook answered {error.code}: the summary was not taken"]
    except (OSError, ValueError) as error:
        reason = getattr(error, "reason", error)
        return [f"the webhook could not be reached: {reason}"]


def prometheus_text(report: MonitorReport) -> str:
    """The figures in the text format of Prometheus."""
    labels = f'problem="{report.problem}"'
    lines = [
        "# HELP churn_monitor_alerts Groups that page.",
        "# TYPE churn_monitor_alerts gauge",
        f"churn_monitor_alerts{{{labels}}} {len(report.alerts)}",
        "# HELP churn_monitor_retrain_due Whether the policy asks for a new training.",
        "# TYPE churn_monitor_retrain_due gauge",
        f"churn_monitor_retrain_due{{{labels}}} {int(report.retrain_due)}",
        "# HELP churn_monitor_customers Customers in the population.",
        "# TYPE churn_monitor_customers gauge",
        f"churn_monitor_customers{{{labels}}} {report.customers}",
        "# HELP churn_monitor_pages Whether a group pages.",
        "# TYPE churn_monitor_pages gauge",
    ]
    lines += [
        f'churn_monitor_pages{{{labels},group="{group.name}"}} {int(group.pages)}' for group in report.groups
    ]
    lines += [
        "# HELP churn_monitor_stale_days Days since the last row.",
        "# TYPE churn_monitor_stale_days gauge",
    ]
    lines += [
        f'churn_monitor_stale_days{{source="{source.source}"}} {source.stale_days:.6g}'
        for source in report.sources
        if source.stale_days is not None
    ]
    return "\n".join(lines) + "\n"
