"""Look at the built site as readers do: python docs/check_site.py [FOLDER] [--pictures DIR]

Links      every link, picture and anchor within the site leads somewhere
Pages      every page at 400 and 1,400 pixels, light and dark: it does not scroll sideways, but for tables and code
           on their own, pictures are there, text stands out from its ground (contrast >= 3), nothing is printed to
           the console as an error and nothing is asked of another server
Searches   each of 20 finds its page among the first five results

Needs Playwright for Python and chromium of the system (CHROMIUM=... names another). --pictures keeps what was seen of
some pages. Exit code 1 where something is wrong, with a line for each.
"""

import argparse
import functools
import http.server
import os
import shutil
import sys
import threading
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit

from playwright.sync_api import Page, sync_playwright

WIDTHS = (400, 1400)
SCHEMES = ("light", "dark")
#: Query -> pages of which one must be among the first results.
SEARCHES = {
    "exploitability": ("reference/exploitability", "start/equilibrium"),
    "sweep": ("start/without-synchrony", "start/first-game", "glossary"),
    "which engine": ("how-to/engine",),
    "which solver": ("how-to/solver",),
    "million agents": ("how-to/large-n",),
    "save load": ("how-to/save",),
    "vaccination": ("tutorials/epidemic",),
    "common noise": ("common-noise",),
    "typed": ("typed",),
    "mirror descent": ("reference/solvers", "theory", "how-to/solver"),
    "TMFPG": ("reference/solvers",),
    "simulate": ("reference/simulate",),
    "best response": ("reference/exploitability",),
    "check_game": ("reference/testing",),
    "numba": ("tutorials/own-game", "games"),
    "OpenSpiel": ("coming-from/openspiel", "reference/openspiel"),
    "PettingZoo": ("reference/pettingzoo", "tutorials/environments"),
    "JSON": ("command-line", "reference/cli"),
    "confidence interval": ("measured/intervals", "reference/results", "reference/learn"),
    "get_include": ("reference/package", "reference/cython"),
}
FIRST = 5
SHOWN = ("index", "theory", "reference/solve", "gallery/braess", "measured/benchmarks", "tutorials/epidemic")

LOOK = """() => {
  const shown = element => element.checkVisibility({opacityProperty: true, visibilityProperty: true});
  const number = text => (text.match(/[\\d.]+/g) || []).map(Number);
  const light = colour => {
    const [r, g, b] = colour.map(c => (c /= 255) <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const grounds = new Map();
  const ground = element => {
    if (!element) return [255, 255, 255];
    if (!grounds.has(element)) {
      const colour = number(getComputedStyle(element).backgroundColor);
      const own = colour.length === 3 || colour[3] > 0.5;
      grounds.set(element, own ? colour.slice(0, 3) : ground(element.parentElement));
    }
    return grounds.get(element);
  };
  const faint = new Set(), root = document.documentElement;
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (texts.nextNode()) {
    const element = texts.currentNode.parentElement, text = texts.currentNode.data.trim();
    if (!text || !shown(element) || element.closest("script, style, svg")) continue;
    const [a, b] = [number(getComputedStyle(element).color).slice(0, 3), ground(element)].map(light);
    const contrast = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (contrast < 3) faint.add(`${element.localName}.${element.className} "${text.slice(0, 20)}"`);
  }
  const around = [root]; // what scrolls and holds the whole text
  for (let box = document.querySelector("h1"); box; box = box.parentElement)
    if (getComputedStyle(box).overflowX !== "visible") around.push(box);
  return {
    wide: Math.max(...around.map(box => box.scrollWidth - box.clientWidth)),
    missing: [...document.images].filter(image => image.complete && !image.naturalWidth).map(image => image.src),
    faint: [...faint].slice(0, 3),
  };
}"""


