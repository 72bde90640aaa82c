"""Collects and renders counters of many processes as prometheus_client's multiprocess mode does.

Arguments: a directory, and the numbers of files and of counters in each. Prints nanoseconds: the median.
"""
import os
import statistics
import sys
import time

directory, files, counters = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
os.environ["PROMETHEUS_MULTIPROC_DIR"] = directory

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.mmap_dict import MmapedDict, mmap_key
from prometheus_client.multiprocess import MultiProcessCollector

keys = [mmap_key(f"c{i}", f"c{i}_total", [], [], "Help.") for i in range(counters)]
for pid in range(files):
    values = MmapedDict(os.path.join(directory, f"counter_{pid}.db"))
    for key in keys:
        values.write_value(key, float(pid), 0.0)
    values.close()

times = []
for _ in range(3):
    start = time.perf_counter_ns()
    registry = CollectorRegistry()
    MultiProcessCollector(registry)
    text = generate_latest(registry)
    times.append(time.perf_counter_ns() - start)
first = next(line for line in text.decode().splitlines() if line.startswith("c0_total "))
assert float(first.split()[1]) == files * (files - 1) // 2, first
print(statistics.median(times))
