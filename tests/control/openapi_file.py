"""target/control/openapi.json: read, checked for itself, and used to check what is sent and what
comes: check() knows the words of JSON Schema that the file uses, and refuses others."""

import json
import os
import re

from ringlun import ROOT

PATH = os.path.join(ROOT, "target", "control", "openapi.json")
METHODS = ("get", "put", "post", "delete", "patch")
TYPES = {
    "object": lambda v: isinstance(v, dict),
    "array": lambda v: isinstance(v, list),
    "string": lambda v: isinstance(v, str),
    "boolean": lambda v: isinstance(v, bool),
    "integer": lambda v: isinstance(v, int) and not isinstance(v, bool),
    "null": lambda v: v is None,
}
SAYS_NOTHING = {"description", "default", "writeOnly"}


class Mismatch(AssertionError):
    """The value is not what the schema says; the text says where."""


class Operation:
    def __init__(self, path, method, said):
        self.path, self.method, self.said = path, method.upper(), said
        self.id = said["operationId"]
        parameters = said.get("parameters", [])
        self.arguments = {p["name"]: p for p in parameters if p["in"] == "path"}
        self.query = {p["name"]: p for p in parameters if p["in"] == "query"}
        self.body = said.get("requestBody", {}).get("content", {}).get("application/json", {}) \
            .get("schema")

    def __repr__(self):
        return f"{self.method} {self.path} ({self.id})"


class File:
    def __init__(self, text=None):
        if text is None:
            with open(PATH, encoding="utf-8") as file:
                text = file.read()
        self.text = text
        self.root = json.loads(text)
        self.operations = {}
        for path, methods in self.root["paths"].items():
            for method, said in methods.items():
                assert method in METHODS, f"{path}: {method}"
                operation = Operation(path, method, said)
                assert operation.id not in self.operations, f"{operation.id} is there twice"
                self.operations[operation.id] = operation

    def resolve(self, thing):
        while "$ref" in thing:
            at = self.root
            for part in thing["$ref"].removeprefix("#/").split("/"):
                at = at[part]
            thing = at
        return thing

    def response(self, operation, status):
        """The schema of that answer's JSON, or None for text; and its content type."""
        responses = operation.said["responses"]
        key = str(status)
        if key not in responses:
            assert status >= 400, f"{operation}: {status} is not among its answers"
            key = "default"
        content = self.resolve(responses[key])["content"]
        (kind, what), = content.items()
        return kind, what["schema"] if kind == "application/json" else None

    # --- the file by itself --------------------------------------------------------------

    def refs(self, thing):
        if isinstance(thing, dict):
            for key, value in thing.items():
                if key == "$ref":
                    yield value
                else:
                    yield from self.refs(value)
        elif isinstance(thing, list):
            for value in thing:
                yield from self.refs(value)

    def lint(self):
        refs = set(self.refs(self.root))
        for ref in refs:
            self.resolve({"$ref": ref})
        unused = {f"#/components/schemas/{name}" for name in self.root["components"]["schemas"]}
        unused -= refs
        assert not unused, f"nothing refers to {unused}"
        for operation in self.operations.values():
            named = set(re.findall(r"\{(\w+)\}", operation.path))
            assert named == set(operation.arguments), f"{operation}: its path has {named}"
            assert set(operation.said) <= {"operationId", "tags", "summary", "description",
                                           "parameters", "requestBody", "responses"}, operation
            assert "200" in operation.said["responses"], operation
            assert "default" in operation.said["responses"], operation
            assert ("202" in operation.said["responses"]) == \
                ("wait" in operation.query and operation.id != "getJob"), operation

    # --- values ----------------------------------------------------------------------------

    def check(self, value, schema, where="it"):
        """Raises Mismatch where the value is not of the schema."""
        schema = self.resolve(schema)
        for word, what in schema.items():
            if word in SAYS_NOTHING:
                continue
            checker = getattr(self, "_" + word, None)
            assert checker, f"{where}: the word {word} is not known here"
            if not checker(value, what, schema, where):
                raise Mismatch(f"{where} is {json.dumps(value)[:300]}, and not {word} "
                               f"{json.dumps(what)[:300]}")

    def fits(self, value, schema):
        try:
            self.check(value, schema)
        except Mismatch:
            return False
        return True

    def _type(self, value, what, _schema, _where):
        return any(TYPES[name](value) for name in (what if isinstance(what, list) else [what]))

    def _enum(self, value, what, _schema, _where):
        return any(type(value) is type(one) and value == one for one in what)

    def _required(self, value, what, _schema, _where):
        return not isinstance(value, dict) or all(key in value for key in what)

    def _properties(self, value, what, _schema, where):
        if isinstance(value, dict):
            for key in value.keys() & what.keys():
                self.check(value[key], what[key], f"{where}.{key}")
        return True

    def _additionalProperties(self, value, what, schema, where):
        assert what is False, f"{where}: additionalProperties is not false"
        if isinstance(value, dict):
            more = value.keys() - schema["properties"].keys()
            if more:
                raise Mismatch(f"{where} has {sorted(more)}, which nobody described")
        return True

    def _items(self, value, what, _schema, where):
        if isinstance(value, list):
            for i, one in enumerate(value):
                self.check(one, what, f"{where}[{i}]")
        return True

    def _oneOf(self, value, what, _schema, where):
        if sum(self.fits(value, one) for one in what) == 1:
            return True
        for one in what:    # the way it fails where the type is right says most
            types = self.resolve(one).get("type", [])
            if any(TYPES[t](value) for t in ([types] if isinstance(types, str) else types)):
                self.check(value, one, where)
        return False

    def _minimum(self, value, what, _schema, _where):
        return not isinstance(value, int) or value >= what

    def _maximum(self, value, what, _schema, _where):
        return not isinstance(value, int) or value <= what

    def _minLength(self, value, what, _schema, _where):
        return not isinstance(value, str) or len(value) >= what

    def _maxLength(self, value, what, _schema, _where):
        return not isinstance(value, str) or len(value) <= what

    def _pattern(self, value, what, _schema, _where):
        return not isinstance(value, str) or re.search(what, value) is not None

    def _minItems(self, value, what, _schema, _where):
        return not isinstance(value, list) or len(value) >= what

    def _minProperties(self, value, what, _schema, _where):
        return not isinstance(value, dict) or len(value) >= what


