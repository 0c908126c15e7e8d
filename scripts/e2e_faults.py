"""Faults: processes that are killed or stopped at any moment, and what must be left of it."""

import contextlib
import json
import os
import random
import re
import signal
import subprocess
import threading
import time
import urllib.error

from demo import CHAIN, say, wait_until
from e2e_world import NODES, post, require

# How often each process is killed in the middle of something; `QUORATE_E2E_KILLS` makes it more.
KILLS = int(os.environ.get("QUORATE_E2E_KILLS", "4"))
KEYS = "/api/v1/keys"


class Asked(threading.Thread):
    """A request in the background; `answer` is None if it did not come."""

    def __init__(self, world, request, path):
        super().__init__(daemon=True)
        self.world, self.request, self.path = world, request, path
        self.answer, self.failure = None, None
        self.start()

    def run(self):
        try:
            self.answer = post(self.world, self.request, self.path)["data"]
        except (OSError, ValueError) as failure:
            self.failure = failure

    def outcome(self):
        self.join(timeout=300)
        require(not self.is_alive(), "a request got no answer in 300 s")
        return self.answer


def pid_of(world, name):
    return json.loads((world.folder / "pids").read_text(encoding="utf-8"))[name]


@contextlib.contextmanager
def stopped(world, node):
    """The process does nothing (SIGSTOP), but all its connections stay open."""
    pid = pid_of(world, node)
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def kill_and_restart(world, name):
    world.quorate.dev("stop-node", name, "--kill")
    world.quorate.dev("start-node", name)


def create_request(world, *nodes):
    members = [argument for node in nodes for argument in ("--node", node)]
    arguments = ["--chain", CHAIN, "--threshold", len(nodes), *members]
    return world.quorate.json("intent", "build", "create-key", *arguments)


def moments(world, ask):
    """KILLS moments in the course of what `ask` does, one in each of as many equal parts."""
    started = time.monotonic()
    ask()
    whole = (time.monotonic() - started) * 1.1
    dice = random.SystemRandom()
    return [whole * (part + dice.random()) / KILLS for part in range(KILLS)]


def settled(world, request):
    """What became of a key: asked for again with the same intent until it is made or failed."""
    answers = []

    def ended():
        try:
            answers.append(post(world, request, KEYS)["data"])
        except urllib.error.HTTPError as refusal:
            error = json.load(refusal)["error"]
            require(error["code"] in ("IN_PROGRESS", "INTENT_CONFLICT"), error)
            if error["code"] == "IN_PROGRESS":
                return False
            # Newest first, and nobody else makes keys now.
            answers.append(world.quorate.json("key", "list", "--limit", 1)["keys"][0])
            require(answers[-1]["status"] == "Failed", f"{error}, but {answers[-1]}")
        return answers[-1]["status"] in ("Active", "Failed")

    wait_until(ended, "the key is neither made nor failed")
    return answers[-1]


def a_key_killed_at_random_moments(world, victim):
    members = ["node-1", "node-2"]
    world.only_alive(NODES)
    world.signs_again(world.key_on(*members))
    first = create_request(world, *members)
    after = moments(world, lambda: post(world, first, KEYS))
    seen = {"Active": 0, "Failed": 0}
    for moment in after:
        request = create_request(world, *members)
        asked = Asked(world, request, KEYS)
        time.sleep(moment)  # the moment is what is tried here
        kill_and_restart(world, victim)
        asked.outcome()
        key = settled(world, request)
        seen[key["status"]] += 1
        if key["status"] == "Failed":
            require(key.get("error_message"), f"failed without a reason: {key}")
            require(not key["certificate"], f"failed with a certificate: {key}")
            continue
        again = post(world, request, KEYS)["data"]
        require(again["key_id"] == key["key_id"], f"two keys of one intent: {key} {again}")
        require(again["public_key"] == key["public_key"], "one key with two public keys")
        world.signs_again(key)
        # Every key that is shown is checked with its certificate.
        world.quorate.json("key", "list")
    say(f"  {victim} killed {len(after)} times: {seen['Active']} keys made, {seen['Failed']} failed")
    require(seen["Active"] > 0, "no key was ever made")


def is_reached(world, name):
    """Sessions can be opened with it; whether its links are up is another question."""
    listed = world.quorate.json("node", "list")["nodes"]
    node = next(node for node in listed if node["node_id"] == name)
    unreached = re.search("reached|stream is not open", node.get("last_error") or "")
    return node["status"] != "offline" and not unreached


def a_key_is_made_the_moment_that_a_node_is_back(world):
    """The coordinator reaches a node before the node has its links to the others."""
    world.only_alive(NODES)
    victim = "node-3"
    # Away for a while, so that the others dial it at longer intervals.
    world.only_alive([node for node in NODES if node != victim])
    world.quorate.dev("start-node", victim)
    world.down.discard(victim)
    wait_until(lambda: is_reached(world, victim), f"{victim} is not reached")
    key = world.quorate.json("key", "create", "--chain", CHAIN, "--threshold", 2, "--nodes", 3)
    require(key["status"] == "Active", key)
    world.sign(key)
    world.only_alive(NODES)


def c1_a_coordinator_killed_while_a_key_is_made_leaves_it_whole_or_failed(world):
    a_key_killed_at_random_moments(world, "coordinator")


def c1_a_participant_killed_while_a_key_is_made_leaves_it_whole_or_failed(world):
    a_key_killed_at_random_moments(world, "node-1")


