"""A web server that takes webhooks, and writes the photos that it took to its output.

    python3 webhook.py PORT SECRET [CERTIFICATE KEY]

Signatures are checked as standardwebhooks.com says. Photo 3 is answered 503 once, photo 4 is to come again after a
second, photo 6 is refused, photo 7 is redirected.
"""

import base64
import hashlib
import hmac
import json
import ssl
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

port, secret, *certificate = sys.argv[1:]
key = base64.b64decode(secret.removeprefix("whsec_"))
seen = {}


def signature(headers, body):
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    return "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self, status, text="", **headers):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        record = json.loads(body)
        assert self.headers["Content-Type"] == "application/json"
        assert self.headers["Idempotency-Key"] == self.headers["webhook-id"] == record["id"]
        assert abs(time.time() - int(self.headers["webhook-timestamp"])) < 300
        if not hmac.compare_digest(self.headers["webhook-signature"], signature(self.headers, body)):
            return self.answer(401, "wrong signature")
        number = int(record["photo"].rpartition("/")[2])
        times, first = seen.setdefault(number, [0, time.monotonic()])
        seen[number][0] += 1
        if number == 3 and times == 0:
            return self.answer(503)
        if number == 4 and time.monotonic() - first < 0.9:
            assert times == 0, "it came before its time"
            return self.answer(429, Retry_After="1")
        if number == 6:
            return self.answer(422, "no such part\n")
        if number == 7:
            return self.answer(302, Location="/elsewhere")
        print(record["photo"], flush=True)
        self.answer(200, "ok")

    def log_message(self, *_):
        pass


server = ThreadingHTTPServer(("127.0.0.1", int(port)), Handler)
if certificate:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    server.socket = context.wrap_socket(server.socket, server_side=True)
print("ready", flush=True)
server.serve_forever()
