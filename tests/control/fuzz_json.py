"""Bodies and parameters that are wrong in one place, made from openapi.json. The server may run as
root: no path here may lead anywhere that matters."""

import copy

WRONG = [None, True, False, 0, -1, 1, 513, 2 ** 31, 2 ** 32, 2 ** 53 + 1, 2 ** 63 - 1, -2 ** 63, 1.5,
         1e300, "", "a", "A", "0", "-1", "é", "a" * 300, "a" * 100000, "../../nowhere/x",
         "/nowhere/at/all", "/dev/null", "%s%n%s", "iqn.2026-11.io.ringlun:\n", "\x7f", "0.0.0.0/0",
         "0x", "[", [], [[]], [None] * 100, {}, {"a": 1}, {"": {}}]
PARAMETERS = ["", "-1", "1.5", "true", "TRUE", "maybe", "é", "999999999999999999999", "0x10", " 1",
              "1 ", "a" * 1000, "%", "\n"]


def example(file, schema, made):
    """A value that the schema takes, with all that it knows; @made: names that are there."""
    schema = file.resolve(schema)
    if "oneOf" in schema:
        kinds = [file.resolve(one) for one in schema["oneOf"]]
        best = [one for one in kinds if one.get("type") == "object"] or kinds
        return example(file, best[0], made)
    kind = schema.get("type")
    kind = kind[0] if isinstance(kind, list) else kind
    if "enum" in schema:
        return schema["enum"][0]
    if kind == "object":
        return {key: made.get(key) if key in made else example(file, value, made)
                for key, value in schema.get("properties", {}).items()}
    if kind == "array":
        return [example(file, schema["items"], made)]
    return {"string": "a", "integer": schema.get("minimum", 0), "boolean": False}.get(kind)


def places(value, at=()):
    """The way to each value inside."""
    yield at
    inside = value.items() if isinstance(value, dict) else \
        enumerate(value) if isinstance(value, list) else ()
    for key, one in inside:
        yield from places(one, (*at, key))


def put(value, at, new):
    if not at:
        return new
    value = copy.deepcopy(value)
    inner = value
    for key in at[:-1]:
        inner = inner[key]
    inner[at[-1]] = new
    return value


def drop(value, at):
    value = copy.deepcopy(value)
    inner = value
    for key in at[:-1]:
        inner = inner[key]
    del inner[at[-1]]
    return value


def get(value, at):
    for key in at:
        value = value[key]
    return value


def bodies(value):
    """(what was done, body)"""
    for at in places(value):
        where = ".".join(map(str, at)) or "all"
        for wrong in WRONG:
            yield f"{where} = {str(wrong)[:40]}", put(value, at, wrong)
        if at:
            yield f"{where} left out", drop(value, at)
        inner = get(value, at)
        if isinstance(inner, dict):
            yield f"{where} with an unknown key", put(value, at, {**inner, "unknown": 1})
        if isinstance(inner, list) and inner:
            yield f"{where} twice", put(value, at, inner * 2)
            yield f"{where} 2,000 times", put(value, at, inner * 2000)
