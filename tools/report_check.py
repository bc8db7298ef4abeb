"""Opens a report of `efficientad eval --report` in headless Chromium and checks what a reader relies on.

Needs Debian's chromium (or another, named by the environment variable CHROMIUM) and Playwright without
its own browsers:

    apt-get install chromium
    python3 -m venv .venv && .venv/bin/pip install playwright
    .venv/bin/python tools/report_check.py out/report.html --screenshots shots --pdf report.pdf
"""

import argparse
import os
import shutil
import sys
from pathlib import Path

from playwright.sync_api import sync_playwright

WIDTHS = (1280, 400)
SCHEMES = ("light", "dark")
# WCAG 2, level AA, for text of ordinary size.
MIN_CONTRAST = 4.5
MIN_PLOT_LETTERS = 10

FACTS = """() => {
  const luminance = ([r, g, b]) => {
    const part = v => (v /= 255) <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4;
    return 0.2126 * part(r) + 0.7152 * part(g) + 0.0722 * part(b);
  };
  const channels = color => (color.match(/[\\d.]+/g) || []).map(Number);
  const isOpaque = color => { const c = channels(color); return c.length === 3 || c[3] === 1; };
  const background = element => {
    for (let e = element; e; e = e.parentElement) {
      const color = getComputedStyle(e).backgroundColor;
      if (isOpaque(color)) return channels(color);
    }
    return [255, 255, 255];
  };
  const contrast = (a, b) => {
    const [low, high] = [luminance(a), luminance(b)].sort((x, y) => x - y);
    return (high + 0.05) / (low + 0.05);
  };
  const texts = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const text = walker.currentNode.data.trim(), element = walker.currentNode.parentElement;
    if (!text || !element.getClientRects().length) continue;
    const style = getComputedStyle(element);
    const isDrawn = element instanceof SVGElement;
    const color = channels(isDrawn ? style.fill : style.color);
    const scale = isDrawn ? element.ownerSVGElement.getScreenCTM().a : 1;
    texts.push({ text: text.slice(0, 60), isDrawn, size: parseFloat(style.fontSize) * scale,
                 contrast: contrast(color, background(element)) });
  }
  const isNamed = (attribute, element) => (element.getAttribute(attribute) || "").trim() !== "";
  const overlaps = [];
  for (const svg of document.querySelectorAll("svg")) {
    const boxes = [...svg.querySelectorAll("text")].map(t => [t.textContent, t.getBoundingClientRect()]);
    const frame = svg.getBoundingClientRect();
    boxes.forEach(([text, a], i) => {
      if (a.left < frame.left - 1 || a.right > frame.right + 1 || a.bottom > frame.bottom + 1 || a.top < frame.top - 1)
        overlaps.push(`${text} leaves its plot`);
      boxes.slice(i + 1).forEach(([other, b]) => {
        if (a.left < b.right && b.left < a.right && a.top + 2 < b.bottom && b.top + 2 < a.bottom)
          overlaps.push(`${text} / ${other}`);
      });
    });
  }
  const ids = [...document.querySelectorAll("[id]")].map(e => e.id);
  return {
    lang: document.documentElement.lang,
    title: document.title,
    images: [...document.images].map(i => ({ alt: i.alt, width: i.naturalWidth, embedded: i.src.startsWith("data:") })),
    scripts: document.scripts.length,
    handlers: [...document.querySelectorAll("*")].filter(e => [...e.attributes].some(a => a.name.startsWith("on"))).length,
    foreign: [...document.querySelectorAll("[src], [href], [srcset], [action]")]
      .filter(e => !(e.getAttribute("src") || "").startsWith("data:")).length,
    scrollWidth: document.documentElement.scrollWidth,
    innerWidth: window.innerWidth,
    drawings: [...document.querySelectorAll("svg")].every(s => s.getAttribute("role") === "img" && isNamed("aria-label", s)),
    headers: [...document.querySelectorAll("table")].every(t => t.querySelector("th[scope]")),
    labels: [...document.querySelectorAll("[aria-labelledby]")]
      .every(e => ids.filter(id => id === e.getAttribute("aria-labelledby")).length === 1),
    headings: [...document.querySelectorAll("h1, h2, h3")].map(h => Number(h.tagName[1])),
    paper: getComputedStyle(document.body).backgroundColor,
    texts, overlaps,
  };
}"""


