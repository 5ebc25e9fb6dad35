"""CPython's own tests of `ssl`, of asyncio's TLS and of the standard library's clients, with puretls in place of `ssl`.

They are those that the running interpreter has installed; where it has none, this is skipped.  Every test that passes
with the interpreter's own `ssl` has to pass with puretls, and none may be skipped that `ssl` does not skip.  The few
that say nothing about a replacement are named in NOT_COUNTED with the reason.  `make cpython` runs this file.
"""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

WORKER = Path(__file__).with_name("worker.py")

# The tests that use ssl, found by looking for its name in the installed tests: a module, and patterns of Class.method
SUITES: dict[str, tuple[str, ...]] = {
    "test.test_ssl": ("*",),
    "test.test_asyncio.test_ssl": ("*",),
    "test.test_asyncio.test_sslproto": ("*",),
    "test.test_asyncio.test_streams": ("*.test_*ssl*", "*.test_start_tls*"),
    "test.test_asyncio.test_events": ("*.test_*ssl*",),
    "test.test_asyncio.test_sendfile": ("*.test_*ssl*",),
    "test.test_httplib": ("HTTPSTest.*", "SourceAddressTest.testHTTPSConnectionSourceAddress"),
    "test.test_urllib2_localnet": ("TestUrlopen.test_https*",),
    "test.test_urllib": (
        "urlopen_HttpTests.test_url_path_with_*",
        "urlopen_HttpTests.test_url_host_with_*",
        "urlopen_HttpTests.test_cafile_and_context",
    ),
    "test.test_ftplib": ("TestTLS_FTPClass.*", "TestTLS_FTPClassMixin.*"),
    "test.test_imaplib": (
        "NewIMAPSSLTests.*",
        "ThreadedNetworkedTestsSSL.*",
        "RemoteIMAP_SSLTest.*",
        "RemoteIMAP_STARTTLSTest.*",
    ),
    "test.test_poplib": ("TestPOP3Class.test_stls*", "TestPOP3_SSLClass.*", "TestPOP3_TLSClass.*"),
    "test.test_smtpnet": ("*",),
    "test.test_nntplib": ("NetworkedNNTP_SSLTests.*", "LocalServerTests.*"),
    "test.test_xmlrpc": ("XMLRPCTestCase.test_ssl_presence",),
    "test.test_logging": ("HTTPHandlerTest.*",),
}

# What says nothing about a replacement: the test, the first version of Python where it counts all the same, the reason
NEVER = (99,)
NOT_COUNTED = {
    "BasicSocketTests.test_ssl_types": (NEVER, "the types of the C module are immutable and cannot be made"),
    "BasicSocketTests.test_match_hostname": ((3, 12), "match_hostname() went with Python 3.12"),
    "BasicSocketTests.test_errors_sslwrap": ((3, 12), "wrap_socket() went with Python 3.12"),
    "BasicSocketTests.test_random": ((3, 12), "RAND_pseudo_bytes() went with Python 3.12"),
    "SslProtoHandshakeTests.test_close_during_handshake": (
        (3, 13),
        "it looks which of two methods that abort the plain transport is called; that of 3.13 is the one that we call",
    ),
    "ThreadedTests.test_socketserver": ((3, 13), "its CA is not strict, which the default contexts are since 3.13"),
}


def run(module: str, tests: str, patterns: tuple[str, ...]) -> dict[str, tuple[str, str]]:
    """The outcome and its reason for each test."""
    hidden = ("SSL_CERT_FILE", "SSL_CERT_DIR", "SSLKEYLOGFILE", "PYTHONWARNINGS", "PYTHONASYNCIODEBUG", "PYTHONPATH")
    environment = {name: value for name, value in os.environ.items() if name not in hidden}
    environment["TZ"] = "CET-1CEST"  # one test wants it not to be UTC
    environment["PYTHONPATH"] = str(Path(__file__).parents[2] / "src")
    done = subprocess.run(
        [sys.executable, WORKER, module, tests, *patterns],
        capture_output=True, text=True, errors="replace", env=environment, check=False,
    )  # fmt: skip
    found = {}
    for line in done.stdout.splitlines():
        name, outcome, why = json.loads(line)
        found[name] = outcome, why
    if done.returncode:
        found["(the process)"] = "failed", f"exit status {done.returncode}\n{done.stderr[-4000:]}"
    return found


@pytest.mark.timeout(1200)
@pytest.mark.skipif(
    sys.version_info < (3, 11)
    or importlib.util.find_spec("test") is None
    or not importlib.util.find_spec("test.test_ssl"),
    reason="this interpreter has none of CPython's tests of Python 3.11 or newer",
)
@pytest.mark.parametrize(
    ("module", "tests"),
    [("puretls", tests) for tests in SUITES] + [("puretls.asyncio", tests) for tests in SUITES if "asyncio" in tests],
)
def test_cpython(module: str, tests: str) -> None:
    expected = run("ssl", tests, SUITES[tests])
    if "absent" in (outcome for outcome, _ in expected.values()):
        pytest.skip(expected[""][1])
    found = run(module, tests, SUITES[tests])
    worse = []
    for name in [*expected, *(found.keys() - expected.keys())]:
        outcome, why = found.get(name, ("missing", "it began and did not end, or there is no such test"))
        counts_since, _ = NOT_COUNTED.get(name, ((0,), ""))
        with_ssl, _ = expected.get(name, ("passed", ""))
        if outcome == "passed" or with_ssl != "passed" or sys.version_info < counts_since:
            continue
        worse.append(f"{name}: {outcome}\n{why}")
    passed = sum(outcome == "passed" for outcome, _ in found.values())
    print(f"{tests} on {module}: {passed} of {len(found)} passed")
    assert not worse, "\n".join(worse)
