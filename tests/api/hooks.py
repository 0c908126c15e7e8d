"""Signs the requests of schemathesis. QUORATE_DEV_FOLDER is the folder of `quorate dev`."""

import os

import requests
import schemathesis
from credential import Credential


class Signed(requests.auth.AuthBase):
    """Sees each request as it will be sent."""

    def __init__(self):
        self.credential = Credential(os.environ["QUORATE_DEV_FOLDER"])

    def __call__(self, request):
        body = request.body or b""
        if isinstance(body, str):
            body = body.encode()
        request.headers.update(self.credential.headers(request.method, request.path_url, body))
        return request


schemathesis.auth.set_from_requests(Signed())
