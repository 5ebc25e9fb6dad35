"""paho-mqtt against mosquitto: it selects on a non-blocking socket and asks `pending()`."""

import kit

import queue
import tempfile
from pathlib import Path

import paho.mqtt.client as mqtt

with tempfile.TemporaryDirectory() as folder:
    port = kit.free_port()
    Path(folder, "conf").write_text(
        f"listener {port} 127.0.0.1\nallow_anonymous true\npersistence false\nuser root\n"
        f"cafile {kit.CA}\ncertfile {kit.chain()}\nkeyfile {kit.key()}\nrequire_certificate true\n"
    )
    with kit.daemon("mosquitto", "-c", Path(folder, "conf"), port=port):
        got, events = queue.Queue(), queue.Queue()

        def connected(trusts=True):
            client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2)
            if kit.INJECTED:
                client.tls_set(kit.CA if trusts else kit.OTHER_CA, kit.chain("client"), kit.key("client"))
            else:
                context = kit.client(trusts=trusts)
                context.load_cert_chain(kit.chain("client"), kit.key("client"))
                client.tls_set_context(context)
            client.on_connect = lambda *_: events.put("connected")
            client.on_disconnect = lambda *_: events.put("disconnected")
            client.on_subscribe = lambda *_: events.put("subscribed")
            client.on_message = lambda _client, _data, message: got.put(message.payload)
            client.connect("localhost", port)
            client.loop_start()
            assert events.get(timeout=kit.PATIENCE) == "connected"
            return client

        client = connected()
        client.subscribe("topic/#", qos=1)
        assert events.get(timeout=kit.PATIENCE) == "subscribed"
        for size in (1, 100, 16384, 100_000):
            client.publish("topic/big", b"x" * size, qos=1).wait_for_publish(kit.PATIENCE)
            assert got.get(timeout=kit.PATIENCE) == b"x" * size
        for number in range(200):
            client.publish("topic/small", b"%d" % number, qos=1)
        assert [got.get(timeout=kit.PATIENCE) for _ in range(200)] == [b"%d" % number for number in range(200)]
        client.disconnect()
        assert events.get(timeout=kit.PATIENCE) == "disconnected"
        client.loop_stop()
        with kit.raises(kit.tls.SSLCertVerificationError, *kit.UNTRUSTED):
            connected(trusts=False)
kit.done("client")
