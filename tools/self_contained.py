"""Fails if a page of a built site would load anything from elsewhere: `python tools/self_contained.py FOLDER`.

Links may lead anywhere; scripts, styles, pictures, frames and fonts have to come along.
"""

from __future__ import annotations

import re
import sys
from html.parser import HTMLParser
from pathlib import Path

LOADING = {
    "script": "src",
    "img": "src",
    "iframe": "src",
    "source": "src",
    "video": "src",
    "object": "data",
    "link": "href",
}
FOREIGN = re.compile(r"\s*(?:https?:)?//", re.IGNORECASE)
IN_STYLES = re.compile(r"(?:url\(|@import)\s*[\"']?((?:https?:)?//[^\s\"')]+)", re.IGNORECASE)


class Loads(HTMLParser):
    """What a page makes a browser fetch from another place."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Every element that loads something by itself."""
        given = dict(attrs)
        target = given.get(LOADING.get(tag, "")) or ""
        if FOREIGN.match(target) and given.get("rel") != "canonical":
            self.found.append(target)
        self.found += IN_STYLES.findall(given.get("style") or "")


def loads(path: Path) -> list[str]:
    """What a file of the site would load from elsewhere."""
    text = path.read_text("utf-8")
    page = Loads()
    if path.suffix == ".html":
        page.feed(text)
    return page.found + IN_STYLES.findall(text)


def main(folder: Path) -> int:
    """Say what is found; 1 if there is anything, or no page at all."""
    files = [path for path in folder.rglob("*") if path.suffix in {".html", ".css", ".svg"}]
    found = [f"{path}: {target}" for path in files for target in loads(path)]
    print(*found, sep="\n", end="\n" if found else "", file=sys.stderr)
    return 1 if found or not files else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
