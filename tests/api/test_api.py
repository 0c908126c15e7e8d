#!/usr/bin/env python3
"""A stock gRPC client and curl against a running cluster: both do the work, the results agree.

Usage: test_api.py --bin DIR --folder DIR    FOLDER is that of a running `quorate dev`
"""

import argparse
import functools
import json
import os
import pathlib
import subprocess
import sys
import unittest

import grpc
from credential import Credential
from google.protobuf import descriptor_pool, json_format, message_factory
from google.rpc import error_details_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import (
    ProtoReflectionDescriptorDatabase,
)
from grpc_status import rpc_status

CHAIN = "ethereum-local"
SERVICE = "mpc.v1.MPCService"
RECIPIENT = "0x000000000000000000000000000000000000dEaD"


class Grpc:
    """The service, as reflection describes it."""

    def __init__(self, credential):
        self.credential = credential
        target = credential.endpoint.removeprefix("http://")
        self.channel = grpc.insecure_channel(target, options=[("grpc.enable_http_proxy", 0)])
        self.reflection = ProtoReflectionDescriptorDatabase(self.channel)
        pool = descriptor_pool.DescriptorPool(self.reflection)
        self.service = pool.FindServiceByName(SERVICE)

    def method(self, name):
        method = self.service.methods_by_name[name]
        return method, message_factory.GetMessageClass(method.output_type)

    def signed(self, name, fields):
        """The bytes of a message, and the metadata that signs them."""
        method, _ = self.method(name)
        message = json_format.ParseDict(fields, message_factory.GetMessageClass(method.input_type)())
        data = message.SerializeToString()
        return data, self.credential.headers("POST", f"/{SERVICE}/{name}", data)

    def call(self, name, fields, metadata=None, **options):
        data, headers = self.signed(name, fields)
        _, answer = self.method(name)
        call = self.channel.unary_unary(
            f"/{SERVICE}/{name}", lambda sent: sent, answer.FromString
        )
        metadata = list((headers | (metadata or {})).items())
        return call(data, metadata=metadata, timeout=options.pop("timeout", 60), **options)

    def stream(self, name, fields):
        data, headers = self.signed(name, fields)
        _, answer = self.method(name)
        call = self.channel.unary_stream(
            f"/{SERVICE}/{name}", lambda sent: sent, answer.FromString
        )
        return call(data, metadata=list(headers.items()), timeout=60)


def error_info(error):
    """Our code and facts, out of the details of a status."""
    for detail in rpc_status.from_call(error).details:
        info = error_details_pb2.ErrorInfo()
        if detail.Unpack(info):
            return info
    raise AssertionError(f"no ErrorInfo in {error}")


