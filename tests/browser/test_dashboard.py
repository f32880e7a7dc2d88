"""A Chromium walks every page while things happen: nothing is broken, hostile, or hard to read, in light and dark.

Screenshots are left in ``screenshots/``, which is not committed.
"""

from __future__ import annotations

import json
import shutil
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import uvicorn

from streams.clock import now_ms
from tests.dashboard.conftest import Site, make_site  # noqa: F401 - a fixture
from tests.dashboard.test_pages import HOSTILE, fill
from tests.topic_records import account_score, alert, lead_score

ROOT = Path(__file__).parents[2]
SHOTS = ROOT / "screenshots"
AXE = Path(__file__).parent / "vendor" / "axe-4.14.1.min.js"
PAGES = {
    "now": "/",
    "leads": "/leads?band=hot",
    "lead": "/leads/ann@acme.example",
    "accounts": "/accounts",
    "account": "/accounts/acme.example",
    "model": "/model",
    "health": "/health",
}
PAGE_TIMEOUT_MS = 20_000

_AXE_RUN = """axe.run(document, {resultTypes: ["violations"]}).then(found => JSON.stringify(
  found.violations.filter(each => ["serious", "critical"].includes(each.impact))
    .map(each => [each.id, each.nodes[0].html, each.nodes[0].failureSummary])))"""


class Served:
    """A site over HTTP, in which a lead has just moved, again and again."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self.moves = 0
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self._is_over = threading.Event()
        config = uvicorn.Config(
            site.fresh_app(), port=self.port, log_level="error", ws="none", timeout_graceful_shutdown=3
        )
        self._server = uvicorn.Server(config)
        self._threads = [threading.Thread(target=self._server.run), threading.Thread(target=self._live)]

    def __enter__(self) -> Served:
        for thread in self._threads:
            thread.start()
        deadline = time.monotonic() + 20
        while not self._server.started and time.monotonic() < deadline:
            time.sleep(0.02)
        return self

    def __exit__(self, *_: object) -> None:
        self._is_over.set()
        self._server.should_exit = True
        for thread in self._threads:
            thread.join(20)

    def _live(self) -> None:
        while not self._is_over.wait(0.4):
            self.moves += 1
            self.site.now_ms = at_ms = now_ms()
            mover = f"email:mover{self.moves % 5}@company1.example"
            score = 100.0 + self.moves
            moved = lead_score(self.moves % 40, at_ms, lead=mover, band="hot", score=score, fit=9.0)
            self.site.put(moved)
            self.site.put(alert(mover, at_ms, score=score, contact={"name": f"Mover {self.moves}"}))


@pytest.fixture
def served(make_site: Callable[..., Site]) -> Iterator[Served]:  # noqa: F811 - the fixture
    """Serve a full site with live traffic."""
    site = make_site()
    site.now_ms = now_ms()
    site.put(*(account_score(number, site.now_ms) for number in range(60)))
    site.put(*(lead_score(number, site.now_ms - number * 900_000, accounts=60) for number in range(300)))
    fill(site)
    with Served(site) as served:
        yield served


@pytest.fixture
def hostile(make_site: Callable[..., Site]) -> Iterator[Served]:  # noqa: F811 - the fixture
    """Serve a site on which every text that people can set is an attack."""
    site = make_site()
    site.now_ms = now_ms()
    fill(site, HOSTILE)
    with Served(site) as served:
        yield served


@pytest.fixture
def browser() -> Iterator[Any]:
    """Open this machine's Chromium."""
    from playwright.sync_api import sync_playwright

    path = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if path is None:
        pytest.skip("no Chromium on the PATH (Debian: apt install chromium)")
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=path, args=["--no-sandbox", "--disable-gpu"])
        yield opened
        opened.close()


def open_page(browser: Any, faults: list[str], **how: Any) -> Any:
    """Open a tab that notes every error, every request to another host, and every dialog."""
    page = browser.new_context(**how).new_page()
    page.set_default_timeout(PAGE_TIMEOUT_MS)
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("console", lambda told: faults.append(told.text) if told.type == "error" else None)
    page.on("dialog", lambda dialog: (faults.append(f"dialog {dialog.message}"), dialog.dismiss()))
    page.on("request", lambda asked: None if "127.0.0.1" in asked.url else faults.append(asked.url))
    return page