def problems(facts, width, scheme):
    """What is wrong with the page as it stands at this width, in this colour scheme."""
    yield from (f"a text in a plot: {text}" for text in facts["overlaps"])
    if facts["lang"] != "en" or not facts["title"].startswith("Inspection report: "):
        yield f"language {facts['lang']!r}, title {facts['title']!r}"
    if not facts["images"]:
        yield "there are no images"
    for image in facts["images"]:
        if image["width"] == 0 or not image["alt"] or not image["embedded"]:
            yield f"an image does not show, has no description or is not embedded: {image}"
    if facts["scripts"] or facts["handlers"] or facts["foreign"]:
        yield f"{facts['scripts']} scripts, {facts['handlers']} handlers, {facts['foreign']} references"
    if facts["scrollWidth"] > facts["innerWidth"] or facts["innerWidth"] != width:
        yield f"{facts['scrollWidth']} pixels wide in a window of {facts['innerWidth']}"
    for name in ("drawings", "headers", "labels"):
        if not facts[name]:
            yield f"{name} without a name"
    levels = facts["headings"]
    if levels[0] != 1 or levels.count(1) != 1 or any(b > a + 1 for a, b in zip(levels, levels[1:])):
        yield f"headings skip a level: {levels}"
    is_dark = sum(int(v) for v in facts["paper"].strip("rgb()").split(",")) < 3 * 128
    if is_dark != (scheme == "dark"):
        yield f"the page is {facts['paper']}"
    if len(facts["texts"]) < 50:
        yield f"only {len(facts['texts'])} texts are visible"
    for text in facts["texts"]:
        if text["contrast"] < MIN_CONTRAST:
            yield f"contrast {text['contrast']:.2f}: {text['text']}"
        if text["isDrawn"] and text["size"] < MIN_PLOT_LETTERS:
            yield f"letters of {text['size']:.1f} px in a plot: {text['text']}"


def check(browser, page_file, width, scheme, screenshots):
    """Problems of one view."""
    context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
    page = context.new_page()
    found = []
    page.on("console", lambda message: found.append(f"console: {message.text}"))
    page.on("pageerror", lambda error: found.append(f"error: {error}"))
    page.on("dialog", lambda dialog: (found.append(f"dialog: {dialog.message}"), dialog.dismiss()))
    page.on("request", lambda request: None if request.url.startswith("data:") or request.url == page_file.as_uri()
            else found.append(f"request: {request.url}"))
    page.goto(page_file.as_uri(), wait_until="load")
    if screenshots:
        page.screenshot(path=screenshots / f"{width}-{scheme}.png", full_page=True)
    page.evaluate("document.querySelectorAll('details').forEach(d => { d.open = true })")
    found += problems(page.evaluate(FACTS), width, scheme)
    context.close()
    return [f"{width} px, {scheme}: {problem}" for problem in found]


def launch(playwright):
    """Debian's Chromium, or the one that CHROMIUM names."""
    chromium = os.environ.get("CHROMIUM") or shutil.which("chromium")
    # The sandbox does not start for root, as whom containers run; the page is our own. A camera shows a moving picture.
    camera = ["--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"]
    return playwright.chromium.launch(executable_path=chromium, chromium_sandbox=False, args=camera)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("page", type=Path)
    parser.add_argument("--screenshots", type=Path, help="folder for pictures of all views")
    parser.add_argument("--pdf", type=Path, help="the page as it is printed")
    args = parser.parse_args()
    page_file = args.page.resolve()
    if args.screenshots:
        args.screenshots.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        browser = launch(playwright)
        found = [problem for scheme in SCHEMES for width in WIDTHS
                 for problem in check(browser, page_file, width, scheme, args.screenshots)]
        if args.pdf:
            page = browser.new_page()
            page.goto(page_file.as_uri())
            page.pdf(path=args.pdf, prefer_css_page_size=True, print_background=True)
        version = browser.version
        browser.close()
    for problem in found:
        print(problem, file=sys.stderr)
    print(f"{page_file.name}: {len(WIDTHS) * len(SCHEMES)} views in Chromium {version}, {len(found)} problems")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
