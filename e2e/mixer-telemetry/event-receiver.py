"""Takes CloudEvents over HTTP with the CloudEvents SDK and prints each as a line of JSON."""

import json
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock

from cloudevents.http import from_dict, from_http, is_binary, is_structured


lock = Lock()


def say(line):
    with lock:
        sys.stdout.write(line + "\n")
        sys.stdout.flush()


class Receiver(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        headers = {name.lower(): value for name, value in self.headers.items()}
        try:
            if headers["content-type"].startswith("application/cloudevents-batch+json"):
                mode, events = "batch", [from_dict(item) for item in json.loads(body)]
            else:
                mode = "structured" if is_structured(headers) else "binary" if is_binary(headers) else "none"
                events = [from_http(headers, body)]
            for event in events:
                say(json.dumps({"mode": mode, **event.get_attributes(), "data": event.data}))
            self.answer(204)
        except Exception as error:
            say(f"refused {error!r}")
            self.answer(400)

    def answer(self, status):
        self.send_response(status)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


server = ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
say(f"port {server.server_address[1]}")
server.serve_forever()
