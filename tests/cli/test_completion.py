"""`puretls completion`: shells that have read the script are asked for completions."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from puretls.cli import COMMANDS
from support.commands import called, puretls

ASK = """
source {script}
COMP_WORDS=({words}) COMP_CWORD={last}
"$(complete -p puretls | sed 's/.*-F \\([^ ]*\\) .*/\\1/')" puretls "{word}" "{before}"
printf '%s\\n' "${{COMPREPLY[@]}}"
"""

pytest.importorskip("shtab")


@pytest.fixture(scope="module")
def script(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The script for bash."""
    done = puretls("completion", "bash")
    assert (done.status, done.err) == (0, "")
    path = tmp_path_factory.mktemp("completion") / "puretls.bash"
    path.write_text(done.out)
    return path


def bash(script: Path, *words: str) -> set[str]:
    """What bash would offer for the last word."""
    quoted = " ".join(f"'{word}'" for word in words)
    program = ASK.format(script=script, words=quoted, last=len(words) - 1, word=words[-1], before=words[-2])
    done = subprocess.run(
        ["bash", "-c", program], capture_output=True, text=True, check=True, timeout=60, cwd=script.parent
    )
    assert done.stderr == ""
    return set(done.stdout.split())


def test_commands_options_values_and_files(script: Path) -> None:
    assert bash(script, "puretls", "") >= COMMANDS.keys()
    assert bash(script, "puretls", "con") == {"connect"}
    assert bash(script, "puretls", "connect", "--st") == {"--starttls"}
    assert bash(script, "puretls", "connect", "--starttls", "p") == {"pop3", "postgres"}
    assert bash(script, "puretls", "connect", "--ca-file", "pure") == {"puretls.bash"}
    assert bash(script, "puretls", "ca", "") >= {"init", "issue", "show", "trust", "untrust"}
    assert bash(script, "puretls", "ca", "issue", "--cl") == {"--client"}


@pytest.mark.skipif(not shutil.which("fish"), reason="fish is not installed")
def test_fish(tmp_path: Path) -> None:
    path = tmp_path / "puretls.fish"
    path.write_text(puretls("completion", "fish").out)
    ask = f"source {path}; complete -C 'puretls connect --starttls p'; complete -C 'puretls con'"
    done = subprocess.run(["fish", "-c", ask], capture_output=True, text=True, check=True, timeout=60)
    assert {line.split("\t")[0] for line in done.stdout.splitlines()} == {"pop3", "postgres", "connect"}


@pytest.mark.skipif(not shutil.which("zsh"), reason="zsh is not installed")
def test_zsh_reads_it(tmp_path: Path) -> None:
    path = tmp_path / "_puretls"
    path.write_text(puretls("completion", "zsh").out)
    done = subprocess.run(["zsh", "-n", path], capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")


def test_without_shtab_it_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "shtab", None)
    done = called(capsys, "completion", "bash")
    assert (done.status, done.out, done.err) == (1, "", "puretls completion: needs shtab: pip install 'puretls[cli]'\n")
