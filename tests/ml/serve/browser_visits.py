"""Visits the pages of a server in Chromium: run by a Python that has playwright and axe-playwright-python.

    python tests/ml/serve/browser_visits.py http://127.0.0.1:8000 BROWSER '["/", "/customers"]'

Prints a JSON list: for each path, colour scheme and width its status, what the console said, requests to
other hosts, violations of axe, and how many pixels it is wider than the screen.
"""

import json
import sys
from itertools import product

SCHEMES = ("light", "dark")
SIZES = ((1200, 900), (390, 844))


def main(base: str, browser: str, paths: list[str]) -> None:
    from axe_playwright_python.sync_playwright import Axe
    from playwright.sync_api import sync_playwright

    findings = []
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=browser or None, args=["--no-sandbox"])
        for (path, scheme), (width, height) in product(product(paths, SCHEMES), SIZES):
            context = chromium.new_context(viewport={"width": width, "height": height}, color_scheme=scheme)
            page = context.new_page()
            said: list[str] = []
            elsewhere: list[str] = []
            page.on("console", lambda message, said=said: said.append(message.text))
            page.on("pageerror", lambda error, said=said: said.append(str(error)))
            page.on(
                "request",
                lambda request, elsewhere=elsewhere: (
                    None if request.url.startswith(base) else elsewhere.append(request.url)
                ),
            )
            answer = page.goto(base + path)
            page.evaluate("document.querySelectorAll('details').forEach(part => part.open = true)")
            violations = Axe().run(page).response["violations"]
            findings.append(
                {
                    "path": path,
                    "scheme": scheme,
                    "width": width,
                    "status": answer.status if answer else None,
                    "console": said,
                    "elsewhere": elsewhere,
                    "violations": [
                        [violation["id"], [node["html"][:200] for node in violation["nodes"][:3]]]
                        for violation in violations
                    ],
                    "overflow": page.evaluate(
                        "document.documentElement.scrollWidth - document.documentElement.clientWidth"
                    ),
                    "focus": keyboard(page),
                }
            )
            context.close()
        chromium.close()
    print(json.dumps(findings))


def keyboard(page) -> list[str]:  # type: ignore[no-untyped-def]
    """What the first presses of the tabulator reach."""
    reached = []
    for _ in range(3):
        page.keyboard.press("Tab")
        reached.append(page.evaluate("document.activeElement.textContent"))
    return reached


if __name__ == "__main__":
    main(sys.argv[1].rstrip("/"), sys.argv[2], json.loads(sys.argv[3]))
