"""Links: two nodes that cannot reach each other, and certificates that change under way."""

import json
import os
import re
import shutil
import signal
import socket
import ssl
import tempfile
import threading
from pathlib import Path

from demo import CHAIN, wait_until
from e2e_faults import pid_of
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


def doctor_of(world, process, expect):
    """What `doctor --process` finds on the machine of one process."""
    found = world.quorate.json("doctor", "--process", process, expect=expect)
    return {line["check"]: line for line in found["checks"]}


def the_links_of_a_process_are_tried_without_disturbing_it(world):
    world.only_alive(NODES)
    since = {link["peer"]: link["state"] for link in links_of(world, DIALS)}
    found = doctor_of(world, world.folder / "coordinator" / "coordinator.toml", expect=0)
    reached = "reached, and it is who it must be"
    tried = [line for check, line in found.items() if check.startswith("node-")]
    require(len(tried) == len(NODES), found)
    require(all(line["found"] == reached for line in tried), found)
    for node in NODES:
        found = doctor_of(world, world.folder / node / "participant.toml", expect=0)
        require(found["Noise key"]["state"] == "ok", found)
        peers = {peer: at(found, peer)["found"] for peer in NODES if peer != node}
        for peer, said in peers.items():
            require((said == reached) == (node < peer), f"{node} to {peer}: {said}")
    require({link["peer"]: link["state"] for link in links_of(world, DIALS)} == since, "disturbed")

    path, text, found = way_to_peer(world)
    # Where another node listens, and where nobody does.
    third = re.search(r'^node-3 = "([^"]+)"$', text, re.MULTILINE)[1]
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        nobody = f"127.0.0.1:{free.getsockname()[1]}"
    for address, fault in ((third, "noise_closed"), (nobody, "connection_refused")):
        other = path.with_name("other.toml")
        other.write_text(text.replace(found[0], f'{LISTENS} = "{address}"'), encoding="utf-8")
        line = at(doctor_of(world, other, expect=1), LISTENS)
        require(fault in line["found"] and line["remedy"], line)
    other.write_text(text.replace('"noise.key"', '"../node-3/noise.key"'), encoding="utf-8")
    line = doctor_of(world, other, expect=1)["Noise key"]
    require("wrong_noise_key" in line["found"], line)
    other.unlink()


def at(found, peer):
    return next(line for check, line in found.items() if check.startswith(f"{peer} at "))


def links_of(world, node):
    return world.quorate.json("node", "show", node)["links"]


def certificate_of(world, node):
    """The certificate that a node's gRPC port shows to the coordinator."""
    text = (world.folder / node / "participant.toml").read_text(encoding="utf-8")
    host, port = re.search(r'^grpc = "([^"]+):(\d+)"$', text, re.MULTILINE).groups()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    # It is only looked at: whose it is is compared byte by byte.
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    own = world.folder / "coordinator"
    context.load_cert_chain(own / "tls.crt", own / "tls.key")
    with socket.create_connection((host, int(port)), timeout=10) as plain:
        with context.wrap_socket(plain) as connection:
            return connection.getpeercert(binary_form=True)


def der_of(path):
    return ssl.PEM_cert_to_DER_cert(path.read_text(encoding="ascii"))


def failed_reloads(world, node):
    log = (world.folder / node / "log.jsonl").read_text(encoding="utf-8")
    return log.count("changed TLS files cannot be used")


def a_certificate_is_replaced_while_its_process_runs(world):
    """By `node enroll`, and taken at SIGHUP; what cannot be used is not taken."""
    world.only_alive(NODES)
    folder, pid = world.folder / LISTENS, pid_of(world, LISTENS)
    trusted = world.folder / "ca.crt"
    kept = {path: path.read_bytes() for path in (folder / "tls.crt", folder / "tls.key", trusted)}
    away = Path(tempfile.mkdtemp(prefix="quorate-e2e-enroll-"))
    try:
        new = enroll(world, away)
        # Every process trusts both authorities before the first certificate of the new one comes.
        trusted.write_bytes(kept[trusted] + (away / "ca" / "ca.crt").read_bytes())
        for name in (*NODES, "coordinator"):
            os.kill(pid_of(world, name), signal.SIGHUP)
        for name in ("tls.key", "tls.crt"):
            shutil.copyfile(new / name, folder / name)
        os.kill(pid, signal.SIGHUP)
        fresh = der_of(new / "tls.crt")
        wait_until(lambda: certificate_of(world, LISTENS) == fresh, "the old one is still shown")
        world.sign(world.key_on(DIALS, LISTENS))

        (folder / "tls.crt").write_text("broken", encoding="ascii")
        wait_until(lambda: failed_reloads(world, LISTENS) > 0, "nobody says that it is broken")
        wait_until_settled(world)
        before = failed_reloads(world, LISTENS)
        # Nothing has changed since, so it is the signal alone that makes it look again.
        os.kill(pid, signal.SIGHUP)
        wait_until(lambda: failed_reloads(world, LISTENS) > before, "the signal does nothing")
        require(certificate_of(world, LISTENS) == fresh, "a broken file was taken")
        world.sign(world.key_on(DIALS, LISTENS))
    finally:
        for path in (folder / "tls.key", folder / "tls.crt", trusted):
            path.write_bytes(kept[path])
        shutil.rmtree(away, ignore_errors=True)
    os.kill(pid, signal.SIGHUP)
    old = der_of(folder / "tls.crt")
    wait_until(lambda: certificate_of(world, LISTENS) == old, "the first one does not come back")
    require(pid_of(world, LISTENS) == pid, "it was started again")
    world.only_alive(NODES)


def wait_until_settled(world):
    """Until a whole interval has passed in which the broken file was not looked at again."""
    counts = []

    def is_settled():
        counts.append(failed_reloads(world, LISTENS))
        # The process looks every two seconds; here it is every fiftieth of one.
        return len(counts) > 150 and len(set(counts[-150:])) == 1

    wait_until(is_settled, "the broken file is looked at again and again")


def enroll(world, away):
    """A key and a certificate for the listening node, from an authority of its own."""
    enroll = ("node", "enroll")
    world.quorate.run(*enroll, "authority", "--dir", away / "ca")
    new, approval = away / "machine", away / "approval"
    asked = world.quorate.json(*enroll, "request", "--dir", new, "--node", LISTENS)
    approve = ["--request", new / "request.json", "--authority", away / "ca", "--out", approval]
    approved = world.quorate.json(
        *enroll, "approve", *approve, "--fingerprint", asked["fingerprint"]
    )
    install = [*enroll, "install", "--dir", new, "--approval", approval]
    refused = world.quorate.json(*install, expect=2)
    require("--authority-fingerprint" in json.dumps(refused), refused)
    require(not (new / "tls.crt").exists(), "it was installed all the same")
    told = approved["authority_fingerprint"]
    world.quorate.json(*install, "--authority-fingerprint", told)
    return new


CASES = [
    a_pair_that_cannot_reach_each_other_is_relayed_and_comes_back,
    the_links_of_a_process_are_tried_without_disturbing_it,
    a_certificate_is_replaced_while_its_process_runs,
]
