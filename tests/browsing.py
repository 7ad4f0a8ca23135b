"""Chromium as Debian packs it, for the browser tests."""

import shutil

import pytest

CHROMIUM, DRIVER = (shutil.which(name) for name in ("chromium", "chromedriver"))


def started(profile):
    """Return a headless browser, with its own profile folder, that keeps its console and its requests."""
    webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is missing: pip install selenium")
    if not (CHROMIUM and DRIVER):
        pytest.skip("Chromium is missing: apt-get install chromium chromium-driver fonts-liberation")
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for option in (
        "headless=new",
        "no-sandbox",
        "hide-scrollbars",
        "disable-gpu",
        "disable-dev-shm-usage",
        "disable-background-networking",
        f"user-data-dir={profile}",
    ):
        options.add_argument(f"--{option}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    return webdriver.Chrome(options=options, service=webdriver.ChromeService(DRIVER))


def resize(browser, width: int, height: int = 900) -> None:
    """Give the page a width and a height in pixels."""
    metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)


def prefer(browser, scheme: str) -> None:
    """Ask for the ``light`` or the ``dark`` colours."""
    media = {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", media)


def unfold(browser) -> None:
    """Open everything that is folded."""
    browser.execute_script("document.querySelectorAll('details').forEach(part => part.open = true)")