class Api(unittest.TestCase):
    folder = quorate = None
    transactions = 0

    @classmethod
    def setUpClass(cls):
        cls.credential = Credential(cls.folder)
        cls.grpc = Grpc(cls.credential)

    @classmethod
    def command(cls, *arguments):
        environment = os.environ | {"QUORATE_CONFIG": str(cls.folder / "client.toml")}
        command = [str(cls.quorate), *map(str, arguments), "--json"]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
        return json.loads(done.stdout)

    def curl(self, method, path, body=None, *arguments):
        """Status and answer of a call with curl."""
        data = b"" if body is None else json.dumps(body).encode()
        command = ["curl", "--silent", "--noproxy", "*", "--request", method, *arguments]
        for name, value in self.credential.headers(method, path, data).items():
            command += ["--header", f"{name}: {value}"]
        if body is not None:
            command += ["--header", "content-type: application/json", "--data-binary", "@-"]
        command += ["--write-out", "\n%{http_code}", self.credential.endpoint + path]
        done = subprocess.run(command, input=data, capture_output=True, check=True, timeout=90)
        text, status = done.stdout.decode().rsplit("\n", 1)
        return int(status), json.loads(text) if text.startswith("{") else text

    def key_body(self):
        arguments = ["--chain", CHAIN, "--threshold", 2, "--nodes", 3, "--right", "raw_hash"]
        return self.command("intent", "build", "create-key", *arguments)

    def sign_body(self, key_id):
        type(self).transactions += 1
        transaction = self.command(
            "tx", "ethereum", "--to", RECIPIENT, "--value", "1gwei", "--max-fee", "20gwei",
            "--nonce", self.transactions, "--chain-id", 31337,
        )
        payload = transaction["unsigned_transaction"]
        return self.command("intent", "build", "sign", "--key", key_id, "--tx", payload)

    @functools.cached_property
    def key(self):
        known = type(self).__dict__.get("shared_key")
        if known is None:
            known = self.grpc.call("CreateKey", self.key_body()).key_id
            type(self).shared_key = known
        return known

    def refused(self, status, code, name, fields, **options):
        with self.assertRaises(grpc.RpcError) as refusal:
            self.grpc.call(name, fields, **options)
        info = error_info(refusal.exception)
        self.assertEqual((refusal.exception.code(), info.reason), (status, code))
        self.assertEqual(info.domain, "quorate")
        return info

    def test_reflection_and_health(self):
        services = set(self.grpc.reflection.get_services())
        self.assertEqual(services, {SERVICE, "grpc.health.v1.Health"})
        self.assertEqual(len(self.grpc.service.methods), 12)
        health = health_pb2_grpc.HealthStub(self.grpc.channel)
        for name in ["", SERVICE]:
            answer = health.Check(health_pb2.HealthCheckRequest(service=name), timeout=10)
            self.assertEqual(answer.status, health_pb2.HealthCheckResponse.SERVING)

    def test_grpc_creates_a_key_and_signs_and_curl_agrees(self):
        created = self.grpc.call("CreateKey", self.key_body())
        self.assertTrue(created.complete)
        status, shown = self.curl("GET", f"/api/v1/keys/{created.key_id}")
        self.assertEqual(status, 200)
        for name in ["public_key", "address", "certificate"]:
            self.assertEqual(shown["data"][name], getattr(created.key, name), name)
        body = self.sign_body(created.key_id)
        by_grpc = self.grpc.call("Sign", body)
        status, by_curl = self.curl("POST", "/api/v1/sign", body)
        self.assertEqual((status, by_grpc.status), (200, "Completed"))
        self.same_signature(by_grpc, by_curl["data"])

    def test_curl_creates_a_key_and_signs_and_grpc_agrees(self):
        status, created = self.curl("POST", "/api/v1/keys", self.key_body())
        self.assertEqual(status, 201, created)
        key_id = created["data"]["key_id"]
        shown = self.grpc.call("GetKey", {"key_id": key_id}).key
        for name in ["public_key", "address", "certificate"]:
            self.assertEqual(created["data"][name], getattr(shown, name), name)
        body = self.sign_body(key_id)
        status, by_curl = self.curl("POST", "/api/v1/sign", body)
        self.assertEqual(status, 200, by_curl)
        self.same_signature(self.grpc.call("Sign", body), by_curl["data"])

    def same_signature(self, by_grpc, by_rest):
        names = ["signature", "recovery_id", "signature_der", "message_hash", "tx_id", "key_id"]
        for name in [*names, "signed_transaction"]:
            self.assertEqual(by_rest[name], getattr(by_grpc, name), name)
        self.assertEqual(by_rest.get("signatures", []), list(by_grpc.signatures))
        verify = {
            "key_id": by_grpc.key_id, "message": by_grpc.message_hash, "message_type": "hash",
            "signature": by_grpc.signature,
        }
        self.assertTrue(self.grpc.call("Verify", verify).valid)
        self.assertTrue(self.curl("POST", "/api/v1/verify", verify)[1]["data"]["valid"])

    def test_batch_gives_each_its_own_result_on_both(self):
        good, other = self.sign_body(self.key), self.sign_body(self.key)
        bad = other | {"chain_type": "dogecoin"}
        by_grpc = self.grpc.call("BatchSign", {"requests": [good, bad, other]}).results
        status, by_curl = self.curl("POST", "/api/v1/sign/batch", {"requests": [good, bad, other]})
        self.assertEqual(status, 200)
        results = by_curl["data"]["results"]
        for position in [0, 2]:
            signature = by_grpc[position].response.signature
            self.assertEqual(results[position]["data"]["signature"], signature)
            self.assertEqual(len(signature), 128)
        self.assertEqual(by_grpc[1].error.code, "INTENT_MISMATCH")
        self.assertEqual(results[1]["error"]["code"], "INTENT_MISMATCH")

    def test_progress_is_streamed_on_both(self):
        session = self.grpc.call("CreateSigningSession", {"request": self.sign_body(self.key)})
        session_id = session.session.session_id
        events = list(self.grpc.stream("WatchSigningSession", {"session_id": session_id}))
        self.assertEqual([event.last for event in events], [False] * (len(events) - 1) + [True])
        self.assertEqual(events[-1].session.status, "Completed")
        path, accept = f"/api/v1/sessions/{session_id}", "accept: text/event-stream"
        status, text = self.curl("GET", path, None, "--header", accept)
        name, data = text.strip().split("\n")
        self.assertEqual((status, name), (200, "event: end"))
        ended = json.loads(data.removeprefix("data: "))
        self.assertEqual(ended["signature"], events[-1].session.signature)

    def test_refusals_carry_our_codes(self):
        codes = grpc.StatusCode
        self.refused(codes.NOT_FOUND, "NOT_FOUND", "GetKey", {"key_id": "key_1"})
        mismatch = self.sign_body(self.key) | {"chain_type": "dogecoin"}
        info = self.refused(codes.INVALID_ARGUMENT, "INTENT_MISMATCH", "Sign", mismatch)
        self.assertEqual(info.metadata["field"], "chain_type")
        self.refused(codes.UNIMPLEMENTED, "NOT_IMPLEMENTED", "DeleteKey", {})
        stolen = {"x-quorate-signature": "00" * 32}
        self.refused(codes.UNAUTHENTICATED, "UNAUTHENTICATED", "ListKeys", {}, metadata=stolen)

    def test_gzip_and_idempotency(self):
        body = self.sign_body(self.key)
        once = {"idempotency-key": f"api-{body['intent'][-16:]}"}
        first = self.grpc.call("Sign", body, once, compression=grpc.Compression.Gzip)
        again = self.grpc.call("Sign", body, once)
        self.assertEqual(first, again)
        conflict = self.sign_body(self.key)
        code = grpc.StatusCode.ALREADY_EXISTS
        self.refused(code, "IDEMPOTENCY_CONFLICT", "Sign", conflict, metadata=once)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--bin", type=pathlib.Path, required=True, help="folder of the binaries")
    parser.add_argument("--folder", type=pathlib.Path, required=True, help="that of `quorate dev`")
    arguments = parser.parse_args()
    Api.quorate, Api.folder = arguments.bin / "quorate", arguments.folder
    suite = unittest.defaultTestLoader.loadTestsFromTestCase(Api)
    return 0 if unittest.TextTestRunner(verbosity=2).run(suite).wasSuccessful() else 1


if __name__ == "__main__":
    sys.exit(main())
