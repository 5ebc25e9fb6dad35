"""PyMySQL against MariaDB: TLS in the middle of the handshake of its own protocol."""

import kit

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import pymysql


def options(folder, port):
    user = ["--user=mysql"] if os.geteuid() == 0 else []
    return [
        "--no-defaults", *user, f"--datadir={folder}/data", f"--port={port}", "--bind-address=127.0.0.1",
        f"--socket={folder}/s", f"--pid-file={folder}/pid", f"--ssl-cert={folder}/chain.pem",
        f"--ssl-key={folder}/key.pem", f"--ssl-ca={folder}/ca.pem", "--require-secure-transport=on",
        "--innodb-flush-log-at-trx-commit=0", "--innodb-buffer-pool-size=16M", f"--init-file={folder}/init.sql",
        "--max-allowed-packet=16M",
    ]  # fmt: skip


with tempfile.TemporaryDirectory(prefix="mariadb-") as folder:
    port = kit.free_port()
    for source, target in ((kit.chain("RSA"), "chain.pem"), (kit.key("RSA"), "key.pem"), (kit.CA, "ca.pem")):
        shutil.copy(source, Path(folder, target))
    Path(folder, "init.sql").write_text(
        "create database if not exists test;\n"
        "create or replace user tester@localhost identified by 'secret';\n"
        "grant all on test.* to tester@localhost;\n"
    )
    install = [
        "mariadb-install-db",
        "--no-defaults",
        f"--datadir={folder}/data",
        "--auth-root-authentication-method=normal",
    ]
    if os.geteuid() == 0:
        install.append("--user=mysql")
        subprocess.run(["chown", "-R", "mysql", folder], check=True)
    subprocess.run(install, check=True, capture_output=True)
    with kit.daemon(shutil.which("mariadbd") or "/usr/sbin/mariadbd", *options(folder, port), port=port):
        where = {"host": "localhost", "port": port, "user": "tester", "password": "secret", "database": "test"}
        how = {"ssl": {"ca": kit.CA, "check_hostname": True}} if kit.INJECTED else {"ssl": kit.client()}
        with pymysql.connect(**where, **how, read_timeout=kit.PATIENCE) as connection:
            with connection.cursor() as cursor:
                cursor.execute("show session status like 'Ssl_version'")
                assert cursor.fetchone()[1] == "TLSv1.3"
                cursor.execute("select %s", (kit.BIG,))
                assert cursor.fetchone()[0] in (kit.BIG, kit.BIG.decode("latin-1"))
        with pymysql.connect(**where, **how, read_timeout=1) as connection, connection.cursor() as cursor:
            with kit.raises(pymysql.OperationalError, "timed out"):
                cursor.execute("select sleep(10)")
        with kit.raises(pymysql.OperationalError, *kit.UNTRUSTED):
            pymysql.connect(**where, ssl=kit.client(trusts=False))
kit.done("client")
