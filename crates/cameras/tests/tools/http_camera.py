"""An IP camera of Python's standard library, for tests: photos, and a stream of them, over HTTP.

    python3 http_camera.py [--certificate FILE] [--login USER:PASSWORD:KIND] [--period SECONDS]

The camera takes a frame each period, whoever looks on, and numbers them; its stream leaves out those that the network is too
slow for. The number is in the header X-Frame-Number and in the picture. It prints its port, and reads lines from its standard
input: `FAULT NUMBER` lets something go wrong with the frame of that number, and `frames` prints how many were taken so far.
What goes wrong: cut, close, stall, huge, boundary, noimage, status, head.
"""

import argparse
import base64
import hashlib
import re
import socketserver
import ssl
import struct
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler
from urllib.parse import parse_qs, urlparse

BOUNDARY = "camera-frame"


def picture(number):
    """A BMP of 2×2 pixels whose first says the number in its 24 bits."""
    pixels = struct.pack("<I", number)[:3] * 2 + b"\0\0"
    head = struct.pack("<2sIHHI", b"BM", 14 + 40 + 16, 0, 0, 54)
    info = struct.pack("<IiiHHIIiiII", 40, 2, 2, 1, 24, 0, 16, 2835, 2835, 0, 0)
    return head + info + pixels * 2


class Camera:
    def __init__(self, period):
        self.period = period
        self.number = 0
        self.shots = 0
        self.faults = {}
        self.taken = threading.Condition()
        threading.Thread(target=self.take, daemon=True).start()

    def take(self):
        due = time.monotonic()
        while True:
            due += self.period
            time.sleep(max(0, due - time.monotonic()))
            with self.taken:
                self.number += 1
                self.taken.notify_all()

    def after(self, number):
        with self.taken:
            self.taken.wait_for(lambda: self.number > number)
            return self.number

    def shoot(self):
        with self.taken:
            self.shots += 1
            return self.shots

    def fault_of(self, number):
        """What goes wrong with the frame; a fault that is due for one that was left out happens with the next."""
        due = [it for it in self.faults if it <= number]
        return self.faults.pop(min(due)) if due else None


class Login:
    def __init__(self, text):
        self.user, self.password, self.kind = text.split(":")
        self.hash = hashlib.sha256 if self.kind == "sha256" else hashlib.md5
        self.nonce, self.uses = 0, 0

    def challenges(self):
        if self.kind == "basic":
            return ['Basic realm="camera"']
        # A nonce is good for three requests.
        self.nonce, self.uses = self.nonce + 1, 0
        algorithms = ["MD5", "SHA-256"] if self.kind == "sha256" else ["MD5"]
        return ['Basic realm="camera"'] + [
            f'Digest realm="camera", qop="auth", algorithm={it}, nonce="n{self.nonce}", opaque="o"' for it in algorithms
        ]

    def accepts(self, header, method):
        if header is None:
            return False
        if self.kind == "basic":
            return header == "Basic " + base64.b64encode(f"{self.user}:{self.password}".encode()).decode()
        if not header.startswith("Digest "):
            sys.exit("the password itself was sent to a camera that takes digests")
        fields = {name: quoted or plain for name, quoted, plain in re.findall(r'(\w+)=(?:"([^"]*)"|([^\s,]+))', header)}
        self.uses += 1
        digest = lambda text: self.hash(text.encode()).hexdigest()
        secret = digest(f"{self.user}:camera:{self.password}")
        target = digest(f"{method}:{fields['uri']}")
        expected = digest(":".join([secret, fields["nonce"], fields["nc"], fields["cnonce"], fields["qop"], target]))
        is_fresh = fields["nonce"] == f"n{self.nonce}" and self.uses <= 3 and int(fields["nc"], 16) == self.uses
        return is_fresh and fields["username"] == self.user and fields["response"] == expected


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_GET(self):
        try:
            self.answer()
        except (BrokenPipeError, ConnectionResetError, ssl.SSLError):
            pass
        self.close_connection = True

    def answer(self):
        login = self.server.login
        if login and not login.accepts(self.headers["Authorization"], self.command):
            self.send_response(401)
            for challenge in login.challenges():
                self.send_header("WWW-Authenticate", challenge)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        address = urlparse(self.path)
        options = {name: values[0] for name, values in parse_qs(address.query).items()}
        if address.path == "/photo":
            self.photo()
        elif address.path == "/stream":
            self.stream(options)
        elif address.path == "/moved":
            self.send_response(302)
            self.send_header("Location", "/photo")
            self.send_header("Content-Length", "0")
            self.end_headers()
        else:
            self.send_error(404)

    def photo(self):
        number = self.server.camera.shoot()
        fault = self.server.camera.fault_of(number)
        body = b"this is no image" if fault == "noimage" else picture(number)
        if fault == "status":
            self.send_error(503)
            return
        self.send_response(200)
        self.send_header("Content-Type", "image/bmp")
        if fault != "head":
            self.send_header("Content-Length", str(10**15 if fault == "huge" else len(body)))
        else:
            self.send_header("X-Long", "a" * 100_000)
        self.end_headers()
        self.wfile.write(body[: len(body) // 2] if fault in ("cut", "stall") else body)
        if fault == "stall":
            time.sleep(3)

    def stream(self, options):
        named = {"dashes": "--" + BOUNDARY, "quoted": f'"{BOUNDARY}"', "other": "other"}
        self.send_response(200)
        named = named.get(options.get("boundary"), BOUNDARY)
        self.send_header("Content-Type", f"multipart/x-mixed-replace; boundary={named}")
        self.end_headers()
        delimiter = (BOUNDARY if options.get("boundary") == "bare" else "--" + BOUNDARY).encode()
        has_length = options.get("length") != "no"
        number = self.server.camera.number
        while True:
            number = self.server.camera.after(number)
            if not self.part(number, delimiter, has_length):
                return

    def part(self, number, delimiter, has_length):
        fault = self.server.camera.fault_of(number)
        body = b"this is no image" if fault == "noimage" else picture(number)
        lines = [b"--something-else" if fault == "boundary" else delimiter, b"Content-Type: image/bmp"]
        if has_length or fault == "huge":
            lines.append(b"Content-Length: %d" % (10**15 if fault == "huge" else len(body)))
        lines.append(b"X-Frame-Number: %d" % number)
        if fault == "head":
            lines += [b"X-Line: %d" % line for line in range(10_000)]
        part = b"\r\n".join(lines + [b"", body, b""])
        self.wfile.write(part[: len(part) - 40] if fault in ("cut", "stall") else part)
        self.wfile.flush()
        if fault == "stall":
            time.sleep(3)
        return fault not in ("cut", "close", "stall", "huge", "head")


class Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True

    def handle_error(self, *_):
        pass


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--certificate")
    parser.add_argument("--login")
    parser.add_argument("--period", type=float, default=0.02)
    arguments = parser.parse_args()
    server = Server(("127.0.0.1", 0), Handler)
    server.camera = Camera(arguments.period)
    server.login = Login(arguments.login) if arguments.login else None
    if arguments.certificate:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(arguments.certificate)
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(server.server_address[1], flush=True)
    for line in sys.stdin:
        word, *number = line.split()
        if word == "frames":
            print(server.camera.number, server.camera.shots, flush=True)
        else:
            server.camera.faults[int(number[0])] = word
            print("ok", flush=True)


if __name__ == "__main__":
    main()
