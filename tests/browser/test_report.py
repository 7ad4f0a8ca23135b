"""The report in a real browser: headless Chromium, as Debian packs it."""

import re
from pathlib import Path
from urllib.parse import urlparse
from urllib.request import url2pathname

import pytest

from browsing import prefer, resize, unfold

By = pytest.importorskip("selenium.webdriver.common.by", reason="selenium is missing: pip install selenium").By
Keys = pytest.importorskip("selenium.webdriver.common.keys").Keys
ActionChains = pytest.importorskip("selenium.webdriver").ActionChains
ScrollOrigin = pytest.importorskip("selenium.webdriver.common.actions.wheel_input").ScrollOrigin
Select, WebDriverWait = (
    getattr(pytest.importorskip("selenium.webdriver.support.ui"), name) for name in ("Select", "WebDriverWait")
)
pytestmark = pytest.mark.browser
WIDTHS = (360, 768, 1300, 1920)


def column(browser, table: str, number: int) -> list[str]:
    cells = browser.find_elements(By.CSS_SELECTOR, f"#table-{table} tbody tr > :nth-child({number})")
    return [cell.get_attribute("data-key") for cell in cells]


def test_no_console_message_and_no_request_but_the_file(browser, address):
    browser.get_log("performance")
    browser.get(address)
    assert browser.get_log("browser") == []
    sent = [
        entry["message"] for entry in browser.get_log("performance") if "Network.requestWillBeSent" in entry["message"]
    ]
    assert sent
    assert all('"url":"file://' in message or '"url":"data:' in message for message in sent)


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_overflows_sideways(browser, address, width, scheme):
    prefer(browser, scheme)
    resize(browser, width)
    browser.get(address)
    unfold(browser)
    assert browser.execute_script("return document.documentElement.scrollWidth") == width
    paper = browser.execute_script("return getComputedStyle(document.body).backgroundColor")
    assert (paper == "rgb(255, 255, 255)") == (scheme == "light")


def test_what_goes_on_to_the_right_has_a_shadow_there(browser, address):
    resize(browser, 360)
    browser.get(address)
    part = browser.find_element(By.CSS_SELECTOR, ".scroll:has(#table-main)")
    shadow = "return arguments[0].classList.contains('more')"
    WebDriverWait(browser, 5).until(lambda b: b.execute_script(shadow, part))
    browser.execute_script("arguments[0].scrollLeft = 1e5", part)
    WebDriverWait(browser, 5).until(lambda b: not b.execute_script(shadow, part))


def test_a_head_sorts_its_column_up_and_down(browser, address):
    resize(browser, 1300)
    browser.get(address)
    head = browser.find_element(By.CSS_SELECTOR, "#table-main thead th:nth-child(2)")
    for order in ("descending", "ascending"):
        head.find_element(By.TAG_NAME, "button").click()
        assert head.get_attribute("aria-sort") == order
        keys = column(browser, "main", 2)
        numbers = [float(key) for key in keys if key]
        assert numbers == sorted(numbers, reverse=order == "descending")
        assert keys[len(numbers) :] == [""] * (len(keys) - len(numbers))


def test_a_table_is_copied_as_its_files_say(browser, address):
    browser.get(address)
    tables = Path(url2pathname(urlparse(address).path)).parent / "tables"
    browser.execute_script("window.kept = ''; navigator.clipboard.writeText = async text => { window.kept = text; }")
    tools = browser.find_element(By.CSS_SELECTOR, ".tools[data-table=table-main]")
    for kind in ("tsv", "md", "tex"):
        tools.find_element(By.CSS_SELECTOR, f"button[data-kind={kind}]").click()
        assert browser.execute_script("return window.kept").strip() == (tables / f"main.{kind}").read_text().strip()
    assert tools.find_element(By.TAG_NAME, "output").text == "copied as LaTeX"


def test_rows_are_filtered_by_words(browser, address):
    resize(browser, 1300)
    browser.get(address)
    unfold(browser)
    tools = browser.find_element(By.CSS_SELECTOR, ".tools[data-table=table-metrics]")
    rows = browser.find_elements(By.CSS_SELECTOR, "#table-metrics tbody tr")
    tools.find_element(By.TAG_NAME, "input").send_keys("radiomics brier")
    shown = [row.text for row in rows if row.is_displayed()]
    assert len(shown) == 1
    assert "Brier" in shown[0]
    assert tools.find_element(By.TAG_NAME, "output").text == f"1 of {len(rows)} rows"


def test_a_hundred_rows_sort_in_a_tenth_of_a_second(browser, address):
    browser.get(address)
    script = """
    const body = document.querySelector("#table-main").tBodies[0];
    while (body.rows.length < 100) body.append(body.rows[0].cloneNode(true));
    const button = document.querySelector("#table-main thead th:nth-child(2) button");
    const start = performance.now();
    button.click();
    document.body.getBoundingClientRect();
    return performance.now() - start;
    """
    assert min(browser.execute_script(script) for _ in range(3)) < 100  # the best: what else runs here is not its time


