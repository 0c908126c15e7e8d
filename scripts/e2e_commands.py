"""The command line as users and programs meet it: every command, every exit code."""

import json
import os
import shutil
import subprocess
import tempfile
import pathlib

from demo import CHAIN, wait_until
from e2e_faults import BRIEF, pid_of
from e2e_world import NODES, RECIPIENT, require, settings

OK, FAILED, USAGE, REFUSED, UNREACHABLE, UNVERIFIED = 0, 1, 2, 3, 4, 5


def keys_are_described_found_and_listed_in_pages(world):
    world.only_alive(NODES)
    first, second = world.key(2, 3), world.key_on("node-1", "node-2")
    quorate, key = world.quorate, first["key_id"]
    changed = quorate.json("key", "update", key, "--description", "wages", "--tag", "a", "--tag", "b")
    require((changed["description"], changed["tags"]) == ("wages", ["a", "b"]), changed)
    quorate.json("key", "update", key, "--tag", "c")
    shown = quorate.json("key", "show", key)
    require((shown["description"], shown["tags"]) == ("wages", ["c"]), shown)
    require(shown["address"] == first["address"] and shown["verified"], shown)

    def found(*filters):
        return [k["key_id"] for k in quorate.json("key", "list", *filters)["keys"]]

    require(found("--tag", "c") == [key] and not found("--tag", "a"), "--tag finds others")
    require(found("--address", second["address"]) == [second["key_id"]], "--address finds others")
    require(not found("--chain", "ethereum") and key in found("--chain", CHAIN), "--chain is wrong")
    require(key in found("--status", "Active") and not found("--status", "Deleted"), "--status")
    pages, cursor = [], []
    while True:
        page = quorate.json("key", "list", "--limit", 1, *cursor)
        pages += [k["key_id"] for k in page["keys"]]
        if not page.get("next_cursor"):
            break
        cursor = ["--cursor", page["next_cursor"]]
    require(pages == found() and len(set(pages)) == len(pages) >= 2, f"pages: {pages}")
    quorate.json("key", "update", key, "--no-tags", "--description", "")
    require(quorate.json("key", "show", key)["tags"] == [], "tags are left")


def signatures_are_verified_without_believing_anybody(world):
    key, payload = world.key(2, 3), world.unsigned()
    signed = world.sign(key, payload=payload)
    signature, other = signed["signature"], world.unsigned()
    flipped = signature[:-1] + ("0" if signature[-1] != "0" else "1")
    quorate, tx = world.quorate, ["--tx", payload]
    by_key = ["verify", "--key", key["key_id"]]
    by_point = ["verify", "--public-key", key["public_key"], "--chain", CHAIN]
    for how in (by_key, by_point):
        require(quorate.json(*how, *tx, "--signature", signature)["valid"], how)
        for wrong in (
            [*tx, "--signature", flipped],
            ["--tx", other, "--signature", signature],
            [*tx, "--signature", "00" * 64],
        ):
            error = quorate.json(*how, *wrong, expect=UNVERIFIED)["error"]
            require(error["code"] == "NOT_VERIFIED", error)
            require("configuration" not in error["remedy"], f"blames the service: {error}")
    # Without the service and without any configuration.
    alone = [str(quorate.executable), *by_point, *tx, "--signature", signature]
    environment = {name: value for name, value in os.environ.items() if "QUORATE" not in name}
    environment |= {"HOME": "/nonexistent", "XDG_CONFIG_HOME": "/nonexistent"}
    done = subprocess.run(alone, env=environment, capture_output=True, text=True, check=False)
    require(done.returncode == OK and "valid" in done.stdout, done)
    usage = quorate.json("verify", "--public-key", key["public_key"], *tx, "--signature", signature,
                         expect=USAGE)  # fmt: skip
    require("--chain" in usage["error"]["remedy"], usage)


def every_command_speaks_json(world):
    """One document on stdout, and nothing else there."""
    quorate, key = world.quorate, world.key(2, 3)
    signed = world.sign(key)
    intent = quorate.json("intent", "build", "sign", "--key", key["key_id"], "--tx", world.unsigned())
    transfer = ["--to", RECIPIENT, "--nonce", 1, "--max-fee", "1gwei", "--chain-id", 1]
    right = [
        ["node", "list"], ["node", "show", "node-1"], ["session", "list", "--limit", 3],
        ["session", "show", signed["session_id"]], ["session", "watch", signed["session_id"]],
        ["key", "list"], ["key", "show", key["key_id"]], ["config", "show"], ["doctor"],
        ["intent", "show", intent["intent"]], ["tx", "ethereum", *transfer],
        ["completion", "bash"], ["dev", "status", "--dir", world.folder],
        ["dev", "start-node", "node-1", "--dir", world.folder],
    ]  # fmt: skip
    for arguments in right:
        done = quorate.run(*arguments, "--json")
        require(isinstance(json.loads(done.stdout), dict), f"{arguments}: {done.stdout}")
    wrong = [
        (USAGE, ["key", "show"]), (USAGE, ["nonsense"]), (USAGE, ["key", "show", "key_1"]),
        (USAGE, ["key", "update", key["key_id"]]), (USAGE, ["node", "show", "No Such!"]),
        (REFUSED, ["node", "show", "nobody"]), (REFUSED, ["session", "show", "ses_" + "0" * 32]),
        (REFUSED, ["key", "list", "--limit", 0]), (REFUSED, ["key", "list", "--cursor", "zz"]),
        (USAGE, ["dev", "stop-node", "node-99", "--dir", world.folder]),
        (USAGE, ["coordinator", "--config", world.folder / "client.toml"]),
        (UNREACHABLE, ["node", "list", "--endpoint", "http://127.0.0.1:9"]),
        (FAILED, ["key", "list", "--manifest", "/nonexistent"]),
        (USAGE, ["intent", "show", "00"]),
        (USAGE, ["bench", "sign", "--rate", "-1"]),
        (USAGE, ["sign", "--key", key["key_id"]]),
    ]  # fmt: skip
    for code, arguments in wrong:
        error = quorate.json(*arguments, expect=code)["error"]
        require(error["exit_code"] == code and error["message"] and error["remedy"], error)


