"""Tests the debug page in a browser: `debug_page.py OPERATIONS DATA`.

Every check fails with an exception that names the problem. axe-core, the engine of most accessibility
checkers, checks each state of the page in light and dark.
"""

import re
import sys
import urllib.error
import urllib.request

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect, sync_playwright

OPERATIONS, DATA = sys.argv[1:]
PAGE = f"http://{OPERATIONS}/debug/"
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]


def authorize(target, key):
    """Sends an authorization request."""
    headers = {
        "original-request-uri": target,
        "original-request-host": "gateway.example",
        "client-key": key,
    }
    try:
        urllib.request.urlopen(urllib.request.Request(f"http://{DATA}/check", headers=headers))
    except urllib.error.HTTPError:
        pass


def accessible(page, what):
    results = Axe().run(page)
    assert results.violations_count == 0, f"{what}: {results.generate_report()}"
    assert len(results.response["passes"]) > 20, f"{what}: axe has checked too little"


def watched(context):
    """Returns a page that records the browser's errors and its requests."""
    page = context.new_page()
    page.errors, page.requests = [], []
    page.on("console", lambda it: page.errors.append(it.text))
    page.on("pageerror", lambda it: page.errors.append(str(it)))
    page.on("request", lambda it: page.requests.append(it.url))
    return page


def appearance(context, scheme):
    page = watched(context)
    page.goto(PAGE)
    accessible(page, f"{scheme}: at first")
    page.get_by_role("link", name="C, /orders: denied").click()
    expect(page.locator("#explanation")).to_contain_text("expression-false")
    expect(page.locator("#explanation .decided")).to_contain_text("← decided")
    expect(page.get_by_label("Client type", exact=True)).to_have_value("C")
    page.locator("summary").first.click()
    accessible(page, f"{scheme}: with an explanation")
    back = page.evaluate("getComputedStyle(document.body).backgroundColor")
    brightness = sum(int(it) for it in back.removeprefix("rgb(").removesuffix(")").split(","))
    assert (brightness > 382) == (scheme == "light"), f"{scheme} is {back}"
    assert not page.errors, page.errors
    elsewhere = [it for it in page.requests if not it.startswith((f"http://{OPERATIONS}/", "data:"))]
    assert not elsewhere, elsewhere


def fits_a_phone(browser):
    page = browser.new_context(viewport={"width": 360, "height": 740}).new_page()
    page.goto(PAGE + "?uri=/orders&client-type=C&host=h")
    width = page.evaluate("document.documentElement.scrollWidth")
    assert width <= 360, f"it is {width} wide"


def by_keyboard(context):
    page = context.new_page()
    page.goto(PAGE)
    for _ in range(20):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.name") == "uri":
            break
    page.keyboard.type("/orders/7")
    page.keyboard.press("Tab")
    page.keyboard.type("A")
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.get_by_label("Host", exact=True).focus()
    page.keyboard.type("gateway.example")
    page.keyboard.press("Enter")
    expect(page.locator(".verdict")).to_contain_text("allowed")
    page.locator(".matrix a").first.focus()
    outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    assert outline != "none", "the keyboard focus is not visible"


def form_errors(context):
    page = context.new_page()
    response = page.goto(f"{PAGE}?method=POST&uri=/orders&host=h&user=x#explanation")
    assert response.status == 400, response.status
    expect(page.get_by_label("Method", exact=True)).to_have_value("POST")
    explain = page.get_by_role("form", name="Explain a request")
    field = explain.get_by_label("User, as JSON", exact=True)
    expect(field).to_have_value("x")
    expect(field).to_be_focused()
    expect(field).to_be_in_viewport()
    expect(field).to_have_accessible_description(re.compile("not a JSON object"))
    accessible(page, "with an error")
    field.fill("")
    page.get_by_role("button", name="Explain").click()
    expect(page.locator(".verdict")).to_contain_text("missing-key")
    page.goto(f"{PAGE}?uri=/orders&client-type=nobody")
    expect(page.locator("#explanation")).to_contain_text("no valid key has the client type")
    accessible(page, "with a warning")


def matrix_of_a_user(context):
    page = context.new_page()
    page.goto(PAGE)
    page.get_by_role("link", name="no key, /user: depends on who is logged in").click()
    expect(page.locator(".verdict")).to_contain_text("missing-user")
    form = page.get_by_role("form", name="Access by client type")
    form.get_by_label("Groups", exact=True).fill("staff")
    form.locator("summary").click()
    form.get_by_label("User id", exact=True).fill("ada")
    accessible(page, "with the user of the matrix")
    form.get_by_role("button", name="Show access").click()
    section = page.locator("section", has=form)
    expect(section).to_contain_text("Logged in: user id ada, groups staff.")
    # Both parts of the page are for the same user.
    expect(page.locator(".verdict")).to_contain_text("allowed")
    page.get_by_role("link", name="no key, /user: allowed").click()
    expect(page.locator(".verdict")).to_contain_text("allowed")
    explain = page.get_by_role("form", name="Explain a request")
    expect(explain.get_by_label("User id", exact=True)).to_have_value("ada")
    accessible(page, "with a user")


def live(context):
    page = watched(context)
    page.goto(PAGE)
    authorize("/orders/seen-live", "sample-" + "key-of-client-c")
    expect(page.locator("#recent")).to_contain_text("/orders/seen-live", timeout=8000)
    page.get_by_label("live").uncheck()
    authorize("/orders/not-seen", "sample-" + "key-of-client-c")
    page.wait_for_timeout(3000)
    expect(page.locator("#recent")).not_to_contain_text("/orders/not-seen")
    page.reload()
    page.get_by_role("link", name="GET /orders/not-seen").click()
    expect(page.locator(".verdict")).to_contain_text("expression-false")
    assert not page.errors, page.errors


def text_stays_text(browser):
    """Text from callers and users is shown and never executed, with and without scripts."""
    for scripts in (True, False):
        page = watched(browser.new_context(java_script_enabled=scripts))
        page.on("dialog", lambda it: page.errors.append(it.message))
        authorize("/orders/<script>alert(1)</script>", "sample-" + "key-of-client-c")
        evil = "%22%3E%3Cimg%20src=x%20onerror=alert(2)%3E"
        page.goto(f"{PAGE}?uri=/{evil}&client-type={evil}&host={evil}")
        expect(page.locator("#explanation")).to_contain_text("<img src=x")
        expect(page.locator(".verdict")).to_contain_text("denied")
        assert not page.errors, page.errors


with sync_playwright() as playwright:
    browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=FLAGS)
    for scheme in ("light", "dark"):
        appearance(browser.new_context(color_scheme=scheme), scheme)
        form_errors(browser.new_context(color_scheme=scheme))
    fits_a_phone(browser)
    by_keyboard(browser.new_context())
    matrix_of_a_user(browser.new_context())
    live(browser.new_context())
    text_stays_text(browser)
    browser.close()
