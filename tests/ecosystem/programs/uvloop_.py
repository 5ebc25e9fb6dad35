"""uvloop: the same as asyncio_.py, and uvloop looks the class of contexts up in C."""

import kit

import asyncio

import asyncio_
import uvloop

runner = asyncio.Runner(loop_factory=uvloop.new_event_loop) if hasattr(asyncio, "Runner") else None
if runner:
    with runner:
        runner.run(asyncio.wait_for(asyncio_.main(), 3 * kit.PATIENCE))
        assert type(runner.get_loop()).__module__.startswith("uvloop")
else:
    uvloop.install()
    kit.within_patience(asyncio_.main())
kit.done("client", "server")
