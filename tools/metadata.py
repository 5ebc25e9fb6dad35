"""What the package says of where it lives: hatchling asks this hook for the links and the long description.

Everything follows from one variable, `home` of `[tool.hatch.metadata.hooks.custom]` in pyproject.toml.  README.md has
links that work in a checkout; on a package index they have to be absolute.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from hatchling.metadata.plugin.interface import MetadataHookInterface

RELATIVE = re.compile(r"(!?)\[([^\]]*)\]\((?!https?:|#|mailto:)([^)]+)\)")


def absolute(text: str, home: str) -> str:
    """Markdown whose relative links lead to the files at `home`, its pictures to their bytes."""

    def link(found: re.Match[str]) -> str:
        picture, label, target = found.groups()
        kind = "raw" if picture or target.endswith((".png", ".svg")) else "blob"
        return f"{picture}[{label}]({home}/{kind}/main/{target})"

    return RELATIVE.sub(link, text)


class Links(MetadataHookInterface):
    """Fills in `urls` and `readme`."""

    def update(self, metadata: dict[str, Any]) -> None:
        """Called by hatchling before it writes the metadata of a wheel or an sdist."""
        home = self.config["home"].rstrip("/")
        metadata["urls"] = {
            "Documentation": f"{home}/blob/main/docs/index.md",
            "Source": home,
            "Changelog": f"{home}/blob/main/CHANGELOG.md",
            "Issues": f"{home}/issues",
            "Security": f"{home}/blob/main/SECURITY.md",
        }
        readme = Path(self.root, "README.md").read_text("utf-8")
        metadata["readme"] = {"content-type": "text/markdown", "text": absolute(readme, home)}