def serious(page: Any) -> list[Any]:
    """Return what axe finds serious; the session of the browser's tools is not under the page's content policy."""
    session = page.context.new_cdp_session(page)
    ran = session.send(
        "Runtime.evaluate", {"expression": f"{AXE.read_text()};{_AXE_RUN}", "awaitPromise": True, "returnByValue": True}
    )
    return list(json.loads(ran["result"]["value"]))


@pytest.mark.thorough
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_every_page_works_during_live_traffic_and_is_accessible(served: Served, browser: Any, theme: str) -> None:
    SHOTS.mkdir(exist_ok=True)
    faults: list[str] = []
    page = open_page(browser, faults, viewport={"width": 1280, "height": 860}, color_scheme=theme)
    for name, path in PAGES.items():
        page.goto(served.url + path)
        page.wait_for_selector("#pulse[data-state=live]")
        assert page.locator("h1").first.inner_text()
        assert serious(page) == [], name
        page.screenshot(path=SHOTS / f"{name}-{theme}.png")
    assert faults == []


def test_a_change_is_on_the_page_without_a_reload(served: Served, browser: Any) -> None:
    faults: list[str] = []
    page = open_page(browser, faults)
    page.goto(served.url)
    page.wait_for_selector("#pulse[data-state=live]")
    page.evaluate("window.isTheSame = true")
    ahead = served.moves + 6
    page.get_by_role("link", name=f"Mover {ahead}", exact=True).first.wait_for()
    assert page.evaluate("window.isTheSame")
    assert faults == []


def test_hostile_names_and_addresses_are_text(hostile: Served, browser: Any) -> None:
    faults: list[str] = []
    page = open_page(browser, faults)
    for path in PAGES.values():
        page.goto(hostile.url + path)
        page.wait_for_selector("#pulse[data-state=live]")
        assert page.locator("img").count() == 0
        assert page.locator("a[href^='javascript' i]").count() == 0
    page.goto(hostile.url + PAGES["lead"])
    assert HOSTILE in page.locator("h1").inner_text()
    assert faults == []


@pytest.mark.thorough
def test_a_lead_is_rejected_with_the_keyboard_alone(served: Served, browser: Any) -> None:
    faults: list[str] = []
    page = open_page(browser, faults)
    page.goto(served.url + PAGES["lead"])
    page.wait_for_selector("#pulse[data-state=live]")
    page.keyboard.press("/")
    assert page.evaluate("document.activeElement.id") == "find"
    page.locator(".menu > summary").focus()
    page.keyboard.press("Enter")
    page.locator(".menu select").focus()
    page.keyboard.type("bad")
    page.locator(".menu .danger").focus()
    page.keyboard.press("Enter")
    page.wait_for_selector(".toast")
    assert "rejected by local" in page.locator(".toast").inner_text()
    (done,) = served.site.broker.follow_ups
    assert (done.action, done.reason, done.by) == ("rejected", "bad_fit", "local")
    assert faults == []


@pytest.mark.thorough
def test_an_answer_that_is_on_its_way_does_not_close_what_somebody_opens(served: Served, browser: Any) -> None:
    page = open_page(browser, [])
    asked: list[Any] = []
    page.goto(served.url + PAGES["lead"])
    page.wait_for_selector("#pulse[data-state=live]")

    def hold(route: Any) -> None:  # playwright sets a mark of its own on it, which a builtin method does not take
        asked.append(route)

    page.route("**" + PAGES["lead"], hold)
    while not asked:
        page.wait_for_timeout(50)
    page.locator(".menu > summary").click()
    with page.expect_response("**" + PAGES["lead"]):
        asked[0].continue_()
    page.wait_for_timeout(300)
    assert page.locator(".menu").get_attribute("open") is not None
    page.unroute_all(behavior="ignoreErrors")
    with page.expect_response("**" + PAGES["lead"]):
        page.keyboard.press("Escape")


@pytest.mark.thorough
def test_pages_fit_a_phone(served: Served, browser: Any) -> None:
    faults: list[str] = []
    page = open_page(browser, faults, viewport={"width": 360, "height": 740}, has_touch=True)
    for name, path in PAGES.items():
        page.goto(served.url + path)
        page.wait_for_selector("#pulse")
        assert page.evaluate("document.documentElement.scrollWidth") <= 360, name
        page.screenshot(path=SHOTS / f"{name}-phone.png")
    assert faults == []
