"""Compares what docs/readers/mmstats.py exports through prometheus_client with what `mmstats export` printed.

Arguments: the folder of mmstats.py, the root, and the text of `mmstats export --format prometheus`.
"""
import math
import sys

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

sys.path.insert(0, sys.argv[1])
import mmstats


def samples(text):
    found = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            labels = dict(sample.labels)
            if "le" in labels:
                labels["le"] = float(labels["le"])
            # Without what the agent reports about files and processes.
            if not sample.name.startswith(("mmstats_", "process_")):
                found[sample.name, tuple(sorted(labels.items()))] = family.type, float(sample.value)
    return found


registry = CollectorRegistry()
registry.register(mmstats.Collector(sys.argv[2]))
own = samples(generate_latest(registry).decode())
with open(sys.argv[3], encoding="utf-8") as file:
    tool = samples(file.read())
assert len(tool) > 1000, len(tool)
for key in sorted(own.keys() | tool.keys(), key=str):
    one, two = own.get(key), tool.get(key)
    if one and two and one[0] == two[0] and (one[1] == two[1] or math.isnan(one[1]) and math.isnan(two[1])):
        continue
    print(key, "by the reader:", one, "by the tool:", two)
