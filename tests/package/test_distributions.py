"""The files in dist/, as `make package` has just built them: what is in them, and whether they work on their own.

Every environment here is new and every process starts in an empty folder, so nothing can come from the source tree.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tarfile
import venv
import zipfile
from email import message_from_bytes
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src"
KINDS = {".py", ".typed", ".html", ".css", ".js"}  # code, its mark for type checkers, and what pages are made of
LEFT_OUT = {".ci", ".github", ".gitignore", ".pre-commit-config.yaml", "CITATION.cff"}  # how a public place keeps them


@pytest.fixture(scope="module")
def wheel() -> Path:
    (found,) = (ROOT / "dist").glob("*.whl")
    return found


@pytest.fixture(scope="module")
def sdist() -> Path:
    (found,) = (ROOT / "dist").glob("*.tar.gz")
    return found


def run(folder: Path, *argv: object, **environment: str) -> str:
    """What a program says, which must not fail; the environment is ours without what could lead to the source tree."""
    env = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "VIRTUAL_ENV"))}
    done = subprocess.run(
        list(map(str, argv)),
        cwd=folder,
        env={**env, **environment},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    return done.stdout


def environment(folder: Path, package: object) -> Path:
    """A new virtual environment with the package and what it asks for; its folder of commands."""
    venv.create(folder / "env", with_pip=True)
    commands = folder / "env" / "bin"
    run(folder, commands / "python", "-m", "pip", "install", "--quiet", package)
    return commands


def test_the_wheel_holds_the_package_and_nothing_else(wheel: Path) -> None:
    source = [path for path in SOURCE.rglob("*") if path.is_file() and "__pycache__" not in path.parts]
    assert {path.suffix for path in source} <= KINDS
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        meta = [name.split("/", 1)[1] for name in names if ".dist-info/" in name]
        assert sorted(meta) == ["METADATA", "RECORD", "WHEEL", "entry_points.txt", "licenses/LICENSE"]
        code = sorted(name for name in names if ".dist-info/" not in name)
        assert code == sorted(path.relative_to(SOURCE).as_posix() for path in source)
        assert "puretls/py.typed" in code
        assert all(archive.read(name) == (SOURCE / name).read_bytes() for name in code)


def test_the_wheel_is_for_every_python_and_needs_cryptography_only(wheel: Path) -> None:
    assert wheel.name.endswith("-py3-none-any.whl")
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith("/METADATA"))
        metadata = message_from_bytes(archive.read(name))
    needed = metadata.get_all("Requires-Dist", [])
    assert [one.split(">")[0] for one in needed if "extra ==" not in one] == ["cryptography"]
    assert "cli" in metadata.get_all("Provides-Extra", [])
    assert not {"test", "docs", "dist", "ecosystem"} & set(metadata.get_all("Provides-Extra", []))  # nobody's but ours


def test_links_of_the_description_are_absolute_and_lead_to_one_place(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith("/METADATA"))
        metadata = message_from_bytes(archive.read(name))
    urls = dict(line.split(", ", 1) for line in metadata.get_all("Project-URL", []))
    assert set(urls) == {"Documentation", "Source", "Changelog", "Issues", "Security"}
    home = urls["Source"]
    assert all(url.startswith(home) for url in urls.values())
    text = metadata.get_payload()
    assert isinstance(text, str)
    links = re.findall(r"\]\(([^)]+)\)", text)
    assert len(links) > 20
    assert [link for link in links if not link.startswith(("https://", "#"))] == []
    for link in links:
        if link.startswith(home):
            assert (ROOT / link.removeprefix(home).split("/", 3)[3]).exists(), link


def test_the_sdist_is_what_a_developer_has(sdist: Path) -> None:
    with tarfile.open(sdist) as archive:
        names = {name.split("/", 1)[1] for name in archive.getnames()}
    if (ROOT / ".git").exists():
        kept = run(ROOT, "git", "ls-files").splitlines()
        there = {name for name in kept if (ROOT / name).exists() and name.split("/")[0] not in LEFT_OUT}
        assert there - names == set()
        assert names - set(kept) <= {"PKG-INFO", ".gitignore"} | set(untracked())


def untracked() -> list[str]:
    """Files that are not committed yet: a developer's build has them too."""
    return run(ROOT, "git", "ls-files", "--others", "--exclude-standard").splitlines()


def test_the_sdist_makes_the_same_wheel_again_and_its_tests_are_complete(
    wheel: Path, sdist: Path, tmp_path: Path
) -> None:
    with tarfile.open(sdist) as archive:
        archive.extractall(tmp_path, filter="data")
    (unpacked,) = tmp_path.iterdir()
    run(unpacked, sys.executable, "-m", "build", "--wheel", "--outdir", tmp_path / "again", ".")
    assert (tmp_path / "again" / wheel.name).read_bytes() == wheel.read_bytes()
    quick = ("tests/test_docs.py", "tests/test_layers.py", "tests/test_specification.py")
    run(unpacked, sys.executable, "-m", "pytest", "-q", *quick, PYTHONPATH=str(unpacked / "src"))


def test_the_wheel_works_in_an_empty_environment(wheel: Path, tmp_path: Path) -> None:
    commands = environment(tmp_path, wheel)
    where = run(tmp_path, commands / "python", "-c", "import puretls; print(puretls.__file__)")
    assert Path(where.strip()).is_relative_to(tmp_path)
    assert "puretls" in run(tmp_path, commands / "puretls", "version")
    check = "import importlib.util as i; print(i.find_spec('rich'))"
    assert run(tmp_path, commands / "python", "-c", check) == "None\n"
    assert "All of it worked" in run(tmp_path, commands / "puretls", "demo", "--once", "--size", "8")
    names = run(tmp_path, commands / "python", "-c", "from puretls.cli import COMMANDS; print(*COMMANDS)").split()
    assert {"demo", "run", "version"} <= set(names)
    for name in names:
        assert f"usage: puretls {name}" in run(tmp_path, commands / "puretls", name, "--help")

    run(tmp_path, commands / "python", "-m", "pip", "install", "--quiet", f"{wheel}[cli]")
    assert "ModuleSpec" in run(tmp_path, commands / "python", "-c", check)
    assert "complete" in run(tmp_path, commands / "puretls", "completion", "bash")
    assert "All of it worked" in run(tmp_path, commands / "python", "-m", "puretls", "demo", "--once", "--size", "8")


def test_the_sdist_can_be_installed(sdist: Path, tmp_path: Path) -> None:
    commands = environment(tmp_path, sdist)
    assert "puretls" in run(tmp_path, commands / "puretls", "version")


def test_pipx_runs_it(wheel: Path, tmp_path: Path) -> None:
    pipx = [sys.executable, "-m", "pipx", "run", "--spec", wheel]
    assert "cryptography" in run(tmp_path, *pipx, "puretls", "version", PIPX_HOME=str(tmp_path / "pipx"))
