"""The report in a real browser: nothing fetched, nothing logged, nothing wider than the window."""

from __future__ import annotations

import runpy
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from potentiate.study import report

pytestmark = pytest.mark.browser

INVENTED = runpy.run_path(str(Path(__file__).parents[1] / "study" / "invented.py"))
FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    names = ("chromium", "chromium-browser", "google-chrome")
    found = next(filter(None, map(shutil.which, names)), None)
    if found is None:
        pytest.skip("there is no Chromium on this machine; install it to check the page itself")
    with api.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=found, args=FLAGS)
        yield browser
        browser.close()


@pytest.mark.parametrize("width", [1280, 400])
@pytest.mark.parametrize("kind", INVENTED["ALL"])
def test_the_page_opens_alone_fits_and_leads_with_its_headline(
    chromium: Any, tmp_path: Path, kind: str, width: int
) -> None:
    path = tmp_path / "report.html"
    path.write_text(report.html(INVENTED["ALL"][kind](), Path("studies/mnist")), encoding="utf-8")
    context = chromium.new_context(viewport={"width": width, "height": 800})
    page, said, asked = context.new_page(), list[str](), list[str]()
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("request", lambda request: asked.append(request.url))
    page.goto(path.as_uri())
    assert said == []
    assert [url for url in asked if not url.startswith(("file:", "data:"))] == []
    wide, window = page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
    assert wide <= window
    for part in (".headline", ".answer pre"):
        box = page.locator(part).first.bounding_box()
        assert box is not None
        assert box["y"] + box["height"] <= 800
    context.close()


def test_a_long_name_of_a_technique_stays_in_its_column(chromium: Any, tmp_path: Path) -> None:
    path, long = tmp_path / "report.html", "early-stopping:patience=2,metric=contrast,every=2.0"
    text = report.html(INVENTED["full"](), Path("studies/mnist"))
    path.write_text(text.replace("mixed-precision", long), encoding="utf-8")
    page = chromium.new_page(viewport={"width": 1280, "height": 800})
    page.goto(path.as_uri())
    page.evaluate("document.querySelectorAll('details').forEach(e => e.open = true)")
    over = "e => [...e.querySelectorAll('.spec')].map(s => s.getBoundingClientRect().right - "
    over += "s.closest('th, td').getBoundingClientRect().right)"
    found = page.locator("main").evaluate(over)
    assert found
    assert max(found) <= 0.0
    page.close()


def test_folded_tables_open_and_colors_follow_the_scheme(chromium: Any, tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    path.write_text(report.html(INVENTED["full"](), Path("studies/mnist")), encoding="utf-8")
    inks = list[str]()
    for scheme in ("light", "dark"):
        page = chromium.new_page(color_scheme=scheme)
        page.goto(path.as_uri())
        inks.append(page.locator("svg text").first.evaluate("e => getComputedStyle(e).fill"))
        page.locator("summary").first.click()
        assert page.locator("details table").first.is_visible()
        page.close()
    assert inks[0] != inks[1]
