"""Prometheus' text format 0.0.4, read strictly: {family: Family}, each with its type and
{labels: value}, where labels are a tuple of sorted (name, value)."""

import re

SAMPLE = re.compile(r"([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (\S+)$")
LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\["\\n])*)"(,|$)')
ESCAPES = {r"\\": "\\", r"\"": '"', r"\n": "\n"}


class Family:
    def __init__(self, name, kind):
        self.name, self.kind, self.samples = name, kind, {}

    def value(self, **labels):
        """The one sample with these labels, whatever others it has."""
        found = [value for key, value in self.samples.items() if labels.items() <= dict(key).items()]
        assert len(found) == 1, f"{self.name}{labels}: {len(found)} samples"
        return found[0]

    def all(self, **labels):
        return {key: value for key, value in self.samples.items()
                if labels.items() <= dict(key).items()}


def labels_of(text):
    labels, at = [], 0
    while at < len(text):
        match = LABEL.match(text, at)
        assert match, f"no label: {text[at:]!r}"
        labels.append((match[1], re.sub(r"\\.", lambda m: ESCAPES[m[0]], match[2])))
        at = match.end()
    assert len(dict(labels)) == len(labels), f"a label twice: {text}"
    return tuple(sorted(labels))


def parse(text):
    families, family = {}, None
    assert text.endswith("\n")
    for line in text.split("\n")[:-1]:
        words = line.split(" ", 3)
        if words[0] == "#":
            name = words[2]
            if words[1] == "HELP":
                assert name not in families, f"{name} comes twice"
                assert words[3].strip(), line
                family = None
            else:
                assert words[1] == "TYPE" and words[3] in ("counter", "gauge", "histogram"), line
                family = families[name] = Family(name, words[3])
            continue
        match = SAMPLE.match(line)
        assert match, f"no sample: {line!r}"
        name, labels, value = match[1], labels_of(match[2] or ""), float(match[3])
        assert family, line
        if family.kind == "histogram":
            assert name in {family.name + end for end in ("_bucket", "_sum", "_count")}, line
        else:
            assert name == family.name, line
        key = labels if name == family.name else labels + (("__name__", name),)
        assert key not in family.samples, f"twice: {line}"
        family.samples[key] = value
    return families


def histograms(family):
    """{labels but le: ([(le, count)...] by rising le, sum, count)}"""
    found = {}
    for key, value in family.samples.items():
        labels = dict(key)
        part = labels.pop("__name__").removeprefix(family.name)
        edge = labels.pop("le", None)
        entry = found.setdefault(tuple(sorted(labels.items())), {"buckets": []})
        if part == "_bucket":
            entry["buckets"].append((float(edge), value))
        else:
            entry[part] = value
    return {key: (sorted(entry["buckets"]), entry["_sum"], entry["_count"])
            for key, entry in found.items()}
