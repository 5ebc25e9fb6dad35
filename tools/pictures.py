"""Draw the pictures of the documentation: the demo and `puretls inspect`, their terminals (SVG) and their pages (PNG).

python tools/pictures.py            writes docs/demo.svg, docs/page.png, docs/inspect.svg and docs/inspect.png
python tools/pictures.py --check    draws them elsewhere and fails if a terminal says other words now

The check leaves numbers, names that are made up anew and the pages' PNGs alone: those differ from run to run.
"""

from __future__ import annotations

import argparse
import contextlib
import html
import io
import re
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from threading import Thread

from rich.console import Console

from puretls.cli import demo, inspect
from puretls.cli import main as main_of_command
from puretls.cli.render import MIB, Advance
from puretls.cli.rich_screen import Rich

DOCS = Path(__file__).parent.parent / "docs"
WORD = re.compile(r">([^<>]+)</text>")


class Still(Rich):
    """A screen that remembers, without what moves on it."""

    def __init__(self, width: int = 80) -> None:
        super().__init__()
        self.console = Console(record=True, force_terminal=True, width=width, highlight=False, file=io.StringIO())

    @contextlib.contextmanager
    def progress(self, _label: str, _total: int) -> Iterator[Advance]:
        yield lambda _count: None

    def save(self, command: str, folder: Path) -> None:
        """What was shown, as the picture of a command, without the fonts that rich would have a browser fetch."""
        picture = self.console.export_svg(title=f"puretls {command}")
        (folder / f"{command}.svg").write_text(re.sub(r"\s*@font-face \{.*?\}", "", picture, flags=re.DOTALL), "utf-8")


def main() -> None:
    """Run the demo on a screen that remembers, then show its page to a browser."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--check", action="store_true", help="only say whether the pictures are stale")
    if not parser.parse_args().check:
        draw(DOCS)
        return
    with tempfile.TemporaryDirectory() as folder:
        draw(Path(folder))
        stale = [name for name in ("demo.svg", "inspect.svg") if words(DOCS / name) != words(Path(folder, name))]
    for name in stale:
        print(f"docs/{name} is stale: make pictures")
    raise SystemExit(bool(stale))


def words(picture: Path) -> list[str]:
    """What a terminal says, without what differs from run to run."""
    text = " ".join(html.unescape(found) for found in WORD.findall(picture.read_text("utf-8")))
    return sorted({word for word in text.replace("\xa0", " ").split() if word.isalpha()})


def draw(folder: Path) -> None:
    """All pictures, into a folder."""
    recorded = Still()
    demo.screen = lambda: recorded  # type: ignore[attr-defined] # the module's own name for it
    shown = demo.Demo(8443)
    with shown.server:
        Thread(target=shown.server.serve_forever, daemon=True).start()
        shown.handshakes()
        shown.refusals()
        shown.throughput(256 * MIB)
        shown.verdict()
        recorded.save("demo", folder)
        photograph(shown, folder)
        shown.server.shutdown()


def photograph(shown: demo.Demo, out: Path) -> None:
    """The demo's page, and that of an inspected connection, as Chromium shows them."""
    with tempfile.TemporaryDirectory() as folder:
        nss = Path(folder, ".pki", "nssdb")
        nss.mkdir(parents=True)
        ca, page = Path(folder, "ca.pem"), Path(folder, "page.html")
        ca.write_bytes(shown.authority.pem)
        for step in (["-N", "--empty-password"], ["-A", "-t", "C,,", "-n", "demo", "-i", str(ca)]):
            subprocess.run(["certutil", "-d", f"sql:{nss}", *step], check=True)
        where = f"localhost:{shown.port}"
        if main_of_command(["inspect", where, "--ca-file", str(ca), "--http", "--html", str(page)]):
            raise SystemExit("the inspection failed")
        inspected = Still(96)
        inspect.screen = lambda: inspected  # type: ignore[attr-defined] # the module's own name for it
        main_of_command(["inspect", where, "--ca-file", str(ca)])
        inspected.save("inspect", out)
        chromium = ["chromium", "--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"]
        chromium += [f"--user-data-dir={folder}/profile", "--force-device-scale-factor=1"]
        for url, size, name in ((shown.url, "1000,1750", "page.png"), (page.as_uri(), "1000,1600", "inspect.png")):
            picture = [f"--window-size={size}", f"--screenshot={out / name}", url]
            environment = {"HOME": folder, "PATH": "/usr/bin:/bin"}
            subprocess.run([*chromium, *picture], check=True, capture_output=True, env=environment)


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        main()
