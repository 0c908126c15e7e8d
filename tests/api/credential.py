"""Signing of calls, as docs/authentication.md describes it."""

import hashlib
import hmac
import pathlib
import re
import secrets
import time


class Credential:
    """The credential that `quorate dev` left in its folder."""

    def __init__(self, folder):
        folder = pathlib.Path(folder)
        text = (folder / "client.toml").read_text(encoding="utf-8")
        settings = dict(re.findall(r'^(\w+) *= *"([^"]*)"', text, re.MULTILINE))
        self.endpoint = settings["endpoint"]
        self.key = settings["credential_id"]
        secret = folder / settings["credential_secret_file"]
        self.secret = bytes.fromhex(secret.read_text(encoding="ascii").strip())

    def headers(self, method, path, body):
        """The four headers over one call; in gRPC, metadata over one message."""
        now, nonce = str(int(time.time())), secrets.token_hex(16)
        lines = "\n".join([method, path, now, nonce, hashlib.sha256(body).hexdigest()])
        signature = hmac.new(self.secret, lines.encode(), hashlib.sha256).hexdigest()
        return {
            "x-quorate-key": self.key,
            "x-quorate-timestamp": now,
            "x-quorate-nonce": nonce,
            "x-quorate-signature": signature,
        }