def test_first_paint_within_one_and_a_half_seconds(browser, address):
    painted = "return performance.getEntriesByName('first-contentful-paint')[0].startTime"
    times = []
    for _ in range(3):
        browser.get(address)
        WebDriverWait(browser, 20).until(lambda b: b.execute_script(f"{painted.replace('.startTime', '')} != null"))
        times.append(browser.execute_script(painted))
    assert min(times) < 1500


def test_words_sort_as_words_and_the_keyboard_does_it(browser, address):
    browser.get(address)
    button = browser.find_element(By.CSS_SELECTOR, "#table-main thead th:first-child button")
    button.send_keys("\ue007")
    button.send_keys("\ue007")
    names = column(browser, "main", 1)
    compare = "return arguments[0].toSorted((a, b) => a.localeCompare(b, undefined, {numeric: true}))"
    assert names == browser.execute_script(compare, names)


def test_every_link_leads_somewhere_and_every_fold_opens(browser, address):
    browser.get(address)
    for link in browser.find_elements(By.CSS_SELECTOR, "nav a"):
        target = link.get_attribute("href").split("#")[1]
        assert browser.find_elements(By.ID, target)
    resize(browser, 1300)
    for fold in browser.find_elements(By.TAG_NAME, "details"):
        browser.execute_script("arguments[0].scrollIntoView({block: 'center'})", fold)
        fold.find_element(By.TAG_NAME, "summary").click()
        assert fold.get_attribute("open") is not None


def test_the_hostile_name_is_seen_as_text(browser, address):
    browser.get(address)
    assert "sub-<script>alert(1)</script>&\"x'" in browser.find_element(By.ID, "failures").text


def test_a_flagged_point_says_who_it_is_under_the_pointer_and_by_the_keyboard(browser, address):
    resize(browser, 1300)
    browser.get(address)
    figure = browser.find_element(By.ID, "figure-quality")
    first, second, third = figure.find_elements(By.CLASS_NAME, "point")
    tip = figure.find_element(By.CLASS_NAME, "tip")
    assert not tip.is_displayed()
    browser.execute_script("arguments[0].scrollIntoView({block: 'center'})", third)
    ActionChains(browser).move_to_element(third).perform()
    assert tip.text.startswith("sub-000")
    assert "512" in tip.text
    ActionChains(browser).move_to_element(browser.find_element(By.CSS_SELECTOR, "#figure-quality figcaption")).perform()
    assert not tip.is_displayed()
    browser.execute_script("arguments[0].focus()", first)
    assert tip.text == first.get_attribute("aria-label")
    assert tip.text.startswith("sub-0000, preop (home)")
    for key, point in ((Keys.ARROW_RIGHT, second), (Keys.END, third), (Keys.ARROW_LEFT, second), (Keys.HOME, first)):
        browser.switch_to.active_element.send_keys(key)
        assert browser.switch_to.active_element == point
        assert tip.text == point.get_attribute("aria-label")
    browser.switch_to.active_element.send_keys(Keys.ESCAPE)
    assert not tip.is_displayed()


def test_a_point_of_a_curve_says_its_value(browser, address):
    resize(browser, 1300)
    browser.get(address)
    figure = browser.find_element(By.ID, "figure-by-count")
    point = figure.find_elements(By.CLASS_NAME, "point")[-1]
    browser.execute_script("arguments[0].scrollIntoView({block: 'center'})", point)
    ActionChains(browser).move_to_element(point).perform()
    tip = figure.find_element(By.CLASS_NAME, "tip").text
    assert "of 4 sequences" in tip
    assert "MCC ." in tip


@pytest.fixture
def chart(browser, address):
    resize(browser, 1300)
    browser.get(address)
    fold = browser.find_element(By.CSS_SELECTOR, "#figure-by-count .chart")
    browser.execute_script("arguments[0].scrollIntoView()", fold)
    fold.find_element(By.TAG_NAME, "summary").click()
    WebDriverWait(browser, 20).until(lambda _: fold.find_elements(By.CSS_SELECTOR, ".mark-symbol path"))
    return fold


def spots(chart) -> list[str]:
    return [
        point.get_attribute("transform")
        for point in chart.find_elements(By.CSS_SELECTOR, ".mark-symbol.layer_2_marks path")
    ]


def test_a_chart_says_a_points_values(browser, chart):
    point = chart.find_elements(By.CSS_SELECTOR, ".mark-symbol.layer_2_marks path")[0]
    ActionChains(browser).move_to_element(point).perform()
    tip = WebDriverWait(browser, 5).until(
        lambda _: browser.find_element(By.CSS_SELECTOR, "#vg-tooltip-element.visible")
    )
    assert re.search(r"arm\s+MM-DINOv2.*value\s+0\.\d{3}.*from\s+0\.\d{3}.*to\s+0\.\d{3}", tip.text, flags=re.DOTALL)


