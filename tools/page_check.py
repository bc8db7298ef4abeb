"""Works with the page of `efficientad serve` in headless Chromium, as people at a line do, and checks what they rely on.

A model is trained from photos of good parts, photos are judged, the threshold is moved, photos are marked, the model is
calibrated anew, the record is searched, marked and exported, and a report is opened; all views are looked at in two
widths, two colour schemes and three languages.

The server must be fresh: no model, and a folder of data with the example's photos in `brick`. What else this needs is
what report_check.py needs.

    efficientad serve --models models --data data &
    .venv/bin/python tools/page_check.py http://127.0.0.1:8080 data/brick --screenshots shots
"""

import argparse
import csv
import json
import re
import sys
from pathlib import Path

from playwright.sync_api import expect, sync_playwright

from report_check import FACTS, MIN_CONTRAST, MIN_PLOT_LETTERS, SCHEMES, WIDTHS, launch

VIEWS = ("part", "judge", "decide", "line", "record", "report")
HEADINGS = {"en": "Decide", "de": "Entscheiden", "zh": "判定"}
STEPS = 2
# Of a video that can be played.
HAVE_ENOUGH_DATA = 4
# Entries of the record that an auditor reads: `0.png`, `1.png`, …, more than are shown at a time.
RECORDED = 53
# Jobs have the lowest priority: on a busy machine they take long.
PATIENCE_MS = 900_000


def say_who_and_why(page, why):
    """Fills in the dialogue that every change asks for."""
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Who").fill("Ada")
    dialog.get_by_label("Why").fill(why)
    dialog.get_by_role("button", name="Confirm").click()


def wait_for_job(page, kind):
    card = page.locator(f".job[data-kind={kind}]").first
    expect(card).to_have_attribute("data-state", "done", timeout=PATIENCE_MS)
    return card


def train(page, photos):
    """A part's photos are sent and looked at, and a model is trained."""
    page.get_by_label("Name of the part").fill("brick")
    page.get_by_label("Name of the part").blur()
    # One of them twice.
    page.locator("input[name=photos]").set_input_files([*photos, photos[0]])
    expect(page.get_by_text(f"{len(photos) + 1} photos sent, of which 1 were there already")).to_be_visible(timeout=PATIENCE_MS)
    expect(page.get_by_text(f"{len(photos)} good, to train on")).to_be_visible()
    page.get_by_role("button", name="Look for strange photos").click()
    wait_for_job(page, "look")
    expect(page.get_by_text(f"{len(photos)} photos were looked at")).to_be_visible()
    page.get_by_text("Draw the region that is inspected").click()
    editor = page.get_by_role("application")
    editor.scroll_into_view_if_needed()
    box = editor.bounding_box()
    for x, y in ((.05, .05), (.95, .05), (.95, .95), (.05, .95), (.05, .05)):
        page.mouse.click(box["x"] + x * box["width"], box["y"] + y * box["height"])
    expect(page.get_by_text("The region is closed. Corners: 4")).to_be_visible()
    page.get_by_label("Steps").fill(str(STEPS))
    page.get_by_role("button", name="Train", exact=True).click()
    say_who_and_why(page, "a new part")
    card = wait_for_job(page, "train")
    expect(card.get_by_role("img", name="Losses by step")).to_be_visible()
    expect(card).to_contain_text("Threshold")


def judge(page, good, defect):
    """Photos are judged, also one of the camera, one that is none is refused, and the overlay fades."""
    page.goto("#judge")
    page.locator("input[name=judge]").set_input_files([good, defect])
    expect(page.locator(".thumbs .thumb")).to_have_count(2, timeout=PATIENCE_MS)
    expect(page.locator(".verdict")).to_contain_text(defect.name)
    heat = page.get_by_alt_text("Where the photo is unlike good parts")
    page.get_by_label("Overlay").fill("25")
    assert heat.evaluate("image => image.style.opacity") == "0.25"
    assert heat.evaluate("image => image.naturalWidth") > 0
    page.locator("input[name=judge]").set_input_files({"name": "no.png", "mimeType": "image/png", "buffer": b"no photo"})
    expect(page.get_by_role("alert")).to_contain_text("no.png")
    page.get_by_role("alert").get_by_role("button").click()
    page.get_by_role("button", name="Use the camera").click()
    expect(page.locator("video")).to_have_js_property("readyState", HAVE_ENOUGH_DATA, timeout=PATIENCE_MS)
    page.get_by_role("button", name="Take a photo and judge it").click()
    # It has another shape than the photos that the region was drawn on.
    expect(page.get_by_role("alert")).to_contain_text(re.compile(r"camera-.*\.png.*1920"), timeout=PATIENCE_MS)
    page.get_by_role("alert").get_by_role("button").click()
    page.get_by_role("button", name="Camera off").click()
    expect(page.locator("video")).to_have_count(0)


