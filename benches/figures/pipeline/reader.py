"""Reads bpftrace's JSON, asks five things of each event as the callback does, and says how many of what there were
they held for, and how many nanoseconds passed between the first and the last."""

import json
import sys
import time

events = hits = 0
first = last = 0
for line in sys.stdin:
    # The last one is empty.
    if line == "\n":
        continue
    record = json.loads(line)
    if record["type"] != "value":
        continue
    uid, comm, path, size, access = record["data"]
    if first == 0:
        first = time.monotonic_ns()
    events += 1
    if uid >= 0 and path.startswith("/home/") and comm != "sshd" and size > 4096 and access & 1:
        hits += 1
    if events & 1023 == 0:
        last = time.monotonic_ns()
print(events - events % 1024, hits, last - first)
