"""Mistakes in programs that use TLS: a type checker has to report each line that is marked.  It is never run."""

from __future__ import annotations

import socket

import puretls as ssl


def contexts(context: ssl.SSLContext) -> None:
    ssl.SSLContext("TLS")  # mistake
    context.verify_mode = "CERT_NONE"  # mistake
    context.verify_mode = 0  # mistake
    context.minimum_version = "TLSv1.2"  # mistake
    context.maximum_version = 771  # mistake
    context.options = "OP_ALL"  # mistake
    context.verify_flags |= "strict"  # mistake
    context.check_hostname = "yes"  # mistake
    context.keylog_filename = 5  # mistake
    context.post_handshake_auth = "on"  # mistake
    context.sni_callback = lambda name: None  # mistake
    context.sni_callback = 1  # mistake
    context.num_tickets = "two"  # mistake
    context.protocol = ssl.PROTOCOL_TLS_CLIENT  # mistake
    context.sslsocket_class = str  # mistake
    context.load_cert_chain(5)  # mistake
    context.load_cert_chain("cert.pem", password=5)  # mistake
    context.load_cert_chain("cert.pem", "key.pem", password=lambda: 5)  # mistake
    context.load_cert_chain()  # mistake
    context.load_verify_locations(cafile=5)  # mistake
    context.load_verify_locations(capath=["certs"])  # mistake
    context.load_verify_locations(cadata=5)  # mistake
    context.load_default_certs("serverAuth")  # mistake
    context.load_dh_params(5)  # mistake
    context.set_ciphers(["AES256"])  # mistake
    context.set_ciphers(b"AES256")  # mistake
    context.set_alpn_protocols([b"h2"])  # mistake
    context.set_alpn_protocols(5)  # mistake
    context.set_ecdh_curve(23)  # mistake
    context.set_servername_callback(5)  # mistake
    context.set_psk_client_callback(lambda: ("me", b"key"))  # mistake
    context.set_psk_client_callback(lambda hint: b"key")  # mistake
    context.set_psk_server_callback(lambda identity: "key")  # mistake
    context.set_psk_server_callback(None, 5)  # mistake
    context.get_ciphers()[0]["nmae"]  # mistake
    context.get_ca_certs(binary_form=True)[0]["subject"]  # mistake
    context.cert_store_stats()["x509"].upper()  # mistake
    context.session_stats().hits  # mistake
    context.set_cipher("AES256")  # mistake
    ssl.create_default_context("cafile.pem")  # mistake
    ssl.create_default_context(cafile=5)  # mistake
    ssl.create_default_context(ssl.Purpose.SERVER)  # mistake


def sockets(context: ssl.SSLContext, sock: socket.socket, session: ssl.SSLSession) -> None:
    context.wrap_socket(5)  # mistake
    context.wrap_socket(sock, hostname="localhost")  # mistake
    context.wrap_socket(sock, server_hostname=5)  # mistake
    context.wrap_socket(sock, session="session")  # mistake
    context.wrap_socket(sock, session=b"session")  # mistake
    context.wrap_socket(sock, server_side="yes")  # mistake
    tls = context.wrap_socket(sock)
    tls.sendall("text")  # mistake
    tls.send("text")  # mistake
    tls.write("text")  # mistake
    tls.recv("1024")  # mistake
    tls.recv_into("buffer")  # mistake
    tls.recv(1024).encode()  # mistake
    tls.getpeercert()["subject"]  # mistake
    tls.getpeercert(True)["subject"]  # mistake
    tls.getpeercert("DER")  # mistake
    tls.cipher()[0]  # mistake
    tls.cipher().upper()  # mistake
    tls.version().upper()  # mistake
    tls.selected_alpn_protocol().encode()  # mistake
    tls.session.has_ticket  # mistake
    tls.shared_ciphers()[0]  # mistake
    tls.get_channel_binding(5)  # mistake
    tls.get_channel_binding().hex()  # mistake
    tls.accept().recv(5)  # mistake
    tls.unwrap().cipher()  # mistake
    tls.shutdown("both")  # mistake
    tls.do_handshake(timeout=5)  # mistake
    tls.context = None  # mistake
    tls.session = b"session"  # mistake
    tls.get_unverified_chain()[0].public_bytes()  # mistake
    tls.pending() + "bytes"  # mistake
    tls.connect()  # mistake
    session.time.isoformat()  # mistake
    session.id.encode()  # mistake


def objects(context: ssl.SSLContext, certificate: dict[str, str]) -> None:
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    context.wrap_bio(incoming)  # mistake
    context.wrap_bio(incoming, b"")  # mistake
    context.wrap_bio(incoming, outgoing, session=5)  # mistake
    tls = context.wrap_bio(incoming, outgoing, server_hostname="localhost")
    incoming.write("text")  # mistake
    incoming.read("5")  # mistake
    incoming.pending()  # mistake
    incoming.eof = True  # mistake
    tls.read("5")  # mistake
    tls.read(5).encode()  # mistake
    tls.write("text")  # mistake
    tls.getpeercert()["subject"]  # mistake
    tls.unwrap().read()  # mistake
    tls.sendall(b"")  # mistake
    tls.server_hostname = "other"  # mistake


def functions() -> None:
    ssl.DER_cert_to_PEM_cert("text")  # mistake
    ssl.PEM_cert_to_DER_cert(b"bytes")  # mistake
    ssl.cert_time_to_seconds(5)  # mistake
    ssl.get_server_certificate("localhost")  # mistake
    ssl.get_server_certificate(("localhost", "443"))  # mistake
    ssl.RAND_bytes("5")  # mistake
    ssl.RAND_add(5, 1.0)  # mistake
    ssl.get_default_verify_paths().file  # mistake
    ssl.match_host("a", "b")  # mistake
    ssl.TLSVersion.TLSv1_4  # mistake
    ssl.OP_NO_TLS  # mistake
    ssl.Purpose.SERVER  # mistake
    try:
        pass
    except ssl.SSLCertVerificationError as error:
        error.verify_code.upper()  # mistake
        error.code  # mistake