def decide(page, good, defect):
    """The threshold is moved, photos are marked by keys, and the model is calibrated."""
    page.goto("#decide")
    promise = page.locator("#promise")
    expect(promise).to_contain_text("calibration", timeout=PATIENCE_MS)
    before = promise.inner_text()
    slider = page.get_by_label("Threshold: scores from here on are defects")
    for _ in range(40):
        slider.press("ArrowLeft")
    expect(promise).not_to_have_text(before)
    expect(promise).to_contain_text("Chosen by hand")
    page.get_by_label("As a number").fill("0.05")
    page.get_by_label("As a number").press("Tab")
    expect(page.locator(".figures")).to_contain_text("0.0500")
    page.get_by_role("button", name="Use this threshold").click()
    say_who_and_why(page, "a stricter customer")
    expect(page.get_by_text(re.compile("The threshold is .* now"))).to_be_visible()
    expect(page.get_by_text("now 0.0500")).to_be_visible()
    page.goto("#judge")
    page.locator("input[name=judge]").set_input_files(defect)
    expect(page.locator(".verdict")).to_contain_text("DEFECT", timeout=PATIENCE_MS)
    expect(page.locator("table tbody tr").first).to_contain_text("×")
    page.goto("#decide")

    page.locator("input[name=mark]").set_input_files([good, defect])
    first = page.get_by_role("button", name=good.name)
    expect(first.locator(".tag")).to_be_visible(timeout=PATIENCE_MS)
    first.press("g")
    second = page.get_by_role("button", name=defect.name)
    expect(second).to_be_focused()
    page.keyboard.press("d")
    expect(page.locator(".thumb.good")).to_contain_text("good", timeout=PATIENCE_MS)
    expect(page.locator(".thumb.defect")).to_contain_text("defect")
    expect(page.locator(".figures")).to_contain_text(re.compile("Defects caught[01] / 1"), timeout=PATIENCE_MS)

    page.get_by_role("button", name="Calibrate").click()
    say_who_and_why(page, "photos of this week")
    wait_for_job(page, "calibrate")
    expect(promise).to_contain_text("the only calibration photo")


def has_picture(place):
    """A photo that the record kept is there, and can be shown."""
    image = place.locator("img")
    expect(image).to_have_attribute("src", re.compile("^blob:"))
    image.evaluate("image => image.decode()")


def look_up(page, defect):
    """The line shows its rejects, and the record is searched, marked by keys and exported."""
    page.goto("#line")
    reject = page.locator(".thumbs li").first
    expect(reject).to_contain_text(defect.name)
    has_picture(reject)

    page.goto("#record")
    rows = page.locator("tbody tr")
    expect(rows.first).to_contain_text(defect.name)
    everything = rows.count()
    page.get_by_label("Part of the name").fill(defect.name)
    page.get_by_label("Verdict").select_option(label="DEFECT")
    page.get_by_role("button", name="Search", exact=True).click()
    # Judged in two views.
    expect(rows).to_have_count(2)
    assert everything > 2
    has_picture(rows.first)
    expect(page.get_by_label("Who marks")).to_have_value("Ada")
    rows.first.focus()
    page.keyboard.press("d")
    expect(rows.first.get_by_role("button", name="defect", exact=True)).to_have_attribute("aria-pressed", "true")
    expect(rows.last).to_be_focused()
    page.keyboard.press("Enter")
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_alt_text(defect.name)).to_be_visible()
    dialog.get_by_role("button", name="Close").click()
    expect(rows.last).to_be_focused()
    marks = page.get_by_label("Mark", exact=True)
    marks.select_option(label="defect")
    expect(rows).to_have_count(1)
    (line,) = csv.DictReader(export(page, "Save as CSV", "record.csv").splitlines())
    assert (line["path"], line["anomalous"], line["mark"], line["photo_kept"]) == (defect.name, "true", "defect", "true"), line
    marks.select_option(label="not marked")
    expect(rows.get_by_role("button", pressed=True)).to_have_count(0)
    (entry,) = map(json.loads, export(page, "Save as JSON Lines", "record.jsonl").splitlines())
    assert (entry["path"], entry["anomalous"], entry["mark"]) == (defect.name, True, None), entry