def completion_scripts_are_understood_by_their_shells(world):
    for shell in ("bash", "zsh", "fish", "elvish", "powershell"):
        script = world.quorate.run("completion", shell).stdout
        require("start-node" in script and "keygen" in script, f"{shell}: commands are missing")
        if shutil.which(shell) and shell in ("bash", "zsh", "fish"):
            subprocess.run([shell, "-n"], input=script, text=True, check=True)


def bench_counts_what_it_did(world):
    world.only_alive(NODES)
    quorate, key = world.quorate, world.key(2, 3)["key_id"]
    steady = quorate.json("bench", "sign", "--key", key, "--rate", 10, *BRIEF)
    require(steady["errors"] == 0 and abs(steady["completed"] - 40) <= 2, steady)
    require(steady["rate_per_second"] == 10 and steady["cluster_cpu_ms_per_signature"] > 0, steady)
    made = quorate.json("bench", "keygen", "--node", "node-1", "--node", "node-2",
                        "--concurrency", 2, *BRIEF)  # fmt: skip
    require(made["errors"] == 0 and made["completed"] >= 1 and made["total_nodes"] == 2, made)


def doctor(world, expect, *arguments):
    report = world.quorate.json("doctor", *arguments, expect=expect)
    return {line["check"]: line for line in report["checks"] if line["state"] != "ok"}


def doctor_names_what_is_broken(world):
    world.only_alive(NODES)
    wait_until(lambda: not findings(world), "a sound cluster has findings")
    world.only_alive(NODES[1:])

    def named():
        found = {line["check"]: line for line in findings(world)}.get("node node-1", {})
        return found.get("state") == "fail" and found["remedy"]

    # It may only be silent; after `node_dead_after_ms` it is said to be offline.
    wait_until(named, "a node that is down is not named")
    require(doctor(world, FAILED), "no findings")
    world.only_alive(NODES)
    other = pathlib.Path(tempfile.mkdtemp(prefix="quorate-e2e-other-"))
    try:
        world.quorate.run("dev", "--nodes", 2, "--detach", "--dir", other)
        world.quorate.run("dev", "stop", "--dir", other)
        a_strange_client_is_told(world, other)
        a_strange_certificate_is_told(world, other)
    finally:
        shutil.rmtree(other, ignore_errors=True)


def findings(world):
    report = json.loads(world.quorate.run_any("doctor", "--json").stdout)
    return [line for line in report["checks"] if line["state"] != "ok"]


def a_strange_client_is_told(world, other):
    secret = other / settings_of(other)["credential_secret_file"]
    found = doctor(world, FAILED, "--credential-secret-file", secret)
    require("credential" in found, f"a wrong secret is not named: {found}")
    found = doctor(world, FAILED, "--manifest", other / "manifest.json")
    require("node node-1" in found and "initiator" in found, f"another manifest: {found}")
    readable = world.folder / "readable.key"
    readable.write_text("00" * 32, encoding="ascii")
    readable.chmod(0o644)
    found = doctor(world, FAILED, "--initiator-key-file", readable)
    require("600" in json.dumps(found["initiator"]), f"a key that all can read: {found}")
    found = doctor(world, FAILED, "--endpoint", "http://127.0.0.1:9")
    require("gateway" in found, f"nobody is there: {found}")


def settings_of(folder):
    return settings(type("Elsewhere", (), {"folder": folder}))


def a_strange_certificate_is_told(world, other):
    """node-1 with the certificate of another cluster: nobody trusts it, and doctor says so."""
    files = [world.folder / "node-1" / name for name in ("tls.crt", "tls.key")]
    kept = {path: path.read_bytes() for path in files}
    world.only_alive(NODES[1:])
    for path in files:
        shutil.copyfile(other / path.relative_to(world.folder), path)
    command = [str(world.quorate.executable), "dev", "start-node", "node-1", "--dir", world.folder]
    starting = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_until(
            lambda: "certificate" in json.dumps(findings(world)).lower(),
            "nobody says that the certificate is wrong",
        )
    finally:
        starting.kill()
        starting.wait()
        world.quorate.dev("stop-node", "node-1", "--kill")
        for path, content in kept.items():
            path.write_bytes(content)
    world.only_alive(NODES)


def no_process_is_left_behind(world):
    """`dev stop` ends all of them, also one that is stopped."""
    pids = [pid_of(world, name) for name in [*NODES, "coordinator"]]
    world.quorate.dev("stop")
    for pid in pids:
        command_line = pathlib.Path(f"/proc/{pid}/cmdline")
        require(not command_line.exists() or not command_line.read_bytes(), f"{pid} lives")


CASES = [
    keys_are_described_found_and_listed_in_pages,
    signatures_are_verified_without_believing_anybody,
    every_command_speaks_json,
    completion_scripts_are_understood_by_their_shells,
    bench_counts_what_it_did,
    doctor_names_what_is_broken,
]
LAST = [no_process_is_left_behind]
