"""A client that holds the server to openapi.json: calls are by operationId; what is sent and what
comes has to be as the file says; what was not tried is counted."""

import os

from api import Api, part
from openapi_file import File
from ringlun import ROOT  # noqa: F401  (finds lib)

assert os.path.isdir(ROOT)


class Described(Api):
    def __init__(self, where, file=None, **kwargs):
        super().__init__(where, **kwargs)
        self.file = file or File()
        self.answered = set()      # (operationId, status)
        self.asked = set()         # (operationId, query parameter)
        self.sent = set()          # (schema's path, property) of bodies
        self.codes = set()         # of errors

    def path(self, operation, arguments):
        path = operation.path
        assert set(arguments) == set(operation.arguments), f"{operation}: {arguments}"
        for name, value in arguments.items():
            path = path.replace("{" + name + "}", part(value))
        return path

    def do(self, operation, arguments=(), body=None, query=None, status=200, may_202=True):
        """The answer to that call; @arguments: of the path, in its order."""
        operation = self.file.operations[operation]
        if isinstance(arguments, (str, int)):
            arguments = (arguments,)
        arguments = dict(zip(operation.arguments, arguments, strict=True))
        good = status < 400
        if body is not None and good:
            assert operation.body, f"{operation} takes no body"
            self.file.check(body, operation.body, f"{operation.id}'s body")
            self.note(body, operation.body, operation.id)
        for name in query or ():
            assert not good or name in operation.query, f"{operation}: {name}"
            self.asked.add((operation.id, name))
        answer = self.call(operation.method, self.path(operation, arguments), body, query)
        wanted = {status, 202} if good and may_202 else {status}
        assert answer.status in wanted, f"{operation} {body or ''}: {answer}, and not {status}"
        self.check_answer(operation, answer)
        return answer

    def check_answer(self, operation, answer):
        kind, schema = self.file.response(operation, answer.status)
        assert answer.headers["Content-Type"].split(";")[0] == kind, \
            f"{operation}: {answer.headers['Content-Type']}"
        self.answered.add((operation.id, answer.status))
        if schema:
            self.file.check(answer.json, schema, f"{operation.id} {answer.status}")
        if answer.status >= 400:
            error = answer.json["error"]
            assert error["status"] == answer.status, f"{operation}: {error}"
            self.codes.add(error["code"])

    def refuse(self, status, code, operation, arguments=(), body=None, **query):
        """It has to fail so; its sentence."""
        answer = self.do(operation, arguments, body, query, status)
        assert answer.json["error"]["code"] == code, f"{operation}: {answer}"
        return answer.json["error"]["message"]

    def note(self, value, schema, where):
        """Which properties of bodies were ever sent."""
        for name, one in (("", schema), *((".", s) for s in schema.get("oneOf", ()))):
            at = one.get("$ref", where + name)
            one = self.file.resolve(one)
            if isinstance(value, dict):
                for key in value.keys() & one.get("properties", {}).keys():
                    self.sent.add((at, key))
                    self.note(value[key], one["properties"][key], f"{at}.{key}")
            elif isinstance(value, list) and "items" in one:
                for element in value:
                    self.note(element, one["items"], f"{at}[]")

    def properties(self, schema, where):
        """All that bodies may have, in the form of self.sent."""
        for name, one in (("", schema), *((".", s) for s in schema.get("oneOf", ()))):
            at = one.get("$ref", where + name)
            one = self.file.resolve(one)
            for key, value in one.get("properties", {}).items():
                yield at, key
                yield from self.properties(value, f"{at}.{key}")
            if "items" in one:
                yield from self.properties(one["items"], f"{at}[]")
