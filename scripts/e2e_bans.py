"""Bans of a pair: a node that lies is banned with its victim, and an owner ends it (row C12)."""

import contextlib
import json
import pathlib
import shutil
import sqlite3
import tempfile
import urllib.error

from demo import CHAIN, wait_until
from e2e_world import World, post, require

# The three nodes of a cluster of its own: a ban must not be in the way of other tests.
VICTIM, OTHER, LIAR = "node-1", "node-2", "node-3"

# One byte of the matrix of the OT extension (docs/protocols/dkls23.md §2.2).
SPOIL = f"lie xor sign 1 {4 * 32} {VICTIM}"


@contextlib.contextmanager
def cluster_with_a_liar(world):
    """Three nodes, of which the last is the test build: it does what its script says."""
    byzantine = world.quorate.executable.with_name("quorate-participant-byzantine")
    require(
        byzantine.is_file(),
        f"{byzantine} is not there: cargo build --release --locked --package quorate-participant "
        "--features danger_byzantine --bin quorate-participant-byzantine",
    )
    folder = pathlib.Path(tempfile.mkdtemp(prefix="quorate-e2e-bans-"))
    own = World(world.quorate.executable.parent, folder)
    own.quorate.dev("--nodes", 3, "--detach")
    try:
        own.quorate.dev("stop-node", LIAR)
        own.quorate.environment["QUORATE_PARTICIPANT_BIN"] = str(byzantine)
        own.quorate.environment["QUORATE_DANGER_SCRIPT"] = str(folder / "danger.txt")
        own.quorate.dev("start-node", LIAR)
        yield own
    finally:
        own.quorate.dev("stop")
    shutil.rmtree(folder, ignore_errors=True)


def script(own, text):
    new = own.folder / "danger.new"
    new.write_text(text, encoding="ascii")
    new.rename(own.folder / "danger.txt")


def pair(own, node, peer):
    """What a node says about what it shares with another, by `GET /nodes` and `GET /nodes/ID`."""
    shown = own.quorate.json("node", "show", node)
    listed = own.quorate.json("node", "list")["nodes"]
    of = {one["node_id"]: one["pairs"] for one in listed}
    require(sorted(map(name_of, of[node])) == sorted(map(name_of, shown["pairs"])), listed)
    return next(pair for pair in shown["pairs"] if pair["peer"] == peer)


def name_of(pair):
    return pair["peer"]


def both(own):
    return [pair(own, VICTIM, LIAR), pair(own, LIAR, VICTIM)]


def is_banned(own, generation):
    return all(
        side["state"] == "banned" and side.get("banned") == [generation] for side in both(own)
    )


def renewed(own, before):
    """Waits until both nodes use one generation that was never used before; returns it."""
    seen = []

    def same():
        seen[:] = both(own)
        ready = all(side["state"] == "ready" for side in seen)
        generations = {side.get("generation") for side in seen}
        return ready and len(generations) == 1 and not generations & set(before)

    wait_until(same, "no new pair state")
    return seen[0]["generation"]


def attack(own, key, generation):
    """The liar spoils a signature with the victim: both are banned at the first failure."""
    script(own, SPOIL)
    error = own.refused(key)
    require(error["code"] == "PAIR_BANNED", error)
    script(own, "")
    wait_until(lambda: is_banned(own, generation), "the ban is not shown")
    # It stays: whoever asks again is refused, though nobody lies any more.
    error = own.refused(key)
    require(error["code"] == "PAIR_BANNED" and LIAR in json.dumps(error), error)


def lift(own, *arguments, **options):
    owner = ["--owner", "dev-owner", "--owner-key-file", own.folder / "owner" / "owner.key"]
    return own.quorate.json("node", "lift-ban", VICTIM, LIAR, *owner, *arguments, **options)


def recorded_at_nodes(own, event):
    """Nodes in whose audit log there is an event of this type that did not fail."""
    found = set()
    for node in (VICTIM, OTHER, LIAR):
        log = (own.folder / node / "data" / "audit.log").read_bytes().decode(errors="replace")
        if f'"event_type":"{event}"' in log:
            found.add(node)
    return found