def export(page, button, name):
    with page.expect_download() as download:
        page.get_by_role("button", name=button).click()
    assert download.value.suggested_filename == name
    return download.value.path().read_text()


def report(page):
    """A data set of the server is evaluated, and the report opened; the record has all changes."""
    page.goto("#report")
    page.get_by_label("Data set").fill("brick")
    page.get_by_role("button", name="Measure", exact=True).click()
    wait_for_job(page, "evaluate")
    with page.context.expect_page() as opened:
        page.get_by_role("button", name="Open brick-").first.click()
    tab = opened.value
    expect(tab.get_by_role("heading", level=1)).to_be_visible()
    images = tab.evaluate("[...document.images].map(image => image.naturalWidth)")
    assert images and all(images), images
    tab.close()
    rows = page.locator("tbody tr").all_inner_texts()
    assert len(rows) == 4, rows
    for row, parts in zip(rows, (("model", "this week"), ("threshold", "this week"), ("threshold", "customer"), ("model", "new part"))):
        assert "Ada" in row and all(part in row for part in parts), row


def problems(facts, view, width, scheme):
    """What is wrong with a view as it stands."""
    yield from (f"a text in a plot: {text}" for text in facts["overlaps"])
    if facts["handlers"]:
        yield f"{facts['handlers']} handlers"
    if facts["scrollWidth"] > facts["innerWidth"] or facts["innerWidth"] != width:
        yield f"{facts['scrollWidth']} pixels wide in a window of {facts['innerWidth']}"
    for name in ("headers", "labels"):
        if not facts[name]:
            yield f"{name} without a name"
    levels = facts["headings"]
    if levels[0] != 1 or levels.count(1) != 1 or any(b > a + 1 for a, b in zip(levels, levels[1:])):
        yield f"headings skip a level: {levels}"
    is_dark = sum(int(v) for v in facts["paper"].strip("rgb()").split(",")) < 3 * 128
    if is_dark != (scheme == "dark"):
        yield f"the page is {facts['paper']}"
    for text in facts["texts"]:
        if text["contrast"] < MIN_CONTRAST:
            yield f"contrast {text['contrast']:.2f}: {text['text']}"
        if text["isDrawn"] and text["size"] < MIN_PLOT_LETTERS:
            yield f"letters of {text['size']:.1f} px in a plot: {text['text']}"


UNNAMED = """() => [...document.querySelectorAll("input, select, textarea, button, a[href], svg")]
  .filter(e => e.getClientRects().length && e.type !== "file")
  .filter(e => !(e.getAttribute("aria-label") || e.textContent.trim() || [...(e.labels ?? [])].some(l => l.textContent.trim())))
  .map(e => e.outerHTML.slice(0, 80))"""


def look_at(page, view, good, defect):
    """Has a view show what it can."""
    page.goto(f"#{view}")
    expect(page.locator("nav [aria-current]")).to_have_attribute("href", f"#{view}")
    if view == "judge":
        page.locator("input[name=judge]").set_input_files([good, defect])
        expect(page.locator(".thumbs .thumb")).to_have_count(2, timeout=PATIENCE_MS)
    if view == "decide":
        expect(page.locator("#promise")).not_to_be_empty(timeout=PATIENCE_MS)
    # Pictures that are on their way.
    page.wait_for_timeout(700)


def look_at_all(browser, address, photos, screenshots, found):
    good, defect = photos
    for scheme in SCHEMES:
        for width in WIDTHS:
            context, page = open_page(browser, address, found, viewport={"width": width, "height": 900}, color_scheme=scheme)
            page.evaluate("localStorage.setItem('part', 'brick')")
            for view in VIEWS:
                look_at(page, view, good, defect)
                if screenshots:
                    page.screenshot(path=screenshots / f"{view}-{width}-{scheme}.png", full_page=True)
                facts = page.evaluate(FACTS)
                found += [f"{view}: {text}" for text in page.locator("#notices .bad").all_inner_texts()]
                all_problems = [*problems(facts, view, width, scheme), *(f"no name: {it}" for it in page.evaluate(UNNAMED))]
                found += [f"{view}, {width} px, {scheme}: {problem}" for problem in all_problems]
            context.close()


