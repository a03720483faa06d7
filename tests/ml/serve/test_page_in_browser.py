"""Every view in Chromium, light and dark, on a desk and on a phone: no message, no other host, no barrier.

It needs ``CHURN_BROWSER_PYTHON``, a Python that has playwright and axe-playwright-python, and for a Chromium
that is not playwright's own ``CHURN_BROWSER``.
"""

import json
import os
import subprocess
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from tests.ml.serve.browser_visits import SCHEMES, SIZES
from tests.ml.serve.conftest import ODD_KEYS
from tests.ml.serve.serving import serving

PYTHON = os.environ.get("CHURN_BROWSER_PYTHON", "")
BROWSER = os.environ.get("CHURN_BROWSER", "")
SCRIPT = Path(__file__).parent / "browser_visits.py"

pytestmark = [
    pytest.mark.skipif(
        not PYTHON, reason="NO BROWSER: set CHURN_BROWSER_PYTHON to a Python with playwright and axe"
    ),
    pytest.mark.subjects("ml/serve", "ml/page", "ml/reports"),
]


@pytest.fixture(scope="module")
def visits(shop_online: Path) -> list[dict[str, Any]]:
    """What the browser found on each view."""
    one = [f"/customer?{urlencode({'id': key})}" for key in ODD_KEYS[:2]]
    receipts = f"/receipt?{urlencode({'id': ODD_KEYS[1], 'feature': 'overdue_ratio'})}"
    paths = [
        "/",
        "/customers?call=4",
        *one,
        f"{one[1]}&as_of=2024-06-01",
        receipts,
        f"/what-if?{urlencode({'id': ODD_KEYS[1], 'amount': '49.90'})}",
        "/model",
        "/data",
    ]
    with serving(shop_online) as server:
        command = [PYTHON, str(SCRIPT), f"http://127.0.0.1:{server.port}", BROWSER, json.dumps(paths)]
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=900)
    found: list[dict[str, Any]] = json.loads(done.stdout)
    assert len(found) == len(paths) * len(SCHEMES) * len(SIZES)
    return found


@pytest.mark.parametrize(
    ("finding", "expected"),
    [
        ("status", 200),
        ("console", []),
        ("elsewhere", []),
        ("violations", []),
        ("overflow", 0),
        ("focus", ["Skip to the content", "Overview", "Customers"]),
    ],
)
def test_no_view_has(finding: str, expected: Any, visits: list[dict[str, Any]]) -> None:
    others = [(visit["path"], visit["scheme"], visit["width"], visit[finding]) for visit in visits]
    assert [other for other in others if other[-1] != expected] == []
