"""A Solana virtual machine (litesvm) in a process of Node, driven by one JSON document a line."""

import json
import pathlib
import shutil
import subprocess

PROGRAM = pathlib.Path(__file__).with_name("solana.mjs")
# The first blockhash of every litesvm: a message that names it is executed by any fresh one.
FIRST_BLOCKHASH = "CmpNeggWJ4JaWJeJ8YKN1Zypmk7uvQq3PECGUCAEMbky"


class LitesvmFailed(Exception):
    """The virtual machine refused something, or is gone."""


class Litesvm:
    """`packages` is the folder in which the packages of package.json were installed."""

    def __init__(self, packages):
        # Node looks for packages beside the program.
        program = pathlib.Path(shutil.copy(PROGRAM, packages))
        self.process = subprocess.Popen(
            ["node", str(program)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def ask(self, **question):
        self.process.stdin.write(json.dumps(question) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            raise LitesvmFailed(f"litesvm ended with {self.process.wait(timeout=10)}")
        answer = json.loads(line)
        if "error" in answer:
            raise LitesvmFailed(f"litesvm, {question['do']}: {answer['error']}")
        return answer

    def fund(self, address, lamports):
        return self.ask(do="fund", address=address, lamports=lamports)["balance"]

    def balance(self, address):
        return self.ask(do="balance", address=address)["balance"]

    def blockhash(self):
        return self.ask(do="blockhash")["blockhash"]

    def send(self, transaction):
        """Executes a signed transaction (hex); the transaction's first signature is its id."""
        return self.ask(do="send", transaction=transaction)["signature"]

    def stop(self):
        self.process.stdin.close()
        try:
            self.process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process.stdout.close()
