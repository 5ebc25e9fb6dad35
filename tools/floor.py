"""Prints the lowest versions that pyproject.toml allows, as constraints for pip: `python tools/floor.py GROUP...`."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

LOWEST = re.compile(r"([A-Za-z0-9._-]+)(?:\[[^\]]*\])?>=([0-9.]+)")


def requirements(groups: dict[str, list[Any]], name: str) -> Iterator[str]:
    """What a dependency group asks for, those that it includes too (PEP 735)."""
    for item in groups[name]:
        if isinstance(item, dict):
            yield from requirements(groups, item["include-group"])
        else:
            yield item


def main() -> None:
    project = tomllib.loads(Path("pyproject.toml").read_text("utf-8"))
    wanted = [*project["project"]["dependencies"], *project["project"]["optional-dependencies"]["cli"]]
    for group in sys.argv[1:]:
        wanted += requirements(project["dependency-groups"], group)
    for requirement in wanted:
        found = LOWEST.match(requirement)
        if found is None:
            raise SystemExit(f"no lower bound: {requirement}")
        print(f"{found[1]}=={found[2]}")


if __name__ == "__main__":
    main()
