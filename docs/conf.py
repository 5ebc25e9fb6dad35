"""How `make docs` makes pages of these files: Sphinx with MyST (Markdown) and the theme furo.

Sphinx, because autodoc imports what it describes, so that the reference is of what runs; its search needs no server,
and nothing of furo comes from elsewhere.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from puretls import __version__
from puretls.cli import GROUPS

HERE = Path(__file__).parent

project = "puretls"
author = "The puretls authors"
copyright = author  # noqa: A001 - Sphinx's name
version = release = __version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx_copybutton"]
exclude_patterns = ["_static"]
myst_enable_extensions = ["attrs_inline", "colon_fence"]
myst_heading_anchors = 3

autodoc_typehints = "signature"
autodoc_member_order = "bysource"
autodoc_preserve_defaults = True
python_use_unqualified_type_names = True
python_maximum_signature_line_length = 100

html_theme = "furo"
html_title = f"puretls {release}"
html_static_path = ["_static"]
html_css_files = ["style.css"]
html_favicon = "_static/icon.svg"
html_copy_source = html_show_sphinx = html_show_copyright = False
html_theme_options = {
    "light_css_variables": {"color-brand-primary": "#0e7490", "color-brand-content": "#0e7490"},
    "dark_css_variables": {"color-brand-primary": "#22d3ee", "color-brand-content": "#22d3ee"},
}
highlight_language = "none"  # of blocks that say nothing: terminals, mostly
pygments_style, pygments_dark_style = "tango", "github-dark"
copybutton_exclude = ".linenos, .gp, .go"


def plain(_app: Any, _what: str, _name: str, _obj: Any, _options: Any, lines: list[str]) -> None:
    """Docstrings have `names` in single backticks, as everywhere here; reStructuredText wants two."""
    lines[:] = [re.sub(r"(?<!`)`([^`]+)`(?![`_])", r"``\1``", line) for line in lines]


def without_any(_app: Any, what: str, *told: Any) -> tuple[str, str | None] | None:
    """A parameter of type Any says nothing: the docstring does."""
    arguments, returned = told[-2:]
    if what not in {"class", "function", "method"}:
        return None
    arguments = re.sub(r": (?:~typing\.)?Any( =)?", lambda found: "=" if found[1] else "", arguments or "")
    return arguments.replace("= ", "="), None if (returned or "").endswith("Any") else returned


def commands() -> Iterator[str]:
    """The commands, as the command line lists them, each with a link to its page; and those pages, for the sidebar."""
    pages = [name for group in GROUPS.values() for name in group if (HERE / "commands" / f"{name}.md").exists()]
    for title, group in GROUPS.items():
        yield from (f"| {title[0].upper()}{title[1:]} | |", "| --- | --- |")
        for name, summary in group.items():
            command = f"`puretls {name}`"
            yield f"| {f'[{command}]({name}.md)' if name in pages else command} | {summary} |"
        yield ""
    yield from ("```{toctree}", ":hidden:", *pages, "coming-from", "```")


def inside(_app: Any, name: str, source: list[str]) -> None:
    """Files of the top folder are pages here: `../SECURITY.md` is security.md."""
    if name == "commands/index":
        source[0] = re.sub(r"<!-- the commands.*?-->", lambda _: "\n".join(commands()), source[0])
    source[0] = re.sub(r"\]\(\.\./([A-Z]+\.md)", lambda link: f"]({link[1].lower()}", source[0])


def for_machines(app: Any, exception: Exception | None) -> None:
    """llms.txt: what each page is about, in a line, with its Markdown beside it (llmstxt.org)."""
    if exception is not None or app.builder.name != "html":
        return
    lines = ["# puretls", "", "> The ssl module of Python's standard library, in Python, over PyCA cryptography.", ""]
    (out := Path(app.outdir, "pages")).mkdir(exist_ok=True)
    for name in sorted(app.env.found_docs):
        text = Path(app.env.doc2path(name)).read_text("utf-8")
        title = re.search(r"^# (.+)$", text, re.MULTILINE)
        prose = [block for block in text.split("\n\n") if block[:1].isalpha() or block[:1] in "`[*"]
        about = re.split(r"(?<=[.:])\s", re.sub(r"\]\([^)]*\)", "]", " ".join(prose[:1]).replace("\n", " ")))[0]
        file = name.replace("/", "-") + ".md"
        (out / file).write_text(text, "utf-8")
        lines.append(f"- [{title[1] if title else name}](pages/{file}): {about}")
    Path(app.outdir, "llms.txt").write_text("\n".join(lines) + "\n", "utf-8")


def setup(app: Any) -> None:
    """Sphinx calls this."""
    app.connect("build-finished", for_machines)
    app.connect("source-read", inside)
    app.connect("autodoc-process-docstring", plain)
    app.connect("autodoc-process-signature", without_any)
