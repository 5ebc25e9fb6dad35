"""pip, as `puretls run -m pip`: an index over HTTPS, trusted by --cert, or not."""

import kit

import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

NAME = "tiny-1.0-py3-none-any.whl"
INDEX = f'<!DOCTYPE html><a href="/{NAME}">{NAME}</a>'.encode()

with tempfile.TemporaryDirectory() as folder:
    wheel = Path(folder, NAME)
    with zipfile.ZipFile(wheel, "w") as packed:
        packed.writestr("tiny.py", "")
        packed.writestr("tiny-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: tiny\nVersion: 1.0\n")
        packed.writestr("tiny-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        packed.writestr("tiny-1.0.dist-info/RECORD", "")

    def do_GET(self):
        self.send_response(200)
        body = wheel.read_bytes() if self.path.endswith(".whl") else INDEX
        self.send_header("Content-Type", "application/zip" if self.path.endswith(".whl") else "text/html")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    kit.Handler.do_GET = do_GET
    run = ["-m", "puretls", "run"] if kit.MODE == "injected" else []
    kept = {name: value for name, value in kit.os.environ.items() if not name.startswith(("PIP_", "SSL_"))}
    for module in (None, kit.puretls):  # an index on the interpreter's ssl as well as on ours
        with kit.site(kit.server(module or kit.other)) as port:
            for trust, good in ((["--cert", kit.CA], True), (["--cert", kit.OTHER_CA], False)):
                target = tempfile.mkdtemp(dir=folder)
                command = [
                    *run,
                    "-m",
                    "pip",
                    "download",
                    "--isolated",
                    "--no-cache-dir",
                    "--no-deps",
                    "-q",
                    "-d",
                    target,
                ]
                where = ["--retries", "0", "-i", f"https://localhost:{port}/simple", *trust, "tiny"]
                done = subprocess.run(
                    [sys.executable, *command, *where], capture_output=True, text=True, env=kept, check=False
                )
                assert (done.returncode == 0) == good, done.stderr
                assert (Path(target, NAME).exists()) == good
kit.done("server")
