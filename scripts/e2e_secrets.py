"""What leaves the processes: nothing of a secret, and logs that say whose and what they are."""

import base64
import json
import re
import secrets
import urllib.error
import urllib.request

from demo import free_port, wait_until
from e2e_world import NODES, headers, require, settings

# Files that hold secrets, because that is what they are for.
KEY_FILES = ["identity.key", "noise.key", "master.key", "tls.key", "credential.secret",
             "initiator.key", "owner.key"]  # fmt: skip
HOLDERS = [*KEY_FILES, "credentials.json", "credential.seed"]
# RFC 8032 §7.1, TEST 2: known to everybody, so of no use outside of this test.
SEED = "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb"
PUBLIC_KEY = "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c"


def raw_secrets(world):
    """Every secret of the cluster that can be known from outside, as bytes, by file."""
    found = {"credential.seed": bytes.fromhex(SEED)}
    for path in world.folder.rglob("*"):
        if path.name not in KEY_FILES or not path.is_file():
            continue
        text = path.read_text(encoding="ascii")
        if "PRIVATE KEY" not in text:
            found[str(path)] = bytes.fromhex(text.strip())
            continue
        body = "".join(line for line in text.splitlines() if not line.startswith("-----"))
        key = base64.b64decode(body)
        found[str(path)] = key
        # The scalar or seed inside of PKCS #8: an OCTET STRING of 32 bytes.
        at = key.find(b"\x04\x20")
        require(at >= 0, f"{path}: a key of another form; this test does not see it")
        found[f"{path} (inner)"] = key[at + 2 : at + 34]
    return found


def forms(secret):
    """How a secret could be written."""
    numbers = [str(byte) for byte in secret]
    plain = base64.b64encode(secret).rstrip(b"=")
    return {
        "raw": secret,
        "hex": secret.hex().encode(),
        "HEX": secret.hex().upper().encode(),
        "base64": plain,
        "base64url": plain.replace(b"+", b"-").replace(b"/", b"_"),
        "numbers": ", ".join(numbers).encode(),
        "json numbers": ",".join(numbers).encode(),
    }


def leaks(content, known):
    """Which secrets are in these bytes, and in which form."""
    return [
        f"{name} as {form}"
        for name, secret in known.items()
        for form, text in forms(secret).items()
        if text in content
    ]


class Answers:
    """Everything that the service said."""

    def __init__(self, world):
        self.world, self.texts = world, []
        self.endpoint = settings(world)["endpoint"]

    def ask(self, path, body=None, sent=None, method=None):
        """Status and text of a call with these headers."""
        request = urllib.request.Request(self.endpoint + path, body, sent or {}, method=method)
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                status, text, back = answer.status, answer.read(), str(answer.headers)
        except urllib.error.HTTPError as error:
            status, text, back = error.code, error.read(), str(error.headers)
        self.texts.append(text + back.encode())
        return status, text.decode()

    def signed(self, path, body, **more):
        return self.ask(path, body, {**headers(self.world, "POST", path, body), **more})


def with_node_1(world, lines):
    """Starts node-1 with these lines in its configuration; gives back its file and its text."""
    world.only_alive(NODES)
    path = world.folder / "node-1" / "participant.toml"
    text = path.read_text(encoding="utf-8")
    changed = text
    for after, line in lines:
        require(after in changed, text)
        changed = changed.replace(after, f"{after}\n{line}", 1) if after else changed + line
    path.write_text(changed, encoding="utf-8")
    world.quorate.dev("stop-node", "node-1")
    world.quorate.dev("start-node", "node-1")
    world.only_alive(NODES)
    return path, text


def provoke(world, answers, key):
    """Errors of every kind, with secrets where a confused client could put them."""
    good = headers(world, "POST", "/api/v1/sign", b"{}")
    secret = (world.folder / settings(world)["credential_secret_file"]).read_text().strip()
    wrong = [
        {},
        {**good, "X-Quorate-Signature": "00" * 32},
        {**good, "X-Quorate-Signature": "00" * 64},
        {**good, "X-Quorate-Signature": secret},
        {**good, "X-Quorate-Key": secret},
        {**good, "X-Quorate-Timestamp": "1"},
        {**good, "X-Quorate-Nonce": "?"},
    ]
    for sent in wrong:
        status, text = answers.ask("/api/v1/sign", b"{}", sent)
        require(status == 401, f"{sent.keys()}: {status} {text}")
    for body in [b"", b"{", b"[]", b"{}", b'{"key_id":5}', b"\xff\xfe", b'{"intent":"00"}']:
        status, text = answers.signed("/api/v1/sign", body)
        require(status == 400, f"{body}: {status} {text}")
    request = world.sign_request(key)
    for change in [
        {"initiator_signature": "00" * 64},
        {"intent": request["intent"][:-2] + "00"},
        {"key_id": "key_" + "0" * 32},
        {"message": "02c0"},
    ]:
        status, text = answers.signed("/api/v1/sign", json.dumps({**request, **change}).encode())
        require(status >= 400, f"{change.keys()}: {status} {text}")
    require(answers.ask("/nowhere")[0] == 404, "a path that is not there")


