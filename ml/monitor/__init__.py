"""The monitor: past weeks of a home judge the newest one, at a stated rate of false pages.

``weeks``, ``outcomes``, ``feeds`` and ``raw_columns`` read; ``deviations``, ``rank_rule``, ``betting``,
``distances`` and ``estimated_performance`` are the statistics; ``groups`` judge; ``causes`` and ``alarms``
say why; ``report`` is what comes out, ``report_page`` draws it. ``replay`` recomputes logged scores and names
why they differ, ``late`` shows what facts that came late did.
"""

from ml.monitor.monitoring import monitor
from ml.monitor.report import MonitorReport

__all__ = ["MonitorReport", "monitor"]
