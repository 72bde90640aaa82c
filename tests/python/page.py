"""Judges a page that Prometheus would scrape: `page.py openmetrics|text < page`.

Reads it with the parsers of prometheus_client, looks for duplicate samples, which these do not detect, and prints the
samples as JSON: a list of [family, type, sample, labels, value].
"""

import json
import sys

from prometheus_client import parser
from prometheus_client.openmetrics import parser as openmetrics


def main():
    parse = openmetrics if sys.argv[1] == "openmetrics" else parser
    page = sys.stdin.buffer.read().decode("utf-8")
    samples, seen, families = [], set(), set()
    for family in parse.text_string_to_metric_families(page):
        if family.name in families:
            sys.exit(f"the family {family.name} occurs twice")
        families.add(family.name)
        if not family.documentation:
            sys.exit(f"the family {family.name} has no HELP")
        if family.type == "unknown":
            sys.exit(f"the family {family.name} has no TYPE")
        for sample in family.samples:
            key = (sample.name, *sorted(sample.labels.items()))
            if key in seen:
                sys.exit(f"twice: {key}")
            seen.add(key)
            samples.append([family.name, family.type, sample.name, sample.labels, repr(float(sample.value))])
    json.dump(samples, sys.stdout)


main()