def test_another_protocol_and_an_arm_are_chosen_by_the_keyboard(browser, chart):
    arm, protocol = (Select(choice) for choice in chart.find_elements(By.TAG_NAME, "select"))
    before = spots(chart)
    protocol._el.send_keys("refit")
    WebDriverWait(browser, 5).until(lambda _: spots(chart) != before)
    arm._el.send_keys("Radiomics")
    faint = ".mark-symbol.layer_2_marks path[opacity='0.08'], .mark-symbol.layer_2_marks path[fill-opacity='0.08']"
    WebDriverWait(browser, 5).until(lambda _: 0 < len(chart.find_elements(By.CSS_SELECTOR, faint)) < len(spots(chart)))
    assert browser.get_log("browser") == []


def test_the_wheel_zooms_a_chart_with_shift_alone(browser, chart):
    before, where = spots(chart), chart.find_element(By.TAG_NAME, "svg")
    origin = ScrollOrigin.from_element(where)
    ActionChains(browser).scroll_from_origin(origin, 0, 60).perform()
    assert spots(chart) == before
    browser.execute_script("arguments[0].scrollIntoView({block: 'center'})", where)
    ActionChains(browser).key_down(Keys.SHIFT).scroll_from_origin(origin, 0, -60).key_up(Keys.SHIFT).perform()
    WebDriverWait(browser, 5).until(lambda _: spots(chart) != before)


def pixels(browser, sequence: str) -> list[int]:
    """Return what a sequence's canvas shows (RGBA), drawn small."""
    script = """
    const small = new OffscreenCanvas(24, 24).getContext("2d");
    small.drawImage(document.querySelector(`canvas[data-sequence=${arguments[0]}]`), 0, 0, 24, 24);
    return [...small.getImageData(0, 0, 24, 24).data];
    """
    return browser.execute_script(script, sequence)


@pytest.fixture
def viewer(browser, address):
    resize(browser, 1300)
    browser.get(address)
    found = browser.find_element(By.ID, "viewer")
    said = found.find_element(By.TAG_NAME, "output")
    WebDriverWait(browser, 5).until(lambda _: said.text)
    browser.execute_script("arguments[0].scrollIntoView({block: 'center'})", found)
    return found


def place(viewer) -> str:
    return viewer.find_element(By.TAG_NAME, "output").text


def test_the_viewer_starts_where_the_tumour_is_and_moves_by_slider_keys_and_wheel(browser, viewer):
    assert place(viewer) == "6 of 12, z = 50 mm"
    first = pixels(browser, "t1")
    viewer.find_element(By.CSS_SELECTOR, "[type=range]").send_keys(Keys.ARROW_RIGHT)
    assert place(viewer) == "7 of 12, z = 60 mm"
    assert pixels(browser, "t1") != first
    planes = viewer.find_element(By.CLASS_NAME, "planes")
    keys = (
        (Keys.ARROW_UP, 8),
        (Keys.ARROW_LEFT, 7),
        (Keys.END, 12),
        (Keys.PAGE_DOWN, 2),
        (Keys.HOME, 1),
        (Keys.ARROW_DOWN, 1),
    )
    for key, slice_ in keys:
        planes.send_keys(key)
        assert place(viewer).startswith(f"{slice_} of 12")
    scrolled = browser.execute_script("return scrollY")
    origin = ScrollOrigin.from_element(planes)
    ActionChains(browser).scroll_from_origin(origin, 0, -100).scroll_from_origin(origin, 0, -100).perform()
    WebDriverWait(browser, 5).until(lambda _: place(viewer).startswith("3 of 12"))
    assert browser.execute_script("return scrollY") == scrolled


def test_the_wheel_moves_the_page_until_the_viewer_is_clicked(browser, viewer):
    scrolled, before = browser.execute_script("return scrollY"), place(viewer)
    origin = ScrollOrigin.from_element(viewer.find_element(By.CLASS_NAME, "planes"))
    ActionChains(browser).scroll_from_origin(origin, 0, -100).perform()
    WebDriverWait(browser, 5).until(lambda _: browser.execute_script("return scrollY") < scrolled)
    assert place(viewer) == before


def test_outlines_are_switched_off_and_on(browser, viewer):
    def coloured() -> bool:
        shown = pixels(browser, "t2")
        return any(max(shown[k : k + 3]) - min(shown[k : k + 3]) > 30 for k in range(0, len(shown), 4))

    switch = viewer.find_element(By.CSS_SELECTOR, "[type=checkbox]")
    assert coloured()
    switch.click()
    assert not coloured()
    switch.send_keys(" ")
    assert coloured()


def test_another_patient_is_chosen_and_a_missing_sequence_is_named(browser, viewer):
    choice = Select(viewer.find_element(By.TAG_NAME, "select"))
    lacking = [n for n, option in enumerate(choice.options) if option.text == "head-1 (whole-heads)"]
    assert lacking, [option.text for option in choice.options]
    choice.select_by_index(lacking[0])
    flair = viewer.find_element(By.CSS_SELECTOR, "canvas[data-sequence=flair] + span")
    WebDriverWait(browser, 5).until(lambda _: flair.text == "FLAIR: missing")
    assert not any(pixels(browser, "flair"))
    assert any(pixels(browser, "t1c"))
