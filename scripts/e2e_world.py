"""What the end-to-end tests share: one cluster of real processes, its keys, and its signatures."""

import hashlib
import hmac
import json
import re
import secrets
import time
import urllib.request

from demo import CHAIN, CHAIN_ID, DemoFailed, Quorate, wait_until

RECIPIENT = "0x000000000000000000000000000000000000dEaD"
NODES = [f"node-{n}" for n in range(1, 6)]


class World:
    """One cluster of five, its keys, and every signature that it made."""

    def __init__(self, executables, folder):
        self.quorate = Quorate(folder, executables / "quorate")
        self.folder = folder
        self.nonce = 0
        self.keys, self.signatures = {}, []
        self.other_keys, self.left = {}, {}
        self.down = set()

    def key(self, threshold, nodes):
        """The key t-of-n on the first n nodes, made when it is first asked for."""
        name = (threshold, nodes)
        if name not in self.keys:
            self.only_alive(NODES)
            self.keys[name] = self.quorate.json(
                "key", "create", "--chain", CHAIN, "--threshold", threshold, "--nodes", nodes
            )
        return self.keys[name]

    def key_on(self, *nodes):
        """A key that needs all of these nodes, made when it is first asked for."""
        if nodes not in self.keys:
            members = [argument for node in nodes for argument in ("--node", node)]
            threshold = ["--threshold", len(nodes)]
            self.keys[nodes] = self.quorate.json(
                "key", "create", "--chain", CHAIN, *threshold, *members
            )
        return self.keys[nodes]

    def fresh_key(self, *arguments):
        """A new key, of any chain."""
        self.only_alive(NODES)
        return self.quorate.json("key", "create", *arguments)

    def key_for(self, *arguments):
        """The key that these arguments make, made when it is first asked for."""
        if arguments not in self.other_keys:
            self.other_keys[arguments] = self.fresh_key(*arguments)
        return self.other_keys[arguments]

    def leave(self, kind, record):
        """Something that other libraries check: a line of `KIND-e2e.jsonl`."""
        self.left.setdefault(kind, []).append(record)

    def unsigned(self):
        self.nonce += 1
        transaction = self.quorate.json(
            "tx", "ethereum", "--to", RECIPIENT, "--value", "1gwei", "--nonce", self.nonce,
            "--max-fee", "20gwei", "--chain-id", CHAIN_ID,
        )
        return transaction["unsigned_transaction"]

    def sign(self, key, *arguments, payload=None):
        payload = payload or self.unsigned()
        signed = self.quorate.json("sign", "--key", key["key_id"], "--tx", payload, *arguments)
        self.remember(key, signed)
        return signed

    def signs_again(self, key):
        """Signs once all nodes of the key can be reached again after a fault."""
        wait_until(
            lambda: self.quorate.run_any(
                "sign", "--key", key["key_id"], "--tx", self.unsigned()
            ).returncode == 0,
            f"{key['key_id']} does not sign again",
        )  # fmt: skip
        return self.sign(key)

    def sign_request(self, key):
        """A signed intent: the body of `POST /api/v1/sign`."""
        arguments = ["intent", "build", "sign", "--key", key["key_id"], "--tx", self.unsigned()]
        return self.quorate.json(*arguments)

    def remember(self, key, signed):
        """Keeps a signature for the comparison of all of them, and for other libraries."""
        self.signatures.append(
            {
                "public_key": key["public_key"],
                "digest": signed["message_hash"],
                "signature": signed["signature"],
                "recovery_id": signed["recovery_id"],
                "address": key["address"],
                "signed_transaction": signed["signed_transaction"],
            }
        )

    def refused(self, key):
        arguments = ["sign", "--key", key["key_id"], "--tx", self.unsigned()]
        return self.quorate.json(*arguments, expect=3)["error"]

    def only_alive(self, wanted, orderly=False):
        """Kills and starts nodes until exactly these are alive, and seen to be. What is stopped in
        an orderly way has its files synced: no journal writes them again at the next start."""
        before = set(self.down)
        for node in NODES:
            if node in wanted and node in self.down:
                self.quorate.dev("start-node", node)
                self.down.discard(node)
            elif node not in wanted and node not in self.down:
                self.quorate.dev("stop-node", node, *([] if orderly else ["--kill"]))
                self.down.add(node)
        # What a heartbeat of before says about links counts no more. Whole seconds sort as text.
        changed_at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        is_changed = before != self.down

        def seen():
            nodes = self.quorate.json("node", "list")["nodes"]
            nodes = [node for node in nodes if node["node_type"] == "participant"]
            # "degraded" is alive: it misses the links to those that are not. But no session can
            # be opened with a node whose stream is not open.
            errors = {node["node_id"]: node.get("last_error") or "" for node in nodes}
            reached = [
                node
                for node in nodes
                if not re.search("reached|stream is not open", errors[node["node_id"]])
            ]
            online = {node["node_id"] for node in reached if node["status"] != "offline"}
            ups = {
                node["node_id"]: {link["peer"] for link in node["links"] if link["state"] == "up"}
                for node in nodes
            }
            linked = all(set(wanted) - {node} <= ups[node] for node in wanted)
            heard = {node["node_id"]: node.get("last_heartbeat") or "" for node in nodes}
            is_fresh = not is_changed or all(heard[node] > changed_at for node in wanted)
            return online == set(wanted) and linked and is_fresh

        wait_until(seen, f"the coordinator does not see {wanted} alive")


def require(condition, complaint):
    if not condition:
        raise DemoFailed(complaint)


def settings(world):
    """The flat settings of client.toml; written so that no TOML library is needed."""
    text = (world.folder / "client.toml").read_text(encoding="utf-8")
    return dict(re.findall(r'^(\w+) *= *"([^"]*)"', text, re.MULTILINE))


def headers(world, method, path, body):
    """The headers of a call, as docs/authentication.md describes them."""
    client = settings(world)
    secret = (world.folder / client["credential_secret_file"]).read_text(encoding="ascii").strip()
    now, nonce = str(int(time.time())), secrets.token_hex(16)
    lines = "\n".join([method, path, now, nonce, hashlib.sha256(body).hexdigest()])
    mac = hmac.new(bytes.fromhex(secret), lines.encode(), hashlib.sha256).hexdigest()
    return {
        "Content-Type": "application/json",
        "X-Quorate-Key": client["credential_id"],
        "X-Quorate-Timestamp": now,
        "X-Quorate-Nonce": nonce,
        "X-Quorate-Signature": mac,
    }


def post(world, request, path="/api/v1/sign"):
    """A call by hand."""
    body = json.dumps(request).encode()
    sent = headers(world, "POST", path, body)
    request = urllib.request.Request(settings(world)["endpoint"] + path, body, sent)
    with urllib.request.urlopen(request, timeout=120) as answer:
        return json.load(answer)
