#!/usr/bin/env python3
"""Delays what participants say to each other: one TCP proxy for each pair and direction of dialling.

    delay_proxy.py CLUSTER_FOLDER ONE_WAY_MS

Rewrites `[peers]` of every participant.toml of a stopped `quorate dev` cluster, so that each dials
the others through this process, and carries their bytes, each way ONE_WAY_MS later, until it is
killed. For benchmarks: kernels of test machines often have no netem. Says "ready" when it listens.
"""

import asyncio
import pathlib
import re
import sys

PEER = re.compile(r'^(node-\d+) = "127\.0\.0\.1:(\d+)"$', re.MULTILINE)


async def carry(reader, writer, delay):
    """Bytes leave in order, each `delay` seconds after it came; reading never waits for that."""
    loop = asyncio.get_running_loop()
    queue = asyncio.Queue()

    async def leave():
        while True:
            due, data = await queue.get()
            await asyncio.sleep(max(0.0, due - loop.time()))
            if not data:
                writer.close()
                return
            writer.write(data)
            await writer.drain()

    leaving = asyncio.create_task(leave())
    try:
        while data := await reader.read(1 << 16):
            queue.put_nowait((loop.time() + delay, data))
    except ConnectionError:
        pass
    queue.put_nowait((loop.time() + delay, b""))
    try:
        await leaving
    except ConnectionError:
        writer.close()


async def listen(target, delay):
    """A port of its own in front of `target`."""

    async def connected(reader, writer):
        try:
            other_reader, other_writer = await asyncio.open_connection("127.0.0.1", target)
        except OSError:
            writer.close()
            return
        await asyncio.gather(
            carry(reader, other_writer, delay), carry(other_reader, writer, delay)
        )

    server = await asyncio.start_server(connected, "127.0.0.1", 0)
    return server, server.sockets[0].getsockname()[1]


async def main(folder, delay_ms):
    servers = []
    for config in sorted(pathlib.Path(folder).glob("node-*/participant.toml")):
        text = config.read_text()
        head, mark, peers = text.partition("[peers]")
        for name, port in PEER.findall(peers):
            server, own = await listen(int(port), delay_ms / 1000)
            servers.append(server)
            peers = peers.replace(f'{name} = "127.0.0.1:{port}"', f'{name} = "127.0.0.1:{own}"')
        config.write_text(head + mark + peers)
    print("ready", flush=True)
    await asyncio.gather(*(server.serve_forever() for server in servers))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], float(sys.argv[2])))
