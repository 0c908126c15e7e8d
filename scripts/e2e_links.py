"""Links: two nodes that cannot reach each other, and certificates that change under way."""

import re
import socket
import threading

from demo import CHAIN, wait_until
from e2e_world import NODES, require

# The pair; the first one dials.
DIALS, LISTENS = "node-1", "node-2"


class Forwarder:
    """A way to a node that is there or not, as a firewall makes it."""

    def __init__(self, target):
        self.target = target
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.address = free.getsockname()
        self.listener, self.pipes = None, []

    def open(self):
        self.listener = socket.create_server(self.address)
        threading.Thread(target=self.accept, args=(self.listener,), daemon=True).start()

    def close(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        for pipe in self.pipes:
            pipe.close()

    def accept(self, listener):
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            server = socket.create_connection(self.target)
            self.pipes += [client, server]
            for source, sink in ((client, server), (server, client)):
                threading.Thread(target=copy, args=(source, sink), daemon=True).start()


def copy(source, sink):
    try:
        while data := source.recv(65536):
            sink.sendall(data)
    except OSError:
        pass
    finally:
        for end in (source, sink):
            end.close()


def way_to_peer(world):
    """Where the first node looks for the second, and its file."""
    path = world.folder / DIALS / "participant.toml"
    text = path.read_text(encoding="utf-8")
    found = re.search(rf'^{LISTENS} = "([^"]+):(\d+)"$', text, re.MULTILINE)
    require(found, text)
    return path, text, found


def link(world):
    shown = world.quorate.json("node", "show", DIALS)
    return next(link for link in shown["links"] if link["peer"] == LISTENS)


def is_linked(world, via):
    found = link(world)
    return found["state"] == "up" and found.get("via") == via


def a_pair_that_cannot_reach_each_other_is_relayed_and_comes_back(world):
    world.only_alive(NODES)
    path, text, found = way_to_peer(world)
    forwarder = Forwarder((found[1], int(found[2])))
    blocked = f'{LISTENS} = "{forwarder.address[0]}:{forwarder.address[1]}"'
    path.write_text(text.replace(found[0], blocked), encoding="utf-8")
    try:
        world.quorate.dev("stop-node", DIALS)
        world.quorate.dev("start-node", DIALS)
        wait_until(lambda: is_linked(world, "relay"), "the pair is not relayed")
        require(link(world)["fault"] == "connection_refused", link(world))
        listed = world.quorate.run("node", "list").stdout
        require("3 direct, 1 relay" in listed, listed)
        doctor = world.quorate.run("doctor").stdout
        require("relayed by the coordinator (connection_refused)" in doctor, doctor)
        # Key generation with its large messages, and signatures, over the relayed pair.
        members = ["--node", DIALS, "--node", LISTENS, "--threshold", 2]
        key = world.quorate.json("key", "create", "--chain", CHAIN, *members)
        require(set(world.sign(key)["signers"]) == {DIALS, LISTENS}, "others signed")

        forwarder.open()
        wait_until(lambda: is_linked(world, "direct"), "the pair does not come back")
        world.sign(key)
        forwarder.close()
        wait_until(lambda: is_linked(world, "relay"), "the pair is not relayed again")
        world.sign(key)
    finally:
        path.write_text(text, encoding="utf-8")
        world.quorate.dev("stop-node", DIALS)
        world.quorate.dev("start-node", DIALS)
    world.only_alive(NODES)
    wait_until(lambda: is_linked(world, "direct"), "the pair is not linked directly")


CASES = [a_pair_that_cannot_reach_each_other_is_relayed_and_comes_back]