def self_test():
    """The checker itself: each word takes and refuses."""
    file = File(json.dumps({"paths": {}, "components": {"schemas": {"N": {"type": "integer"}}}}))
    closed = {"type": "object", "properties": {"a": {"$ref": "#/components/schemas/N"}},
              "additionalProperties": False}
    rows = [
        ({"type": "integer"}, 1, True), ({"type": "integer"}, True, False),
        ({"type": "integer"}, 1.5, False), ({"type": ["string", "null"]}, None, True),
        ({"type": ["string", "null"]}, 1, False), ({"enum": ["a", None]}, None, True),
        ({"enum": [1]}, True, False), ({"required": ["a"]}, {}, False),
        (closed, {"a": 1}, True), (closed, {"a": "1"}, False), (closed, {"b": 1}, False),
        ({"type": "array", "items": closed}, [{"a": 1}, {"a": 2}], True),
        ({"type": "array", "items": closed}, [{"a": 1}, {"a": ""}], False),
        ({"oneOf": [closed, {"type": "null"}]}, None, True),
        ({"oneOf": [closed, {"type": "null"}]}, {"a": None}, False),
        ({"oneOf": [{"type": "string"}, {"minLength": 1}]}, "a", False),
        ({"minimum": 2}, 1, False), ({"maximum": 2}, 3, False), ({"minLength": 2}, "a", False),
        ({"maxLength": 2}, "aaa", False), ({"pattern": "^a$"}, "ab", False),
        ({"minItems": 1}, [], False), ({"minProperties": 1}, {}, False),
    ]
    for schema, value, good in rows:
        assert file.fits(value, schema) == good, (schema, value)
    try:
        file.check(1, {"multipleOf": 2})
    except AssertionError as error:
        assert "multipleOf" in str(error)
    else:
        raise AssertionError("an unknown word was passed over")
