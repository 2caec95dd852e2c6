"""A server that ringlun takes for ringlund: plays answers, and remembers what it was asked.

    api = FakeApi()                                  # on a unix socket in a folder of its own
    api.answer("GET", "/v1/volumes", {"volumes": []})
    api.answer("POST", "/v1/volumes", job(1), status=202)
    api.answer("GET", "/v1/jobs/1", job(1), then=job(1, "done"))
    api.requests[-1].query["wait"]

What has no answer gets 404 not_found. An answer can also be raw bytes (RAW), or nothing: HANG
(never answered), CLOSE (the connection goes)."""

import collections
import http.server
import json
import os
import shutil
import socket
import socketserver
import tempfile
import threading
import urllib.parse

HANG, CLOSE = object(), object()
Raw = collections.namedtuple("Raw", "data")
Text = collections.namedtuple("Text", "text type")
Request = collections.namedtuple("Request", "method path query body headers")


def error(code, message, status):
    return {"error": {"code": code, "message": message, "status": status}}


def job(number, state="running", **fields):
    """{"job": ...} as the API has it."""
    return {"job": {"id": number, "kind": "volume-create", "subject": "db1", "state": state,
                    "done": 0, "total": 0, "unit": "bytes", "message": "", "error": None,
                    "started": "2026-11-21T06:00:00Z",
                    "ended": None if state == "running" else "2026-11-21T06:00:09Z", **fields}}


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def address_string(self):
        return "unix"

    def play(self):
        api = self.server.api
        url = urllib.parse.urlsplit(self.path)
        length = int(self.headers.get("Content-Length") or 0)
        data = self.rfile.read(length)
        request = Request(self.command, url.path, dict(urllib.parse.parse_qsl(url.query)),
                          json.loads(data) if data else None, dict(self.headers))
        status, answer = api.next_answer(request)
        if answer is HANG:
            api.stopping.wait()
            answer = CLOSE
        if answer is CLOSE:
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)
            return
        if isinstance(answer, Raw):
            self.wfile.write(answer.data)
            self.close_connection = True
            return
        kind = "application/json"
        if isinstance(answer, Text):
            body, kind = answer.text.encode(), answer.type
        else:
            body = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = play


class Listener(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True
    request_queue_size = 64

    def get_request(self):
        connection, _ = self.socket.accept()
        return connection, ("unix", 0)

    def handle_error(self, *_):     # a client that was killed
        pass


class FakeApi:
    def __init__(self):
        self.dir = tempfile.mkdtemp(prefix="ringlun-fake-api.")
        self.socket_path = os.path.join(self.dir, "api.sock")
        self.lock = threading.Lock()
        self.stopping = threading.Event()
        self.forget()
        self.listener = Listener(self.socket_path, Handler)
        self.listener.api = self
        self.thread = threading.Thread(target=self.listener.serve_forever, args=(0.05,))
        self.thread.start()

    def forget(self):
        self.answers, self.requests = {}, []

    def answer(self, method, path, first, *later, status=200):
        """@first, and so on; the last again and again. A tuple is (status, answer)."""
        self.answers[method, path] = [one if isinstance(one, tuple) and not hasattr(one, "_fields")
                                      else (status, one) for one in (first, *later)]

    def refuse(self, method, path, status, code, message):
        self.answer(method, path, (status, error(code, message, status)))

    def next_answer(self, request):
        with self.lock:
            self.requests.append(request)
            path = urllib.parse.unquote(request.path)
            left = self.answers.get((request.method, path))
            if not left:
                return 404, error("not_found", f"{path}: there is no such thing", 404)
            return left.pop(0) if len(left) > 1 else left[0]

    def asked(self, method, path=None):
        """The requests that were made so."""
        with self.lock:
            return [r for r in self.requests
                    if r.method == method
                    and path in (None, urllib.parse.unquote(r.path))]

    def close(self):
        self.stopping.set()
        self.listener.shutdown()
        self.listener.server_close()
        self.thread.join()
        shutil.rmtree(self.dir)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
