"""A client of the control API: JSON by HTTP, over the unix socket or TCP.

    api = Api(server.api)
    volume = api.ok("POST", "/v1/volumes", {"name": "a", "size": 1 << 30})["volume"]
    error = api.error(409, "in_use", "DELETE", "/v1/volumes/a")

What came is in an Answer; ok() and error() return its JSON."""

import http.client
import json
import socket
import time
from urllib.parse import quote, urlencode


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path, timeout):
        super().__init__("ringlund", timeout=timeout)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


class Answer:
    def __init__(self, response):
        self.status, self.headers = response.status, response.headers
        self.body = response.read()

    @property
    def text(self):
        return self.body.decode()

    @property
    def json(self):
        return json.loads(self.body)

    def __repr__(self):
        return f"{self.status} {self.body[:500]!r}"


def part(text):
    """One part of a path."""
    return quote(str(text), safe="")


class Api:
    """@where: the path of a unix socket, or (host, port) and a @token."""

    def __init__(self, where, token=None, timeout=60):
        self.where, self.token, self.timeout = where, token, timeout

    def connection(self):
        if isinstance(self.where, str):
            return UnixConnection(self.where, self.timeout)
        return http.client.HTTPConnection(*self.where, timeout=self.timeout)

    def call(self, method, path, body=None, query=None, headers=None):
        """@body: bytes as they are, all else as JSON."""
        headers = dict(headers or {})
        if self.token:
            headers["Authorization"] = f"Bearer {self.token}"
        if body is not None and not isinstance(body, (bytes, bytearray)):
            body = json.dumps(body).encode()
            headers.setdefault("Content-Type", "application/json")
        if query:
            path += "?" + urlencode({k: str(v).lower() if isinstance(v, bool) else v
                                     for k, v in query.items()}, quote_via=quote)
        connection = self.connection()
        try:
            connection.request(method, path, body, headers)
            return Answer(connection.getresponse())
        finally:
            connection.close()

    def ok(self, method, path, body=None, **query):
        answer = self.call(method, path, body, query)
        assert answer.status == 200, f"{method} {path}: {answer}"
        return answer.json

    def error(self, status, code, method, path, body=None, **query):
        """It has to fail so; its sentence."""
        answer = self.call(method, path, body, query)
        assert answer.status == status, f"{method} {path}: {answer}, not {status} {code}"
        error = answer.json["error"]
        assert error["code"] == code and error["status"] == status, f"{method} {path}: {error}"
        return error["message"]

    def job(self, method, path, body=None, seconds=60, **query):
        """A call that may take longer than it waits; what it says at the end."""
        answer = self.call(method, path, body, {"wait": 5, **query})
        end = time.monotonic() + seconds
        while answer.status == 202:
            assert time.monotonic() < end, f"{method} {path}: not done after {seconds} s: {answer}"
            answer = self.call("GET", f"/v1/jobs/{part(answer.json['job']['id'])}",
                               query={"wait": 5})
            if answer.status == 200 and answer.json["job"]["state"] == "running":
                answer.status = 202
        assert answer.status == 200, f"{method} {path}: {answer}"
        job = answer.json.get("job")
        assert not job or job["state"] == "done", f"{method} {path}: {job}"
        return answer.json
