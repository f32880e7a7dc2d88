"""leadheat.js in a real Chromium, on a page of another origin than the gateway's."""

from __future__ import annotations

import http.server
import shutil
import threading
import time
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

KEY = "abc123"
PERSON = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Safari/537.36"
"""A browser without a window says so in its user agent, and is taken for the machine that it is."""

SCRIPT_BYTES_MAX = 3 * 1024

PAGE = """<!doctype html><title>Prices</title>
<script async src="{gateway}/leadheat.js" data-key="{key}"></script>
<form id="demo" action="/thanks" target="frame"><input type="email" name="email"><button>Ask</button></form>
<iframe name="frame"></iframe>"""


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """Return a browser; the tests are skipped where none is on the PATH."""
    path = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if path is None:
        pytest.skip("no Chromium is on the PATH: leadheat.js cannot be tested in a browser")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox", f"--user-agent={PERSON}"])
        yield browser
        browser.close()


@pytest.fixture
def keyed(make_gateway):
    return make_gateway(write_keys=f"site={KEY}")


@pytest.fixture
def site(keyed, serve) -> Iterator[str]:
    """Serve pages with the snippet from an origin of their own; return its address."""
    page = PAGE.format(gateway=serve(keyed), key=KEY).encode()

    class Pages(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(page if self.path != "/thanks" else b"Thanks")

        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("localhost", 0), Pages) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://localhost:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.fixture
def page(chromium) -> Iterator[Page]:
    context = chromium.new_context()
    context.set_default_timeout(10_000)
    yield context.new_page()
    context.close()


def visit(page: Page, address: str) -> Page:
    page.goto(address)
    page.wait_for_function("window.leadheat")
    return page


def arrived(gateway, count):
    """Wait until the gateway has so many events."""
    until = time.monotonic() + 15
    while len(gateway.events) < count and time.monotonic() < until:
        time.sleep(0.02)
    assert len(gateway.events) == count, gateway.events
    return gateway.events


def test_the_script_is_small_cached_and_open_to_every_site(gateway):
    answer = gateway.get("/leadheat.js")
    assert answer.headers["content-type"].startswith("text/javascript")
    assert len(answer.content) < SCRIPT_BYTES_MAX
    assert answer.headers["cross-origin-resource-policy"] == "cross-origin"
    again = gateway.request("GET", "/leadheat.js", headers={"If-None-Match": answer.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


def test_a_page_that_is_left_is_told_with_its_time_and_where_the_visit_came_from(keyed, site, page):
    visit(page, f"{site}/pricing?utm_source=ads&utm_campaign=spring")
    page.wait_for_timeout(1100)
    page.goto("about:blank")
    (event,) = arrived(keyed, 1)
    assert (event.type, event.source, event.verdict) == ("page_viewed", "site", "human")
    assert (event.properties["path"], event.properties["title"]) == ("/pricing", "Prices")
    assert event.properties["seconds"] in (1, 2)
    assert event.context["campaign"] == {"source": "ads", "name": "spring"}
    assert event.anonymous_id


def test_a_page_is_told_after_5_seconds_and_once_more_how_long_it_was(keyed, site, page):
    page.clock.install()
    visit(page, f"{site}/pricing")
    page.clock.run_for(3_000)
    assert keyed.events == []
    page.clock.run_for(2_000)
    (event,) = arrived(keyed, 1)
    assert event.type == "page_viewed"
    assert 5 <= event.properties["seconds"] < 12
    page.clock.run_for(7_000)
    page.goto("about:blank")
    left = arrived(keyed, 2)[1]
    assert (left.type, left.properties["name"]) == ("tracked", "Page Left")
    assert left.properties["seconds"] >= 12


def test_a_page_within_a_page_is_a_page(keyed, site, page):
    visit(page, f"{site}/")
    page.evaluate("history.pushState({}, '', '/compare')")
    page.evaluate("history.replaceState({}, '', '/compare?x=1')")
    page.evaluate("history.back()")
    page.wait_for_url(f"{site}/")
    assert [event.properties["path"] for event in arrived(keyed, 2)] == ["/", "/compare"]


def test_a_form_tells_its_name_and_whose_address_it_was_given(keyed, site, page):
    visit(page, f"{site}/pricing")
    page.fill("input", "ann@example.com")
    page.click("button")
    identified, submitted = sorted(arrived(keyed, 2), key=lambda event: event.type != "identified")
    assert (identified.type, identified.email) == ("identified", "ann@example.com")
    assert (submitted.type, submitted.properties["form"]) == ("form_submitted", "demo")
    assert submitted.anonymous_id == identified.anonymous_id


def test_nothing_is_stored_before_consent(keyed, site, page):
    visit(page, f"{site}/one")
    visit(page, f"{site}/two")
    page.goto("about:blank")
    one, two = arrived(keyed, 2)
    assert one.anonymous_id != two.anonymous_id
    assert page.context.cookies() == []
    assert page.context.storage_state()["origins"] == []


def test_with_consent_a_visitor_is_known_again_until_it_is_withdrawn(keyed, site, page):
    visit(page, f"{site}/one").evaluate("leadheat.consent(true)")
    visit(page, f"{site}/two")
    assert [cookie["name"] for cookie in page.context.cookies()] == ["_lh"]
    page.evaluate("leadheat.consent(false)")
    assert page.context.cookies() == []
    visit(page, f"{site}/three")
    page.goto("about:blank")
    events = arrived(keyed, 4)
    withdrawn = next(event for event in events if event.type != "page_viewed")
    ids = {event.properties["path"]: event.anonymous_id for event in events if event.type == "page_viewed"}
    assert ids["/one"] == withdrawn.anonymous_id
    assert len(set(ids.values())) == 3, "the page of the withdrawal is told under an id of its own"


def test_applications_may_track_and_identify(keyed, site, page):
    visit(page, f"{site}/")
    page.evaluate("leadheat.identify('42', {title: 'CTO'})")
    page.evaluate("leadheat.track('Trial Started', {plan: 'pro'})")
    identified, tracked = sorted(arrived(keyed, 2), key=lambda event: event.type != "identified")
    assert (identified.user_id, identified.traits) == ("42", {"title": "CTO"})
    assert (tracked.user_id, tracked.properties) == ("42", {"name": "Trial Started", "plan": "pro"})
