"""Reads pushed values with the readers of aka-stats itself, and writes values of its own to the same Redis.

beside.py read LABEL…          prints {"available": […], "stats": {LABEL: {…}}, "history": {LABEL: […]}, "contexts": {…}}
beside.py write LABEL VALUE…   records values
"""
import asyncio
import json
import sys

from aka_stats import Stats
from aka_stats.async_stats import available_stats, contexts, fetch_stats, stat_history
from aka_stats.redis import async_redis


async def read(labels):
    await async_redis.open_connection()
    stats = {label: await fetch_stats(label) for label in labels}
    history = {label: [entry._asdict() for entry in await stat_history(label)] for label in labels}
    ids = [entry["context_id"] for entries in history.values() for entry in entries if entry["context_id"]]
    found = await contexts(ids) if ids else {}
    return {
        "available": sorted({label async for label in available_stats()}),
        "stats": {label: stat._asdict() if stat else {} for label, stat in stats.items()},
        "history": history,
        "contexts": {key: value.decode() for key, value in found.items()},
    }


command, *arguments = sys.argv[1:]
if command == "read":
    print(json.dumps(asyncio.run(read(arguments))))
else:
    label, *values = arguments
    with Stats() as stat:
        for value in values:
            stat(label, float(value), context="from Python")