class References(HTMLParser):
    """Anchors of a page, and what it refers to."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.anchors: set[str] = set()
        self.targets: list[str] = []
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        """Of HTMLParser."""
        for name, value in attributes:
            if value and name in ("id", "name"):
                self.anchors.add(value)
            elif value and name in ("href", "src") and tag != "link":
                self.targets.append(value)


def broken_links(site: Path) -> Iterator[str]:
    """Links within the site that lead nowhere."""
    pages = {path: References(path) for path in sorted(site.rglob("*.html")) if "_static" not in path.parts}
    for path, page in pages.items():
        for target in page.targets:
            parts = urlsplit(target)
            if parts.scheme or parts.netloc:
                continue
            there = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            there = there / "index.html" if there.is_dir() else there
            if not there.is_file():
                yield f"{path.relative_to(site)}: {target} is not there"
            elif parts.fragment and there in pages and unquote(parts.fragment) not in pages[there].anchors:
                yield f"{path.relative_to(site)}: {target} has no such anchor"


def wrong_looks(page: Page, site: Path, address: str, pictures: Path | None) -> Iterator[str]:
    """What is wrong with pages as they are seen."""
    for path in sorted(site.rglob("*.html")):
        name = path.relative_to(site).with_suffix("").as_posix()
        if "_static" in path.parts:
            continue
        page.goto(f"{address}/{name}.html")
        for width in WIDTHS:
            page.set_viewport_size({"width": width, "height": 900})
            for scheme in SCHEMES:
                page.emulate_media(color_scheme=scheme)
                found = page.evaluate(LOOK)
                where = f"{name} at {width} pixels, {scheme}"
                if found["wide"] > 0:
                    yield f"{where}: {found['wide']} pixels too wide"
                yield from (f"{where}: {source} is missing" for source in found["missing"])
                yield from (f"{where}: faint {text}" for text in found["faint"])
                if pictures and name in SHOWN:
                    page.screenshot(path=pictures / f"{name.replace('/', '-')}-{width}-{scheme}.png")


def failed_searches(page: Page, address: str) -> Iterator[str]:
    """Searches whose page is not among the first results."""
    for query, wanted in SEARCHES.items():
        page.goto(f"{address}/search.html?q={quote(query)}")
        page.wait_for_function("() => /found|did not match/.test(document.querySelector('#search-results').innerText)")
        links = page.locator("#search-results ul.search > li > a")
        found = [urlsplit(link.get_attribute("href") or "").path for link in links.all()[:FIRST]]
        if not any(target.endswith(f"{name}.html") for target in found for name in wanted):
            yield f"search for {query!r}: {found} instead of {' or '.join(wanted)}"


def main() -> int:
    """Print what is wrong."""
    parser = argparse.ArgumentParser(description="Check the built site.")
    parser.add_argument("folder", nargs="?", type=Path, default=Path(__file__).parent / "_build" / "html")
    parser.add_argument("--pictures", type=Path, metavar="DIR", help="keep pictures of some pages")
    arguments = parser.parse_args()
    site = arguments.folder.resolve()
    if not (site / "index.html").is_file():
        parser.error(f"{site} has no site; sphinx-build -W docs {site} builds it")
    if arguments.pictures:
        arguments.pictures.mkdir(parents=True, exist_ok=True)

    class Handler(http.server.SimpleHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: object) -> None:
            pass

        def end_headers(self) -> None:
            self.send_header("Cache-Control", "max-age=3600")  # pages share styles and scripts
            super().end_headers()

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Handler, directory=str(site)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    address = f"http://127.0.0.1:{server.server_port}"
    own = (address, "data:", "blob:")
    wrong = list(broken_links(site))
    chromium = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_page()
        page.set_default_timeout(20_000)
        page.on("console", lambda said: wrong.append(f"{page.url}: {said.text}") if said.type == "error" else None)
        page.on("pageerror", lambda error: wrong.append(f"{page.url}: {error}"))
        page.on("request", lambda asked: asked.url.startswith(own) or wrong.append(f"{page.url}: {asked.url}"))
        wrong += wrong_looks(page, site, address, arguments.pictures)
        wrong += failed_searches(page, address)
        browser.close()
    server.shutdown()
    for line in wrong:
        print(line)
    pages = sum(1 for path in site.rglob("*.html") if "_static" not in path.parts)
    print(f"{pages} pages, {len(SEARCHES)} searches: {f'{len(wrong)} faults' if wrong else 'no fault'}")
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main())