def index(own, event):
    """Results of this type of event in the coordinator's audit index, oldest first."""
    database = own.folder / "coordinator" / "data" / "coordinator.sqlite3"
    with contextlib.closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as opened:
        rows = opened.execute(
            "SELECT result FROM audit_logs WHERE event_type = ? ORDER BY sequence", (event,)
        )
        return [result for (result,) in rows]


def refused_by_hand(own, request):
    """The code with which `POST /nodes/{id}/lift-ban` refuses."""
    try:
        post(own, request, f"/api/v1/nodes/{VICTIM}/lift-ban")
    except urllib.error.HTTPError as refusal:
        return json.load(refusal)["error"]["code"]
    return "accepted"


def c12_d11_d14_a_ban_is_shown_recorded_and_lifted_by_an_owner(world):
    with cluster_with_a_liar(world) as own:
        pair_key = own.key_on(VICTIM, LIAR)
        shared = own.quorate.json("key", "create", "--chain", CHAIN, "--threshold", 2, "--nodes", 3)
        first = renewed(own, [])
        own.sign(pair_key)
        attack(own, pair_key, first)
        wait_until(
            lambda: recorded_at_nodes(own, "pair.banned") == {VICTIM, OTHER, LIAR},
            "not everybody recorded the ban",
        )
        require(index(own, "pair.banned"), "the coordinator did not record the ban")
        # Every other pair signs.
        require(OTHER in own.sign(shared)["signers"], "the banned pair signed")

        # D11, D14: nobody else, and nothing else.
        own.refused(pair_key)
        error = lift(own, "--generation", "07" * 32, expect=3)["error"]
        require(error["code"] == "NOT_BANNED", error)
        strange = own.folder / "strange.key"
        strange.write_text("07" * 32, encoding="ascii")
        strange.chmod(0o600)
        other_owner = ["--owner", "dev-owner", "--owner-key-file", strange]
        own.quorate.json("node", "lift-ban", VICTIM, LIAR, *other_owner, expect=2)
        by_client = own.sign_request(pair_key)
        names = ("intent", "initiator_signature")
        request = {"peer": LIAR, "generation": first, **{name: by_client[name] for name in names}}
        code = refused_by_hand(own, request)
        require(code == "INTENT_MISMATCH", f"an intent for another act: {code}")
        require(is_banned(own, first), "a refused intent lifted something")

        # One of the two is down: the other does not begin alone, and the owner comes again.
        own.quorate.dev("stop-node", LIAR, "--kill")
        error = lift(own, expect=3)["error"]
        require(error["code"] == "NODE_UNAVAILABLE" and LIAR in json.dumps(error), error)
        own.quorate.dev("start-node", LIAR)
        wait_until(
            lambda: own.refused(pair_key)["code"] == "PAIR_BANNED",
            f"{LIAR} is not back, or the ban is gone",
        )
        lifted = lift(own)
        require([one["generation"] for one in lifted] == [first], lifted)
        require(lifted[0]["nodes"] == [VICTIM, LIAR], lifted)

        # New base OTs, and every key of the pair signs.
        second = renewed(own, [first])
        require(set(own.signs_again(pair_key)["signers"]) == {VICTIM, LIAR}, "not the pair")
        own.sign(shared)
        require(recorded_at_nodes(own, "pair.ban_lifted") == {VICTIM, LIAR}, "not recorded")
        results = index(own, "pair.lift_ban")
        require(results[-2:] == ["intended", "succeeded"], results)
        error = lift(own, expect=1)["error"]
        require("stands" in error["message"], error)
        error = lift(own, "--generation", first, expect=3)["error"]
        require(error["code"] == "NOT_BANNED", error)

        # The next ban is of the next generation, and it is lifted in the same way.
        attack(own, pair_key, second)
        lift(own)
        renewed(own, [first, second])
        own.signs_again(pair_key)


CASES = [c12_d11_d14_a_ban_is_shown_recorded_and_lifted_by_an_owner]
