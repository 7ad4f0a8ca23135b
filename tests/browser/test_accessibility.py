"""Who cannot see, or has no mouse: axe-core's rules, and the keyboard."""

from pathlib import Path

import pytest

from browsing import prefer, resize, unfold

By = pytest.importorskip("selenium.webdriver.common.by", reason="selenium is missing: pip install selenium").By
Keys = pytest.importorskip("selenium.webdriver.common.keys").Keys
AXE = Path(__file__).parent / "node_modules/axe-core/axe.min.js"
RUN = """
const done = arguments[arguments.length - 1];
axe.run(document, {preload: false}).then(found => done([`${found.passes.length} rules hold`, ...found.violations.map(
  one => `${one.impact} ${one.id}: ${one.nodes.slice(0, 4).map(node => node.target + " " + node.failureSummary).join("; ")}`
)]), error => done([`serious ${error}`]));
"""
REACHABLE = "a[href], button, input, select, summary, [tabindex='0']"
pytestmark = pytest.mark.browser


@pytest.mark.skipif(not AXE.exists(), reason="axe-core is missing: npm ci --prefix tests/browser")
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious(browser, address, scheme):
    prefer(browser, scheme)
    resize(browser, 1300)
    browser.get(address)
    unfold(browser)
    browser.execute_script(AXE.read_text(encoding="utf-8"))
    browser.set_script_timeout(120)
    held, *found = browser.execute_async_script(RUN)
    assert int(held.split()[0]) > 20
    assert [one for one in found if one.startswith(("serious", "critical"))] == []


def test_the_keyboard_reaches_every_control(browser, address):
    resize(browser, 1300)
    browser.get(address)
    unfold(browser)
    browser.execute_script("""
        window.met = new Set();
        document.addEventListener("focusin", event => window.met.add(event.target));
        window.wanted = [...document.querySelectorAll(arguments[0])].filter(element => element.checkVisibility());
    """, REACHABLE)  # fmt: skip
    wanted = browser.execute_script("return window.wanted.length")
    assert wanted > 50
    for _ in range(wanted // 50 + 1):
        browser.switch_to.active_element.send_keys(Keys.TAB * 50)
    missed = "return window.wanted.filter(element => !window.met.has(element)).map(element => element.outerHTML.slice(0, 200))"
    assert browser.execute_script(missed) == []