def log_lines(world, node):
    text = (world.folder / node / "log.jsonl").read_text(encoding="utf-8")
    return [json.loads(line) for line in text.splitlines() if line]


def logs_name_request_session_key_and_node(world):
    """A node with a lower ceiling for fees refuses; its log says of whose request, and of what."""
    key = world.key_on("node-1", "node-2")
    path, text = with_node_1(world, [("", "\n[limits.fees]\nethereum_wei = 1\n")])
    request_id = "e2e-" + secrets.token_hex(8)
    try:
        body = json.dumps(world.sign_request(key)).encode()
        answers = Answers(world)
        status, said = answers.signed("/api/v1/sign", body, **{"X-Request-Id": request_id})
        require(status >= 400 and "FEE_TOO_HIGH" in said, f"{status} {said}")
        require(json.loads(said)["meta"]["request_id"] == request_id, said)
    finally:
        path.write_text(text, encoding="utf-8")
        with_node_1(world, [])

    def of_request(node):
        spans = [line.get("span", {}) for line in log_lines(world, node)]
        return [span for span in spans if span.get("request_id") == request_id]

    wait_until(lambda: of_request("node-1"), "node-1 logs nothing about the request")
    span = of_request("node-1")[0]
    require(span["key"] == key["key_id"] and span["node"] == "node-1", span)
    require(re.fullmatch(r"ses_[0-9a-f]{32}", span["session"]), span)
    named = [span for span in of_request("coordinator") if span["name"] == "act"]
    require(named and named[0]["key"] == key["key_id"], of_request("coordinator"))


def a_service_signs_its_requests_with_ed25519(world):
    """The server has the public key only; the command signs with the seed."""
    path = world.folder / "coordinator" / "credentials.json"
    text = path.read_text(encoding="utf-8")
    service = {"key": "svc", "kind": "ed25519", "public_key": PUBLIC_KEY, "tenant": "default",
               "name": "a service"}  # fmt: skip
    path.write_text(json.dumps([*json.loads(text), service]), encoding="utf-8")
    seed = world.folder / "client" / "credential.seed"
    seed.write_text(SEED, encoding="ascii")
    seed.chmod(0o600)
    world.quorate.dev("stop-node", "coordinator")
    world.quorate.dev("start-node", "coordinator")
    world.only_alive(NODES)
    own = ["--credential-id", "svc", "--credential-kind", "ed25519"]
    own += ["--credential-secret-file", seed]
    world.sign(world.key(2, 3), *own)
    hmac = ["--credential-id", "svc", "--credential-secret-file", seed]
    refused = world.quorate.run_any("key", "list", "--json", *hmac)
    require("UNAUTHENTICATED" in refused.stdout + refused.stderr, refused)


def nothing_that_leaves_a_process_holds_a_secret(world):
    known = raw_secrets(world)
    # Five nodes with four files, the last with an inner key; coordinator, client and owner.
    require(len(known) >= 30, f"only {len(known)} secrets found to look for")
    for name, secret in known.items():
        for form in forms(secret).values():
            require(leaks(b"x" + form + b"y", {name: secret}), "the search is blind")
    key = world.key_on("node-1", "node-2")
    port = free_port()
    path, text = with_node_1(world, [("[listen]", f'metrics = "127.0.0.1:{port}"')])
    answers = Answers(world)
    try:
        provoke(world, answers, key)
        world.sign(key)
        require(answers.ask("/metrics")[0] == 200, "no metrics of the gateway")
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=20) as answer:
            metrics = answer.read()
        require(b"quorate_signatures_total" in metrics, metrics[:500])
        answers.texts.append(metrics)
    finally:
        path.write_text(text, encoding="utf-8")
        with_node_1(world, [])
    for number, said in enumerate(answers.texts):
        require(not leaks(said, known), f"answer {number}: {leaks(said, known)}")
    # Logs, audit logs, the database with its journal, share files: all but the key files.
    names = set()
    for path in sorted(p for p in world.folder.rglob("*") if p.is_file()):
        if path.name in HOLDERS:
            continue
        try:
            content = path.read_bytes()
        except FileNotFoundError:
            continue  # renamed by a process that lives: found under its other name, or next time
        names.add(path.name)
        found = leaks(content, known)
        require(not found, f"{path} holds {found}")
    for expected in ["log.jsonl", "audit.log", "coordinator.sqlite3", "share.enc"]:
        require(expected in names, f"{expected} was not searched: {sorted(names)}")


CASES = [a_service_signs_its_requests_with_ed25519, logs_name_request_session_key_and_node]
LAST = [nothing_that_leaves_a_process_holds_a_secret]
