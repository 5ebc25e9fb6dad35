"""pg8000: SCRAM with channel binding, which needs the server's certificate from our socket."""

import kit

import pg8000.dbapi
import pg8000.exceptions
import postgresql

with postgresql.cluster() as port:
    where = {"host": "localhost", "port": port, "user": "tester", "password": "secret", "database": "postgres"}
    with pg8000.dbapi.connect(**where, ssl_context=kit.client(), timeout=kit.PATIENCE) as connection:
        cursor = connection.cursor()
        cursor.execute("select version from pg_stat_ssl where pid = pg_backend_pid()")
        assert cursor.fetchone()[0] == "TLSv1.3"
        cursor.execute("select %s::bytea", (kit.BIG,))
        assert bytes(cursor.fetchone()[0]) == kit.BIG
    with pg8000.dbapi.connect(**where, ssl_context=kit.client(), timeout=kit.SHORT) as connection:
        with kit.raises((TimeoutError, pg8000.exceptions.InterfaceError), "timed out", "network error"):
            connection.cursor().execute("select pg_sleep(5)")
    with kit.raises(Exception, *kit.UNTRUSTED):
        pg8000.dbapi.connect(**where, ssl_context=kit.client(trusts=False))
kit.done("client")
