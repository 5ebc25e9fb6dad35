"""A PostgreSQL cluster with TLS for asyncpg_.py and pg8000_.py, in a folder that goes away."""

import contextlib
import os
import pwd
import shutil
import subprocess
import tempfile
from pathlib import Path

import kit


def _program(name):
    found = shutil.which(name)
    if not found:
        found = max(map(str, Path("/usr/lib/postgresql").glob(f"*/bin/{name}")))
    return found


@contextlib.contextmanager
def cluster():
    """The port; user and database are "tester", password "secret", connections without TLS are refused."""
    user = "postgres" if os.geteuid() == 0 else None  # it does not run as root
    with tempfile.TemporaryDirectory(prefix="postgresql-") as folder:
        data, port = Path(folder, "data"), kit.free_port()
        for source, target in ((kit.chain(), "server.crt"), (kit.key(), "server.key")):
            shutil.copy(source, Path(folder, target))
            Path(folder, target).chmod(0o600)
        Path(folder, "password").write_text("secret")
        if user:
            for path in (folder, *Path(folder).iterdir()):
                os.chown(path, pwd.getpwnam(user).pw_uid, -1)
        subprocess.run(
            [_program("initdb"), "-D", data, "-U", "tester", "--auth=scram-sha-256", "--no-sync",
             "--pwfile", Path(folder, "password")],
            check=True, user=user, capture_output=True, cwd=folder,
        )  # fmt: skip
        (data / "pg_hba.conf").write_text("hostssl all all 127.0.0.1/32 scram-sha-256\n")
        settings = {
            "ssl": "on", "ssl_cert_file": f"{folder}/server.crt", "ssl_key_file": f"{folder}/server.key",
            "port": port, "listen_addresses": "127.0.0.1", "unix_socket_directories": folder, "fsync": "off",
        }  # fmt: skip
        options = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        with kit.daemon(_program("postgres"), "-D", data, *options, port=port, user=user, cwd=folder):
            kit.time.sleep(0.3)  # it listens before it is ready
            yield port
