"""The pictures of the page in docs/serving.md, of a server that runs: light, dark, and on a phone.

    python docs/page_screenshots.py http://127.0.0.1:8000 [CHROMIUM]

It runs in a Python that has playwright. The page of one customer is that of the third safest;
what if is asked of the third at risk.
"""

import re
import sys
from pathlib import Path

FOLDER = Path(__file__).parent
DESK, LONG, PHONE = (
    {"width": 1100, "height": 760},
    {"width": 1100, "height": 1500},
    {"width": 390, "height": 844},
)
PICTURES = (
    ("page-customers.png", "/customers?call=3", "light", DESK),
    ("page-customer.png", "customer", "dark", LONG),
    ("page-what-if.png", "what-if", "light", DESK),
    ("page-phone.png", "/", "light", PHONE),
)


def main(base: str, browser: str) -> None:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=browser or None, args=["--no-sandbox"])
        for name, path, scheme, size in PICTURES:
            context = chromium.new_context(viewport=size, color_scheme=scheme)
            page = context.new_page()
            if path in ("customer", "what-if"):
                page.goto(f"{base}/customers?sort=safe" if path == "customer" else f"{base}/customers")
                links = re.findall(r'href="/customer(\?[^"]*)"', page.content())
                asked = "" if path == "customer" else "&amount=49.90"
                path = f"/{path}{links[2].replace('&amp;', '&')}{asked}"
            page.goto(base + path)
            page.screenshot(path=FOLDER / name)
            context.close()
        chromium.close()


if __name__ == "__main__":
    main(sys.argv[1].rstrip("/"), sys.argv[2] if len(sys.argv) > 2 else "")
