"""Reports in a browser: no error, no request, no overflow, reachable by keyboard, valid."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import required

from plausible.fairness.cases import case

playwright = required.module("playwright.sync_api")
CHROMIUM = required.program("chromium", "chromium-browser")
NAMES = ("drug-use", "compas", "basketball")


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("pages")
    return {name: case(name).report().write(folder / f"{name}.html") for name in NAMES}


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with playwright.sync_playwright() as driver:
        started = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield started
        started.close()


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_pages_are_quiet_and_fit_a_phone(
    name: str, scheme: str, pages: dict[str, Path], browser: Any
) -> None:
    context = browser.new_context(viewport={"width": 360, "height": 740}, color_scheme=scheme)
    page = context.new_page()
    said: list[str] = []
    asked: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("request", lambda request: asked.append(request.url))
    page.goto(pages[name].as_uri())
    assert said == []
    assert [u for u in asked if not u.startswith(("file:", "data:"))] == []
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    context.close()


@pytest.mark.parametrize("name", NAMES)
def test_everything_that_scrolls_or_opens_is_reached_by_keyboard(
    name: str, pages: dict[str, Path], browser: Any
) -> None:
    page = browser.new_page(viewport={"width": 360, "height": 740})
    page.goto(pages[name].as_uri())
    wanted = page.evaluate("document.querySelectorAll('.scroll, summary, a[href]').length")
    reachable = page.evaluate(
        "[...document.querySelectorAll('.scroll, summary, a[href]')]"
        ".filter(e => e.tabIndex >= 0).length"
    )
    assert reachable == wanted > 5
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the findings"
    page.close()


@pytest.mark.parametrize("name", NAMES)
def test_every_figure_has_a_name_and_is_seen(
    name: str, pages: dict[str, Path], browser: Any
) -> None:
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    page.goto(pages[name].as_uri())
    figures = page.locator("svg[role=img]")
    assert figures.count() > 0
    for i in range(figures.count()):
        box = figures.nth(i).bounding_box()
        assert box["width"] > 300 and box["height"] > 40
        assert len(figures.nth(i).get_attribute("aria-label")) > 40
    page.close()


@pytest.mark.parametrize("name", NAMES)
def test_pages_are_valid_html(name: str, pages: dict[str, Path]) -> None:
    html5lib = required.module("html5lib")
    html5lib.HTMLParser(strict=True).parse(pages[name].read_text(encoding="utf-8"))


def test_print_shows_what_is_folded_away(pages: dict[str, Path], browser: Any) -> None:
    page = browser.new_page()
    page.goto(pages["compas"].as_uri())
    page.emulate_media(media="print")
    assert page.locator("details table").first.bounding_box()["height"] > 20
    page.close()