def speak(page, found):
    """The language is chosen, and stays."""
    page.goto("#decide")
    for language, heading in HEADINGS.items():
        page.locator("#language").select_option(language)
        expect(page.get_by_role("heading", level=1)).to_have_text(heading)
        page.reload()
        expect(page.get_by_role("heading", level=1)).to_have_text(heading)
    page.locator("#language").select_option("en")
    page.locator("#theme").select_option("dark")
    paper = page.evaluate("getComputedStyle(document.body).backgroundColor")
    if paper != "rgb(20, 23, 26)":
        found.append(f"the theme was chosen, and the page is {paper}")


def walk_by_keys(page, found):
    """All that can be done is reached by the Tab key, beginning with the way past the navigation."""
    page.goto("#judge")
    page.reload()
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    page.keyboard.press("Tab")
    if page.evaluate("document.activeElement.className") != "skip":
        found.append("the first Tab does not reach the link past the navigation")
    reached = set()
    for _ in range(30):
        page.keyboard.press("Tab")
        reached.add(page.evaluate("document.activeElement.textContent.trim().slice(0, 30)"))
    for wanted in ("Decide", "Use the camera", "Choose photos"):
        if wanted not in reached:
            found.append(f"{wanted} is not reached by the Tab key")


def open_page(browser, address, found, token=None, **options):
    context = browser.new_context(base_url=address, locale="en-GB", **options)
    page = context.new_page()
    # What is no photo, what has another shape, who has no token.
    expected = ("status of 415", "status of 422", "status of 401")
    page.on("console", lambda message: None if message.type not in ("error", "warning") or any(it in message.text for it in expected)
            else found.append(f"console: {message.text}"))
    page.on("pageerror", lambda error: found.append(f"error: {error}"))
    page.on("request", lambda request: None if request.url.startswith((address, "blob:")) else found.append(f"request: {request.url}"))
    page.goto(address)
    if token:
        page.get_by_label("Your token").fill(token)
        page.get_by_role("button", name="Continue").click()
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    return context, page


def audit(browser, address, token, found):
    """An auditor reads the record and saves it, and can mark nothing."""
    context, page = open_page(browser, address, found, token=token)
    page.goto("#record")
    rows = page.locator("tbody tr")
    expect(rows).to_have_count(50)
    has_picture(rows.first)
    page.get_by_role("button", name="Older ones").click()
    expect(rows).to_have_count(RECORDED)
    expect(rows.nth(50)).to_be_focused()
    expect(page.get_by_role("button", name="Older ones")).to_be_hidden()
    expect(rows.get_by_role("button", name="defect", exact=True)).to_have_count(0)
    expect(page.get_by_label("Who marks")).to_have_count(0)
    lines = csv.DictReader(export(page, "Save as CSV", "record.csv").splitlines())
    assert [line["path"] for line in lines] == [f"{number}.png" for number in range(RECORDED)]
    context.close()


def work(browser, args, found):
    """All that people do at a line, and all views."""
    train_photos = sorted((args.photos / "train" / "good").iterdir())[:6]
    good = sorted((args.photos / "test" / "good").iterdir())
    defects = sorted((args.photos / "test" / "stain").iterdir())
    if not args.look_only:
        context, page = open_page(browser, args.address, found, viewport={"width": 1280, "height": 900})
        train(page, train_photos)
        judge(page, good[0], defects[4])
        decide(page, good[1], defects[3])
        look_up(page, defects[3])
        report(page)
        speak(page, found)
        walk_by_keys(page, found)
        context.close()
    look_at_all(browser, args.address, (good[2], defects[2]), args.screenshots, found)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("address", help="of the server, as http://127.0.0.1:8080")
    parser.add_argument("photos", type=Path, nargs="?", help="the example's folder")
    parser.add_argument("--screenshots", type=Path, help="folder for pictures of all views")
    parser.add_argument("--look-only", action="store_true", help="look at a server that has its model")
    parser.add_argument("--auditor", metavar="TOKEN", help="read the record of a server by this token, and do nothing else")
    args = parser.parse_args()
    if args.screenshots:
        args.screenshots.mkdir(parents=True, exist_ok=True)
    found = []
    with sync_playwright() as playwright:
        browser = launch(playwright)
        if args.auditor:
            audit(browser, args.address, args.auditor, found)
        else:
            work(browser, args, found)
        version = browser.version
        browser.close()
    for problem in found:
        print(problem, file=sys.stderr)
    print(f"the page in Chromium {version}: {len(found)} problems")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