def c3_processes_killed_while_they_sign_repeat_nothing(world):
    """Each intent ends in one signature, whoever was killed while it was made."""
    world.only_alive(NODES)
    key = world.key(2, 3)
    whole = moments(world, lambda: world.sign(key))
    for victim, moment in zip(["node-1", "coordinator", "node-2"] * KILLS, whole):
        request = world.sign_request(key)
        asked = Asked(world, request, "/api/v1/sign")
        time.sleep(moment)  # the moment is what is tried here
        kill_and_restart(world, victim)
        asked.outcome()
        signed = post(world, request)["data"]
        again = post(world, request)["data"]
        require(signed["status"] == "Completed", signed)
        require(again["signature"] == signed["signature"], "one intent, two signatures")
        if asked.answer and asked.answer["status"] == "Completed":
            require(asked.answer["signature"] == signed["signature"], "one intent, two signatures")
        world.remember(key, signed)
    world.only_alive(NODES)


def a_stopped_signer_is_replaced_named_and_used_again(world):
    """SIGSTOP under load: links stay open, but nothing comes; another set of signers takes over."""
    world.only_alive(NODES)
    key = world.key(2, 3)
    victim, load = "node-2", ["bench", "sign", "--key", key["key_id"], "--rate", 8]
    started = time.time()
    bench = threading.Thread(target=lambda: reports.append(world.quorate.json(*load, *LOAD)))
    reports = []
    bench.start()
    wait_until(lambda: signed_since(world, key, started) >= 5, "the load did not start")
    with stopped(world, victim):
        wait_until(lambda: replaced(world, key), "no attempt was replaced")
        signed = [world.sign(key) for _ in range(3)]
        wait_until(lambda: not bench.is_alive(), "the load did not end")
    require(all(victim not in one["signers"] for one in signed), "a stopped node signed")
    require(reports and reports[0]["errors"] == 0, f"errors under load: {reports}")
    require(reports[0]["max_ms"] < 20_000, f"a signature waited too long: {reports[0]['max_ms']}")
    given_up = replaced(world, key)[0]
    require(given_up["awaiting"] == [victim], f"it waited for another: {given_up}")
    later = next_attempt(world, given_up)
    require(later["status"] == "Completed" and later["attempt"] == 2, later)
    require(victim not in later["participating_nodes"], later)
    require(later["waited_on"][0]["nodes"] == [victim], later)
    world.only_alive(NODES)
    # Other nodes are preferred for a while; where it is needed, it signs at once.
    signed = world.signs_again(world.key_on("node-1", victim))
    require(victim in signed["signers"], "it is not used again")


BRIEF = ["--seconds", 4, "--warmup", 0]
# Long enough for a busy machine to stop the node while requests still come.
LOAD = ["--seconds", 8, "--warmup", 0]


def signed_since(world, key, started):
    listed = world.quorate.json("session", "list", "--key", key["key_id"], "--status", "Completed")
    stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(started))
    return len([s for s in listed["sessions"] if s["created_at"] >= stamp])


def replaced(world, key):
    listed = world.quorate.json("session", "list", "--key", key["key_id"], "--status", "Failed")
    return [s for s in listed["sessions"] if "did not join" in s["error"]["message"]]


def next_attempt(world, given_up):
    arguments = ["session", "list", "--intent-digest", given_up["intent_digest"]]
    latest = world.quorate.json(*arguments)["sessions"][0]
    return world.quorate.json("session", "show", latest["session_id"])


def a_session_that_hangs_can_be_watched_and_cancelled(world):
    world.only_alive(NODES)
    key = world.key_on("node-1", "node-2")
    world.signs_again(key)
    with stopped(world, "node-2"):
        asked = Asked(world, world.sign_request(key), "/api/v1/sign")
        open_now = ["session", "list", "--key", key["key_id"], "--limit", 1]
        sessions = []

        def waits():
            sessions[:] = world.quorate.json(*open_now)["sessions"]
            return sessions and sessions[0]["awaiting"] == ["node-2"]

        wait_until(waits, f"nobody says who is awaited: {sessions}")
        session = sessions[0]["session_id"]
        shown = world.quorate.run("session", "show", session).stdout
        require("waits for node-2 since 20" in shown, shown)
        quorate = world.quorate
        watch = subprocess.Popen(
            [str(quorate.executable), "session", "watch", session],
            env=quorate.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )
        # The watch must have begun before the session ends; it says at once who is awaited.
        said = ""
        for line in watch.stderr:
            said += line
            if "waits for node-2" in line:
                break
        require("waits for node-2" in said, f"watch said nothing: {said}")
        cancelled = quorate.json("session", "cancel", session)
        require(cancelled["status"] in ("Cancelled", "Failed"), cancelled)
        said += watch.communicate(timeout=120)[1]
        require(watch.returncode == 3, f"watch ended with {watch.returncode}: {said}")
        asked.outcome()
        require("409" in str(asked.failure), f"the caller was told {asked.failure}")
        error = world.quorate.json("session", "cancel", session, expect=3)["error"]
        require(error["code"] == "SESSION_ENDED", error)
    world.only_alive(NODES)
    world.signs_again(key)


CASES = [
    a_key_is_made_the_moment_that_a_node_is_back,
    a_session_that_hangs_can_be_watched_and_cancelled,
    a_stopped_signer_is_replaced_named_and_used_again,
    c1_a_coordinator_killed_while_a_key_is_made_leaves_it_whole_or_failed,
    c1_a_participant_killed_while_a_key_is_made_leaves_it_whole_or_failed,
    c3_processes_killed_while_they_sign_repeat_nothing,
]
