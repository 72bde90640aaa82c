#!/usr/bin/env python3
"""Reads the stats files of mmstats, format 3, with nothing but the standard library. Linux, Python 3.8 or later.

    import mmstats

    for series in mmstats.read("/run/app"):
        print(series.model, series.label, series.kind, series.value)
    timer = mmstats.read("/run/app").get("my-app", "response_time")
    print(timer.count, timer.mean, timer.percentiles["99"])          # in seconds

As a program it prints what `mmstats show --json` prints. It exits with 0 if it has read something, 1 if it has read
nothing, and 2 if it was called wrongly.

    python3 mmstats.py [--per-file] [PATH]...      roots, directories of models, or files

For prometheus_client:

    prometheus_client.REGISTRY.register(mmstats.Collector("/run/app"))

It is written from docs/FORMAT.md alone, in the order of its chapters, so that the two can be read side by side. It
copies values in three phases of preadv ("A polling reader, by pread"), so it may read any file, whoever wrote it. It
does not read files of format 1 (python-mmstats) and does not find files by the pid of their writer.
"""

import array
import copy
import errno
import fcntl
import hashlib
import json
import math
import os
import random
import re
import stat
import struct
import sys
import tempfile
import threading
import time
from fractions import Fraction


# --------------------------------------------------------------------------------------------------------------------
# Part I. The container
# --------------------------------------------------------------------------------------------------------------------

# Conventions
# ===========

MOST64, MOST128 = 2**64 - 1, 2**128 - 1


class Malformed(Exception):
    """A file, or a part of it, that cannot be read."""


def need(condition, problem):
    if not condition:
        raise Malformed(problem)


class Cursor:
    """Takes little-endian values from bytes, and never from beyond their end."""

    def __init__(self, data, at=0):
        self.data, self.at = data, at

    def take(self, count):
        need(0 <= count <= len(self.data) - self.at, "%d bytes where %d are left" % (count, len(self.data) - self.at))
        self.at += count
        return self.data[self.at - count:self.at]

    def numbers(self, form):
        return struct.unpack("<" + form, self.take(struct.calcsize("<" + form)))

    def text(self, count):
        return self.take(count).decode("utf-8", "replace")


def floats(words):
    return struct.unpack("<%dd" % len(words), struct.pack("<%dQ" % len(words), *words))


_mutex = threading.Lock()


def fence():
    """An acquire fence: two acquisitions of one mutex in a row ("A polling reader, by pread")."""
    for _ in range(2):
        with _mutex:
            pass


def contents(path):
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()
    except OSError:
        return ""


# Where files are
# ===============

def listing(directory):
    """The entries whose name does not begin with a dot: the name, and whether it is a directory."""
    with os.scandir(directory) as entries:
        return sorted((e.name, e.is_dir(follow_symlinks=False)) for e in entries if not e.name.startswith("."))


def directories(path):
    """Path and root of each model's directory under `path`, which may be such a directory itself."""
    found = listing(path)
    if any(not is_dir and name.startswith("mmstats-") for name, is_dir in found) \
            or (found and not any(is_dir for _, is_dir in found) and not os.path.lexists(os.path.join(path, ".lock"))):
        return [(path, os.path.dirname(path))]
    return [(os.path.join(path, model), path) for model, is_dir in found if is_dir]


def roots(errors):
    """The roots to read if no path is given. Problems with a root go to `errors`."""
    if os.environ.get("MMSTATS_PATH"):
        return [os.path.abspath(os.environ["MMSTATS_PATH"])]
    uid, runtime = os.geteuid(), os.environ.get("XDG_RUNTIME_DIR", "")

    def is_own(found):
        return stat.S_ISDIR(found.st_mode) and found.st_uid == uid and not found.st_mode & 0o022

    candidates = ["/dev/shm/mmstats-%d" % uid, os.path.join(tempfile.gettempdir(), "mmstats-%d" % uid)]
    if os.path.isabs(runtime) and os.path.isdir(runtime) and is_own(os.stat(runtime)):
        candidates.insert(0, os.path.join(runtime, "mmstats"))
    found = []
    for path in candidates:
        if not os.path.lexists(path):
            continue
        if is_own(os.lstat(path)):
            found.append(path)
        else:
            errors.append({"path": path, "error": "not a directory that this user owns and no other user may write to"})
    return found


# The file
# ========

# A flag of the header: the lock is pinned.
PINNED = 1
PASSES = 8


class File:
    """A stats file, read once."""

    def __init__(self, path, root):
        self.path, self.root, self.problems, self.busy = path, root, [], []
        flags = os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC
        try:
            self.descriptor = os.open(path, flags)
        except OSError as error:
            if error.errno == errno.ENOENT:
                raise
            raise Malformed("cannot open it: %s" % error.strerror) from error
        try:
            found = os.fstat(self.descriptor)
            need(stat.S_ISREG(found.st_mode), "not a regular file")
            self.length, self.owner_uid = found.st_size, found.st_uid
            self.node, self.is_copy = (found.st_dev, found.st_ino), False
            self.read_header()
            for _ in range(PASSES):
                self.budget = 16 * 512 * os.fstat(self.descriptor).st_blocks + (1 << 20)
                self.problems, self.busy = [], []
                committed = self.read_records()
                read_values(self)
                # A polling reader, by pread: a copied reference may lead to a context in a record added since.
                fence()
                if self.words(32, 1)[0] == committed:
                    break
        finally:
            os.close(self.descriptor)

    def words(self, at, count):
        """`count` words from offset `at`: one call, aligned in the file and in memory."""
        buffer = array.array("Q", bytes(8 * count))
        got = os.preadv(self.descriptor, [buffer], at) if count else 0
        need(got == 8 * count, "cut short while it was read")
        return buffer

    def bytes(self, at, count):
        return self.words(at, -(-count // 8)).tobytes()[:count]

    def charge(self, count):
        self.budget -= count
        need(self.budget >= 0, "out of proportion to the space that the file takes")

    def read_header(self):
        need(self.length >= 152, "too short for a header")
        start = self.bytes(0, 32)
        need(start[:8] == b"\x03mmstats", "not a stats file of format 3")
        self.header_length, flags, incompatible, _ = struct.unpack("<IIQQ", start[8:32])
        self.pinned = bool(flags & PINNED)
        need(incompatible == 0, "incompatible features %#x" % incompatible)
        need(self.header_length % 8 == 0 and 152 <= self.header_length <= min(196608, self.length), "bad header length")
        header = Cursor(self.bytes(0, self.header_length), 48)
        (self.created, self.pid, self.tid, self.uid, self.gid, self.start_time, self.boot_id, self.pid_namespace,
         self.token, self.device, self.inode, self.machine_id, model, exe, strings,
         _) = header.numbers("QIIIIQ16sQQQQ16sHHHH")
        self.tid_created = self.tid
        # Files of earlier versions do not have it; fields of later versions follow it, before the strings.
        self.time_namespace, = struct.unpack("<Q", header.take(strings - header.at)[:8].ljust(8, b"\0"))
        self.model, self.exe = header.text(model), header.text(exe)
        need(self.model, "a model without a name")

    def read_records(self):
        committed, owner = self.words(32, 2)
        fence()  # the records are read after the length that covers them
        self.tid, self.owner_state = owner & 0xFFFFFFFF, owner >> 32 & 0xFF
        if committed > self.length:
            self.length = os.fstat(self.descriptor).st_size
        need(self.header_length <= committed <= self.length, "committed length %d of %d" % (committed, self.length))
        self.schemas, self.instances, self.retired, self.contexts = {}, [], None, []
        self.notes, self.generations, self.descriptions = [], [], {}
        at = self.header_length
        try:
            while at < committed:
                need(committed - at >= 8, "a record at %d beyond the end" % at)
                length, kind, flags = struct.unpack("<IHH", self.bytes(at, 8))
                need(length >= 8 and length % 8 == 0 and length <= committed - at,
                     "record at %d of %d bytes" % (at, length))
                if kind in RECORDS:
                    RECORDS[kind](self, at, length, flags)
                else:
                    need(flags & 1 == 0, "the record at %d must be understood" % at)
                at += length
        except Malformed as problem:
            self.problems.append(str(problem))  # the records before it are used
        return committed

    def process(self):
        return self.pid, self.start_time, self.boot_id, self.pid_namespace, self.token

    def name(self):
        """Its name in a retired file."""
        return self.created, self.token, self.start_time, self.pid, self.tid_created


# Records
# =======

SCHEMA, INSTANCE, OCTAVE, RETIRED, EXTENT, NOTE, DESCRIPTION = 1, 2, 3, 4, 6, 7, 8
HAS_GENERATION = 2
LABELS_MOST, NOTES_MOST = 64, 16
RULES = range(5)
SCALARS = {1: "B", 2: "H", 3: "I", 4: "Q", 5: "b", 6: "h", 7: "i", 8: "q", 9: "f", 10: "d", 11: "B"}
BOOL, TEXT = 11, 12
# Schemas, and the labels of instances, that have been decoded: the files of a model usually have the same ones.
DECODED, DECODED_MOST = {}, 4096


def decoded(key, decode):
    """The result of `decode`, which is called once for each key."""
    found = DECODED.get(key)
    if found is None:
        if len(DECODED) >= DECODED_MOST:
            DECODED.clear()
        found = DECODED[key] = decode()
    return found


class Entry:
    """Records, Metric entry and Field."""

    def __init__(self, entry, block):
        (self.kind, self.scalar, self.rule, self.offset, self.buffers, self.words, self.plain, fields,
         self.parameter, label, unit, help_, counters) = entry.numbers("4xHBBIHHHHIHHHH")
        if not self.is_known():
            return  # of a later version
        need(self.buffers == 0 or self.buffers in (2, 4, 8, 16, 32, 64), "%d buffers" % self.buffers)
        self.slot_words = 1 + self.buffers * self.words if self.buffers else 0
        self.total = self.slot_words + self.plain
        need(self.offset % 8 == 0 and self.offset + 8 * self.total <= block, "a metric outside its block")
        self.label, self.unit, self.help = entry.text(label), entry.text(unit), entry.text(help_)
        need(self.rule in RULES, "%s has an unknown merge rule" % self.label)
        self.fields = []
        for _ in range(fields):
            scalar, rule, count, offset, name = entry.numbers("BBHHH")
            name = entry.text(name)
            need(scalar in SCALARS, "field %s has an unknown type" % name)
            need(rule in RULES, "field %s has an unknown merge rule" % name)
            end = offset + struct.calcsize("<" + SCALARS[scalar]) * max(count, 1)
            need(end <= 8 * self.words, "field %s is outside the value" % name)
            self.fields.append((name, scalar, rule, count, offset))
        self.counters = {entry.numbers("H")[0] for _ in range(counters if fields else 0)}
        need(all(number < fields for number in self.counters), "a counter that is no field")

    def is_known(self):
        return 0 < self.kind < len(KINDS) and KINDS[self.kind] is not None

    def of(self, identity, exported):
        """A copy for one instance, with its group or labels; and with what exporters put before the name of the
        metric, and their key of the group."""
        metric = copy.copy(self)
        metric.identity, (metric.prefix, metric.group_key) = identity, exported
        return metric


def schema_record(file, at, length, _):
    file.charge(4 * length)
    data = file.bytes(at, length)
    block, metrics, problems = decoded(data, lambda: schema_of(data))
    file.problems += problems
    file.schemas[at] = block, metrics


def schema_of(data):
    """Records, Schema record: block, valid metrics, and what is wrong with the others."""
    record = Cursor(data, 8)
    block, count, name, help_, type_, export = record.numbers("IIHHHH")
    need(block % 8 == 0, "a block of %d bytes" % block)
    record.take(name + help_ + type_)
    record.take(-record.at % 8)
    metrics, problems, room, before = [], [], block // 8, None
    for _ in range(count):
        size, = struct.unpack_from("<I", record.data[record.at:record.at + 4].ljust(4, b"\0"))
        need(size >= 32, "an entry of %d bytes" % size)
        entry, of, before = Cursor(record.take(size)), before, None
        try:
            metric = Metric(entry, block)
            if not metric.is_known():
                continue  # of a later version: no reason to complain
            metric.check()
            need(KINDS[metric.kind] != "window" or metric.is_window_of(of),
                 "%s: a window that does not follow the metric it belongs to" % metric.label)
            need(metric.total <= room, "%s overlaps other metrics" % metric.label)
        except Malformed as problem:
            problems.append(str(problem))  # costs only this metric
            continue
        room -= metric.total
        metrics.append(metric)
        before = metric
    prefix = record.text(export - 1) if export else None
    for metric in metrics:
        metric.export = prefix
    return block, metrics, problems


def within(at, length, texts, place, size):
    need(place % 64 == 0 and at + texts <= place and place + size <= at + length,
         "values outside the record at %d" % at)


# Stands for the texts of an instance that was removed or whose texts are invalid.
GONE = None, "", {}, ()


def instance_record(file, at, length, flags):
    need(length >= 24, "a short record at %d" % at)
    schema, place = struct.unpack("<II", file.bytes(at, 16)[8:])
    need(schema in file.schemas, "no schema at %d" % schema)
    block, metrics = file.schemas[schema]
    within(at, length, 32 if flags & HAS_GENERATION else 24, place, block)
    if not flags & HAS_GENERATION:
        texts = texts_of(file, at, length, place, metrics)
    else:
        # Groups that come and go: the first read of the generation, and then the texts.
        generation = file.words(place - 8, 1)[0]
        fence()
        if generation % 2:
            file.instances.append((place, block, GONE, metrics, {}, {}))
            return  # removed: its values are not read, but its octaves and extents are checked
        try:
            texts = texts_of(file, at, place - 8 - at, place, metrics)
        except Malformed as problem:
            fence()
            if file.words(place - 8, 1)[0] == generation:
                file.problems.append(str(problem))
            file.instances.append((place, block, GONE, metrics, {}, {}))
            return
        file.generations.append((len(file.instances), place - 8, generation))
    prefix, suffix, _, _ = texts
    file.charge(block + sum(len(metric.label) + len(prefix) + len(suffix) + 64 for metric in metrics))
    file.instances.append((place, block, texts, metrics, {}, {}))


def texts_of(file, at, length, place, metrics):
    """The prefix and suffix of an instance's labels, its identity, and its metrics by label, from the first `length`
    bytes of its record."""
    prefix, group, pairs = struct.unpack("<HHI", file.bytes(at, 24)[16:])
    table = 24 + prefix + group
    need(pairs <= LABELS_MOST and table + 4 * pairs <= length, "a short record at %d" % at)
    lengths = struct.unpack("<%dH" % (2 * pairs), file.bytes(at, table + 4 * pairs)[table:])
    texts = table + 4 * pairs + sum(lengths)
    need(texts <= length, "a short record at %d" % at)
    need(at + texts <= place, "values outside the record at %d" % at)
    # The cached result keeps `metrics` alive, so that its id stays unique.
    data = file.bytes(at, texts)[16:]
    return decoded((id(metrics), data), lambda: (*instance_texts(data, at, metrics), metrics))[:4]


def instance_texts(data, at, metrics):
    """Records, Instance record, from byte 16 on: prefix and suffix of labels, the identity, and metrics by label."""
    cursor = Cursor(data)
    prefix, group, pairs = cursor.numbers("HHI")
    prefix, group = cursor.text(prefix), cursor.text(group)
    lengths = cursor.numbers("%dH" % (2 * pairs))
    labels = [(cursor.text(key), cursor.text(value)) for key, value in zip(lengths[::2], lengths[1::2])]
    keys = [key.encode() for key, _ in labels]
    need(all(a < b for a, b in zip([b""] + keys, keys)), "labels out of order at %d" % at)
    suffix = "" if group else labels_text(labels)
    exported = prefix, labels[0][0] if group and labels else "group"
    prefix += group + "." if group else ""
    need(suffix or all(whole_label(prefix, metric.label) for metric in metrics), "a metric without a label at %d" % at)
    # Beside a group, the key of the label is only the exporters' name for the group.
    identity = {"group": group} if group else {"labels": dict(labels)} if labels else {}
    named = []
    for metric in metrics:
        is_window = KINDS[metric.kind] == "window"
        label = named[-1][0] + OF_WINDOW if is_window else whole_label(prefix, metric.label) + suffix
        named.append((label, metric.of(identity, exported)))
    return prefix, suffix, identity, named


def labels_text(labels):
    """Records, Instance record."""
    def escaped(value):
        return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return "{%s}" % ",".join('%s="%s"' % (key, escaped(value)) for key, value in labels) if labels else ""


def whole_label(prefix, label):
    """Records, Instance record."""
    return prefix + label if label else prefix[:-1] if prefix.endswith(".") else prefix


def octave_record(file, at, length, _):
    need(length >= 24, "a short record at %d" % at)
    owner, octave, place, count = struct.unpack("<IIII", file.bytes(at, 24)[8:])
    within(at, length, 24, place, 8 * count)
    for block, size, _, metrics, octaves, _ in file.instances:
        if not block <= owner < block + size:
            continue
        for index, metric in enumerate(metrics):
            if block + metric.offset == owner and metric.layout():
                layout, most = metric.layout()
                need(count == layout.h and octave < most, "octave %d with %d counts" % (octave, count))
                file.charge(8 * count)
                octaves.setdefault(index, []).append((octave, place, count))
                return


def extent_record(file, at, length, _):
    """Space of a metric, or of a context."""
    need(length >= 32, "a short record at %d" % at)
    owner, number, place, cells, buffers, words, plain = struct.unpack("<IIIIHHI", file.bytes(at, 32)[8:])
    need(buffers in (1, 2, 4, 8, 16, 32, 64), "cells of %d buffers" % buffers)
    within(at, length, 32, place, 8 * (cells * (1 + buffers * words) + plain))
    piece = number, place, cells, buffers, words
    if owner == 0 and (cells, buffers, plain) == (1, 1, 0) and words > 0:
        file.charge(32 * words)
        file.contexts.append(piece)
    for block, size, _, metrics, _, pieces in file.instances if owner else ():
        if not block <= owner < block + size:
            continue
        for index, metric in enumerate(metrics):
            name = KINDS[metric.kind]
            n, fewest, most = CELLS.get(name, (0, 0, 0))
            if block + metric.offset == owner and buffers == n and fewest <= words <= most \
                    and plain == 0 and (cells == 1 or name == "history") \
                    and (name in ("history", "errors") or number >> 31):
                file.charge(32 * (cells * (1 + words) + plain))
                pieces.setdefault(index, []).append(piece)


def note_record(file, at, length, _):
    if len(file.notes) == 16:
        return
    file.charge(4 * length)
    record = Cursor(file.bytes(at, length), 8)
    cause, text, _ = record.numbers("HHI")
    file.notes.append((cause, record.text(text)))


def description_record(file, at, length, _):
    file.charge(4 * length + 64)
    record = Cursor(file.bytes(at, length), 8)
    time_, kind, label, unit, help_ = record.numbers("QHHHH")
    label, unit, help_ = record.text(label), record.text(unit), record.text(help_)
    describe(file.descriptions, {(kind, label): (time_, unit, help_)})


def describe(known, more):
    """Description record: the latest one counts; of several with the same time, the first."""
    for what, said in more.items():
        if what not in known or known[what][0] < said[0]:
            known[what] = said


# The slot protocol
# =================

TRIES, TRIES_PER_FILE, TRIES_OF_CELL = 4_000, 256_000, 64


def is_whole(first, second, buffers):
    """Whether the copy made between two reads of the sequence is publication first // 2."""
    return (second - first // 2 * 2) % 2**64 <= 2 * (buffers - 1)


def try_slot(file, sequence, buffers, words):
    """A polling reader, by pread, of one slot: the number and the words of its publication, or None if it was written
    too fast."""
    time.sleep(random.random() * 2e-6)
    first, = file.words(sequence, 1)
    fence()
    found = file.words(sequence + 8 + first // 2 % buffers * 8 * words, words)
    fence()
    second, = file.words(sequence, 1)
    return (first // 2, list(found)) if is_whole(first, second, buffers) else None


def read_cells(file, piece):
    """A polling reader, by pread, of the cells of an extent: number and words of each publication. The number is 0 if
    there is none; instead of the pair there is None if the cell was written too fast."""
    _, place, cells, buffers, words = piece
    size = 1 + buffers * words
    firsts = file.words(place, cells * size)
    fence()
    data = file.words(place, cells * size)
    fence()
    seconds = file.words(place, cells * size)
    found = []
    for at in range(0, cells * size, size):
        start = at + 1 + firsts[at] // 2 % buffers * words
        cell, tried = None, 1
        if is_whole(firsts[at], seconds[at], buffers):
            cell = firsts[at] // 2, list(data[start:start + words])
        while cell is None and tried < TRIES_OF_CELL:
            cell, tried = try_slot(file, place + 8 * at, buffers, words), tried + 1
        # Numbered cells: an entry that is being overwritten is gone.
        found.append((0, ()) if cell is None and buffers == 1 else cell)
    return found


# Contexts
# ========

LOST = object()


def read_contexts(file):
    """Contexts: read after everything that may refer to them."""
    places = {}
    for piece in file.contexts:
        places.setdefault(piece[0], read_cells(file, piece)[0])

    def context(reference):
        if reference == 0:
            return None
        published, words = places.get((reference & 0xFFFFFFFF) - 1, (0, ()))
        if reference == MOST64 or not published or reference >> 32 != published % 2**32:
            return LOST
        size = words[0] & 0xFFFFFFFF
        return struct.pack("<%dQ" % (len(words) - 1), *words[1:])[:size]

    return context


def context_id(context):
    """Contexts: the id of the bytes; empty if there is no context, None if it is lost."""
    return None if context is LOST else "" if context is None else hashlib.md5(context).hexdigest()


# Retired files
# =============

def retired_record(file, at, length, _):
    """How many files were folded, and the names of those that the record lists."""
    file.charge(4 * length)
    record = Cursor(file.bytes(at, length), 8)
    folds, count, _ = record.numbers("QII")
    names = set()
    for _ in range(count):
        name = record.numbers("QQQII")
        length, = record.numbers("H")
        record.take(length)
        record.take(-record.at % 8)
        names.add(name)
    file.retired = folds, names


RECORDS = {SCHEMA: schema_record, INSTANCE: instance_record, OCTAVE: octave_record, RETIRED: retired_record,
           EXTENT: extent_record, NOTE: note_record, DESCRIPTION: description_record}


# --------------------------------------------------------------------------------------------------------------------
# Part II. The kinds
# --------------------------------------------------------------------------------------------------------------------

# Kinds
# =====

KINDS = ["", "counter", "updown", "gauge", "flag", "text", "constant", "timer", "percentile", "compound",
         "summary", "average", "movingaverage", "samplingcounter", "history", "errors", "window", "floats"]
# Words of a buffer, and plain words; None if the parameter determines them.
SLOTS = {"floats": (10, 65), "summary": (10, 1), "average": (3, 0), "movingaverage": (3, None),
         "samplingcounter": (2, 1)}
# Cells of the extents of a kind: buffers, and the minimum and maximum number of words of each.
CELLS = {"history": (1, 3, 3), "errors": (2, 6, 65535), "timer": (2, 3, 3), "percentile": (2, 3, 3),
         "floats": (2, 3, 3)}


class Metric(Entry):
    """A metric entry, by the table of kinds."""

    def check(self):
        """The table of kinds."""
        name = KINDS[self.kind]
        slot = self.buffers > 0
        if name in ("timer", "percentile"):
            need(1 <= self.parameter <= 5, "%d digits" % self.parameter)
            good = slot and self.words >= 8 and self.plain == Layout(self.parameter).octaves
        elif name == "compound":
            size = sum(struct.calcsize("<" + SCALARS[scalar]) * max(count, 1) for _, scalar, _, count, _ in self.fields)
            good = slot and 1 <= self.words <= 64 and self.plain == 0 and self.fields and size <= 8 * self.words
        elif name in SLOTS:
            words, plain = SLOTS[name]
            plain = self.parameter if plain is None else plain
            good = slot and self.words == words and self.plain == plain and (name != "movingaverage" or plain > 0) \
                and (name != "floats" or 1 <= self.parameter <= 5)
        elif name == "errors":
            good = self.buffers == 0 and self.words == 0 and self.plain == 4
        elif name == "window":
            step = self.step()
            good = slot and step and self.words == (COUNTED + 1) * (1 + step.words) \
                and self.plain == 1 + (COUNTED + 1) * step.plain
        elif name == "text":
            good = slot and self.words >= 1 and self.plain == 0
        elif name == "constant" and self.scalar == TEXT:
            good = not slot and self.words == 0 and self.plain >= 1
        else:
            good = self.buffers == 0 and self.words == 0 and self.plain == 1
            if name in ("gauge", "constant"):
                good = good and self.scalar in SCALARS and (self.scalar != BOOL or name == "constant")
            if name == "history":
                good = good and self.scalar == 10
        need(good, "%s: not the form of a %s" % (self.label, name))

    def layout(self):
        """The layout of the buckets and the greatest number of octaves; None if the metric is no distribution."""
        name = KINDS[self.kind]
        if name in ("timer", "percentile"):
            return Layout(self.parameter), Layout(self.parameter).octaves
        if name == "floats":
            return Layout(self.parameter), Floats.OCTAVES
        step = self.step() if name == "window" else None
        if step and step.plain:
            layout, octaves = step.layout()
            return layout, (COUNTED + 1) * octaves
        return None

    def step(self):
        """Window: the metric of one step, or None if there is none."""
        kind, digits = self.parameter & 0xFF, self.parameter >> 8
        step = Metric.__new__(Metric)
        step.kind, step.parameter, step.buffers, step.unit = kind, digits, self.buffers, self.unit
        step.label, step.identity = self.label, {}
        name = KINDS[kind] if kind < len(KINDS) else None
        if name in ("counter", "summary"):
            step.words, step.plain = {"counter": 2, "summary": 10}[name], 0
        elif name in ("timer", "percentile") and 1 <= digits <= 5:
            step.words, step.plain = 8, Layout(digits).octaves
        elif name == "floats" and 1 <= digits <= 5:
            step.words, step.plain = 10, Floats.RANGES
        else:
            return None
        return step

    def is_window_of(self, metric):
        return metric and self.label == metric.label + WINDOW and self.step().kind == metric.kind

    def decode(self, words, octaves, now=None, of=None, retired=False):
        """The value: an int, float, bool or str, an object such as a Distribution, or a list with one item (a number
        or a list of numbers) for each field. `now` is the time by the writer's clock, if it is known; `of` is the
        value of the metric that a window belongs to."""
        name = KINDS[self.kind]
        if name == "window":
            return Window(self.step(), words, octaves, now, of)
        raw = struct.pack("<%dQ" % len(words), *words)
        if name in ("timer", "percentile"):
            moments, coarse = words[:8], words[self.words:]  # later versions may have words in between
            value = Distribution(self.parameter, moments, coarse, octaves)
            if retired:
                value.last = None  # Timer and Percentile, Moments
            return value
        if name == "summary":
            return Summary(words)
        if name == "floats":
            return Floats(self.parameter, words, octaves)
        if name in ("average", "movingaverage"):
            return Average(words)
        if name == "samplingcounter":
            return Sampled(words[0], floats(words[1:2])[0])
        if name == "compound":
            value = []
            for _, scalar, _, count, offset in self.fields:
                numbers = list(struct.unpack_from("<%d%s" % (max(count, 1), SCALARS[scalar]), raw, offset))
                value.append(numbers if count else numbers[0])
            return value
        if name == "text" or (name == "constant" and self.scalar == TEXT):
            return raw[8:8 + words[0]].decode("utf-8", "replace")
        if name == "counter":
            return words[0]
        if name == "updown":
            return struct.unpack("<q", raw)[0]
        if name == "flag" or (name == "constant" and self.scalar == BOOL):
            return words[0] != 0
        return struct.unpack_from("<" + SCALARS[self.scalar], raw)[0]

    def decode_extents(self, words, cells, context):
        """The value of a History or Errors; `cells` are the cells of its extents."""
        if KINDS[self.kind] == "history":
            return History(self.parameter, words[0], cells, context)
        entries = [entry for published, entry in cells if published]
        return Errors(words, [(*what_error(entry[4:]), (*entry[:3], context(entry[3]))) for entry in entries])

    def nothing(self):
        name = KINDS[self.kind]
        if name == "window":
            return Window(self.step())
        if name in ("timer", "percentile"):
            return Distribution(self.parameter)
        if name == "floats":
            return Floats(self.parameter)
        if name in SLOTS:
            return {"summary": Summary, "samplingcounter": Sampled}.get(name, Average)()
        if name in CELLS:
            return History(self.parameter) if name == "history" else Errors()
        if name == "compound":
            return [[0] * count if count else 0 for _, _, _, count, _ in self.fields]
        return {"flag": False, "text": ""}.get(name, 0)

    def named(self, descriptions=()):
        """JSON: the part that does not depend on the value."""
        name = KINDS[self.kind]
        described = descriptions[self.kind, self.label][1] if (self.kind, self.label) in descriptions else self.unit
        shown = {"kind": "percentile" if name == "floats" else name, "metric": self.label, **self.identity}
        unit = "seconds" if name == "timer" else described
        return {**shown, "unit": unit} if unit else shown

    def as_json(self, value, descriptions=()):
        name, shown = KINDS[self.kind], self.named(descriptions)
        if name in ("timer", "percentile"):
            shown.update(value.as_json(10**9 if name == "timer" else 1))
        elif name in SLOTS or name in CELLS:
            shown.update(value.as_json())
        elif name == "window":
            shown.update(value.as_json(), of=KINDS[self.parameter & 0xFF])
        elif name == "compound":
            shown["value"] = {field[0]: number for field, number in zip(self.fields, value)}
        else:
            shown["value"] = value
        return shown


def add(counts, key, n):
    counts[key] = min(counts.get(key, 0) + n, MOST64)


# Timer and Percentile
# ====================

# Percentiles in thousandths, and their names in the output.
PERCENTILES = [(500, "50"), (750, "75"), (900, "90"), (950, "95"), (990, "99"), (999, "99.9")]


class Layout:
    """Buckets."""

    def __init__(self, digits):
        self.k = (2 * 10**digits - 1).bit_length()
        self.h = 2 ** (self.k - 1)
        self.octaves = 66 - self.k

    def octave_of(self, value):
        return 0 if value < self.h else value.bit_length() - 1 - (self.k - 1) + 1

    def bucket_of(self, value):
        octave = self.octave_of(value)
        return octave, value if octave == 0 else (value >> (octave - 1)) - self.h

    def bounds(self, octave, bucket=None):
        """Least and greatest value of a bucket, or of a whole octave."""
        first, last = (bucket, bucket) if bucket is not None else (0, self.h - 1)
        if octave == 0:
            return first, last
        width = 2 ** (octave - 1)
        return (self.h + first) * width, (self.h + last + 1) * width - 1


class Distribution:
    """Timer and Percentile."""

    def __init__(self, digits, words=(0,) * 8, coarse=(), octaves=()):
        self.digits, self.layout = digits, Layout(digits)
        self.count = words[0]
        self.total = words[1] | words[2] << 64
        self.squares = words[3] | words[4] << 64
        self.min, self.max, self.last = MOST64 - words[5], words[6], words[7]
        if not self.min <= self.last <= self.max:
            self.last = None
        if self.count == 0:
            self.min = self.max = self.last = None
        self.coarse = {o: n for o, n in enumerate(coarse) if n}
        self.buckets, self.exemplars = {}, Exemplars()
        for octave, counts in octaves:
            for bucket, n in enumerate(counts):
                if n:
                    add(self.buckets, (octave, bucket), n)

    def copy(self):
        copy = Distribution(self.digits)
        copy.__dict__.update({name: type(x)(x) if isinstance(x, dict) else x for name, x in self.__dict__.items()})
        return copy

    def merge(self, other):
        """Timer and Percentile, Merged moments and buckets. May coarsen `other`."""
        digits = min(self.digits, other.digits)
        self.coarsen(digits)
        other.coarsen(digits)
        self.last = self.last if other.count == 0 else other.last if self.count == 0 else None
        self.count = min(self.count + other.count, MOST64)
        self.total = min(self.total + other.total, MOST128)
        self.squares = min(self.squares + other.squares, MOST128)
        self.min = min((x for x in (self.min, other.min) if x is not None), default=None)
        self.max = max((x for x in (self.max, other.max) if x is not None), default=None)
        for own, others in ((self.coarse, other.coarse), (self.buckets, other.buckets)):
            for key, n in others.items():
                add(own, key, n)
        for magnitude, exemplar in other.exemplars.items():
            self.exemplars.enter(magnitude, exemplar)

    def coarsen(self, digits):
        if digits == self.digits:
            return
        fine, self.digits, self.layout = self.layout, digits, Layout(digits)
        buckets, self.buckets = self.buckets, {}
        for place, n in buckets.items():
            add(self.buckets, self.layout.bucket_of(fine.bounds(*place)[0]), n)
        coarse, self.coarse = self.coarse, {}
        for octave, n in coarse.items():
            low, high = fine.bounds(octave)
            add(self.coarse, self.layout.octave_of(low + (high - low) // 2), n)

    def ascending(self):
        """Least value, greatest value and count of each nonempty bucket; in each octave the coarse count is first."""
        places = [((o, -1), self.layout.bounds(o), n) for o, n in self.coarse.items()]
        places += [(place, self.layout.bounds(*place), n) for place, n in self.buckets.items()]
        return [(low, high, n) for _, (low, high), n in sorted(places)]

    def percentiles(self):
        ascending = self.ascending()
        n = min(sum(count for _, _, count in ascending), MOST64)
        found = {}
        for thousandths, name in PERCENTILES:
            found[name] = None
            rank, seen = max(1, -(-thousandths * n // 1000)), 0
            for low, high, count in ascending:
                seen += count
                if seen >= rank:
                    value = low + (high - low) // 2
                    if self.min is not None and self.min <= self.max:
                        value = min(max(value, self.min), self.max)
                    found[name] = value
                    break
        return found

    def mean(self):
        return self.total / self.count if self.count else None

    def deviation(self):
        if self.count < 2:
            return 0 if self.count else None
        if self.squares == MOST128:
            mean, n, squares = self.mean(), 0, 0.0
            for low, high, count in self.ascending():
                n += count
                squares += count * ((low + high) / 2 - mean) ** 2
            return math.sqrt(squares / (n - 1)) if n > 1 else 0
        difference = max(0, self.count * self.squares - self.total * self.total)
        # Integers up to here; the quotient of integers is rounded once.
        return math.sqrt(difference / (self.count * (self.count - 1)))

    def as_json(self, divisor):
        # The nearest double, divided by 10⁹.
        scaled = lambda x: None if x is None else x if divisor == 1 else float(x) / 1e9
        shown = {"count": self.count, "total": scaled(self.total), "mean": scaled(self.mean()),
                 "stddev": scaled(self.deviation()), "min": scaled(self.min), "max": scaled(self.max),
                 "last": scaled(self.last)}
        shown["percentiles"] = {name: scaled(value) for name, value in self.percentiles().items()}
        return {**shown, **self.exemplars.as_json(scaled)}


class Exemplars(dict):
    """Timer and Percentile, Exemplars: time, value and context, by magnitude."""

    def enter(self, magnitude, exemplar):
        if magnitude not in self or self[magnitude][0] < exemplar[0]:
            self[magnitude] = exemplar

    def read(self, cells, context, is_float):
        for published, (time_, bits, reference) in cells:
            magnitude, value = bits.bit_length(), bits
            if is_float:
                octave, value = bits >> 52, floats([bits])[0]
                magnitude = octave | 2048 if octave < 2048 else 4095 - octave
            if published and math.isfinite(value):
                self.enter(magnitude, (time_, value, context(reference)))

    def as_json(self, scaled):
        def text(context):
            return None if context in (None, LOST) else context.decode("utf-8", "replace")

        shown = [{"timestamp": time_ / 1e9, "value": scaled(value), "context": text(context)}
                 for _, (time_, value, context) in sorted(self.items(), key=lambda item: item[0])]
        return {"exemplars": shown} if shown else {}


# FloatPercentile
# ===============

class Floats:
    """FloatPercentile."""

    RANGES, OCTAVES = 64, 4096

    def __init__(self, digits, words=(0,) * 75, octaves=()):
        self.digits, self.h = digits, Layout(digits).h
        self.moments = Summary([*words[:10], words[10 + self.RANGES] if len(words) > 10 + self.RANGES else 0])
        self.coarse = {n: count for n, count in enumerate(words[10:10 + self.RANGES]) if count}
        self.octaves, self.exemplars = {}, Exemplars()
        for octave, counts in octaves:
            for bucket, count in enumerate(counts):
                if count:
                    add(self.octaves, (octave, bucket), count)

    def copy(self):
        copy = Floats(self.digits)
        copy.h, copy.moments = self.h, self.moments.copy()
        copy.coarse, copy.octaves = dict(self.coarse), dict(self.octaves)
        copy.exemplars = Exemplars(self.exemplars)
        return copy

    def merge(self, other):
        both = self.moments.count > 0 and other.moments.count > 0
        self.moments.merge(other.moments)
        if both:
            self.moments.last = math.nan
        h = min(self.h, other.h)
        merged = {}
        for one in (self, other):
            for (octave, bucket), count in one.octaves.items():
                add(merged, (octave, bucket * h // one.h), count)
        self.h, self.octaves = h, merged
        for key, count in other.coarse.items():
            add(self.coarse, key, count)
        for magnitude, exemplar in other.exemplars.items():
            self.exemplars.enter(magnitude, exemplar)

    def ascending(self):
        def order(octave, bucket, is_octave):
            return (-1, -octave, is_octave, -bucket) if octave >= 2048 else (1, octave, is_octave, bucket)

        found = []
        for (octave, bucket), count in self.octaves.items():
            width = 2**52 // self.h
            first = octave * 2**52 + bucket * width
            found.append((order(octave, bucket, 1), first, first + width - 1, count))
        for number, count in self.coarse.items():
            octaves = range(64 * number, 64 * number + 64)
            last = octaves[-1] - (octaves[-1] % 2048 == 2047)
            # Before all octaves of the range; below 0 the last octave is the first one in ascending order.
            begin = octaves[-1] if number >= 32 else octaves[0]
            found.append((order(begin, 0, 0), octaves[0] * 2**52, last * 2**52 + 2**52 - 1, count))
        return [(a, b, count) for _, a, b, count in sorted(found)]

    def percentiles(self):
        buckets = self.ascending()
        total = min(sum(count for _, _, count in buckets), MOST64)
        shown = {name: None for _, name in PERCENTILES}
        for thousandths, name in PERCENTILES:
            rank, seen = max(1, -(-thousandths * total // 1000)), 0
            for a, b, count in buckets:
                seen = min(seen + count, MOST64)
                if seen >= rank:
                    middle = 0.0 if a % 2**63 == 0 else floats([a + (b - a) // 2])[0]
                    if self.moments.count and self.moments.min <= self.moments.max:
                        middle = max(self.moments.min, min(self.moments.max, middle))
                    shown[name] = middle
                    break
        return shown

    def as_json(self):
        shown = self.moments.as_json()
        del shown["last_time"]
        shown["percentiles"] = self.percentiles()
        return {**shown, **self.exemplars.as_json(lambda value: value)}


# Compound
# ========

def merge_compounds(before, merged, entry, value, files):
    """The value of a later file, merged with the fields of the same names in the earlier files."""
    had = {field[0]: (field[3] > 0, number) for field, number in zip(before.fields, merged)}
    result = []
    for (name, _, rule, count, _), number in zip(entry.fields, value):
        array_before, numbers = had.get(name, (None, None))
        if array_before == (count > 0):
            if count:
                both = [merge_numbers(rule, a, b, files) for a, b in zip(numbers, number)]
                number = both + number[len(both):]
            else:
                number = merge_numbers(rule, numbers, number, files)
        result.append(number)
    return result


# Summary
# =======

def two(words):
    """The exact sum of two floats; if the first one is not finite, that one alone."""
    high, low = floats(words)
    return Fraction(high) + Fraction(low) if math.isfinite(high) and math.isfinite(low) else high


def exact(function):
    """The result of exact arithmetic as a float; None if something has overflowed."""
    try:
        return float(function())
    except (ValueError, OverflowError, TypeError):
        return math.nan


class Summary:
    """Summary, Words of a summary."""

    def __init__(self, words=(0,) * 11):
        self.count, self.last_time, self.rejected = words[0], words[9], words[10]
        self.total = two(words[2:4])
        self.min, self.max, self.last = floats(words[6:9])
        shift, = floats(words[1:2])
        try:
            # Directly about the mean: exact fractions need no shift.
            self.squares = two(words[4:6]) - (self.total - self.count * Fraction(shift)) ** 2 / self.count
        except (ZeroDivisionError, ValueError, OverflowError, TypeError):
            self.squares = math.nan if self.count else Fraction(0)

    def copy(self):
        copy = Summary()
        copy.__dict__.update(self.__dict__)
        return copy

    def merge(self, other):
        """Summary, Two files."""
        self.rejected = min(self.rejected + other.rejected, MOST64)
        if other.count == 0:
            return
        if self.count == 0:
            self.__dict__.update(other.__dict__, rejected=self.rejected)
            return
        n, m = self.count, other.count
        try:
            between = (Fraction(other.total) / m - Fraction(self.total) / n) ** 2 * n * m / (n + m)
            self.squares = Fraction(self.squares) + Fraction(other.squares) + between
        except (ValueError, OverflowError):
            self.squares = math.nan
        self.count = min(n + m, MOST64)
        self.total += other.total
        self.min, self.max = min(self.min, other.min), max(self.max, other.max)
        if other.last_time >= self.last_time:
            self.last, self.last_time = other.last, other.last_time

    def as_json(self):
        if self.count == 0:
            mean = deviation = least = most = last = last_time = None
        else:
            mean = exact(lambda: self.total / self.count)
            deviation = 0.0 if self.count == 1 else exact(lambda: math.sqrt(max(0, self.squares / (self.count - 1))))
            least, most, last, last_time = self.min, self.max, self.last, self.last_time / 1e9
        return {"count": self.count, "total": exact(lambda: self.total), "mean": mean, "stddev": deviation,
                "min": least, "max": most, "last": last, "last_time": last_time, "rejected": self.rejected}


# Average and MovingAverage
# =========================

class Average:
    """Average and MovingAverage."""

    def __init__(self, words=(0,) * 3):
        self.count, self.total = words[0], two(words[1:3])

    def copy(self):
        copy = Average()
        copy.__dict__.update(self.__dict__)
        return copy

    def merge(self, other):
        self.count, self.total = min(self.count + other.count, MOST64), self.total + other.total

    def as_json(self):
        return {"value": exact(lambda: self.total / self.count) if self.count else None, "count": self.count}


# SamplingCounter
# ===============

class Sampled:
    """SamplingCounter."""

    def __init__(self, count=0, rate=0.0):
        self.count, self.rate = count, rate

    def copy(self):
        return Sampled(self.count, self.rate)

    def merge(self, other):
        self.count, self.rate = min(self.count + other.count, MOST64), self.rate + other.rate

    def as_json(self):
        return {"count": self.count, "per_ms": self.rate}


# History
# =======

class History:
    """History. The entries are time, value and context, newest first."""

    def __init__(self, size, lost=0, cells=(), context=None):
        self.size, self.lost = size, lost
        numbered = {p: words for p, words in cells if p}
        numbers = sorted(numbered, reverse=True)
        self.pushed = numbers[0] if numbers else 0
        self.missed = numbers[0] - numbers[-1] + 1 - len(numbers) if numbers else 0
        self.entries = [(numbered[p][0], floats(numbered[p][1:2])[0], context(numbered[p][2])) for p in numbers]

    def copy(self):
        copy = History(self.size)
        copy.__dict__.update(self.__dict__)
        return copy

    def merge(self, other):
        self.size = max(self.size, other.size)
        for name in ("pushed", "missed", "lost"):
            self.__dict__[name] = min(getattr(self, name) + getattr(other, name), MOST64)
        one, two_, merged = list(self.entries), list(other.entries), []
        while (one or two_) and len(merged) < self.size:
            later = two_ if not one or (two_ and two_[0][0] > one[0][0]) else one
            merged.append(later.pop(0))
        self.entries = merged

    def as_json(self):
        return {"entries": [{"timestamp": time_ / 1e9, "value": value, "context_id": context_id(context)}
                            for time_, value, context in self.entries]}


# Errors
# ======

class Errors:
    """Errors. Count, first and last time, and context, by what identifies an error."""

    def __init__(self, counts=(0,) * 4, found=()):
        self.counts, self.distinct, self.sites = list(counts), {}, {}
        for total, what, numbers in found:
            self.enter(self.sites if total else self.distinct, what, numbers)

    def copy(self):
        copy = Errors(self.counts)
        copy.distinct, copy.sites = dict(self.distinct), dict(self.sites)
        return copy

    def enter(self, where, what, numbers):
        if what in where:
            count, first, last, context = where[what]
            if context is None or (numbers[2] > last and numbers[3] is not None):
                context = numbers[3]
            numbers = min(count + numbers[0], MOST64), min(first, numbers[1]), max(last, numbers[2]), context
        where[what] = numbers

    def merge(self, other):
        self.counts = [min(one + two_, MOST64) for one, two_ in zip(self.counts, other.counts)]
        for where, others in ((self.distinct, other.distinct), (self.sites, other.sites)):
            for what, numbers in others.items():
                self.enter(where, what, numbers)

    def as_json(self):
        def in_order(where):
            return sorted(where.items(), key=lambda item: [x.encode() if isinstance(x, str) else x for x in item[0]])

        distinct, sites = [], []
        for (name, note, message, site, sources), (count, first, last, context) in in_order(self.distinct):
            entry = {"name": name if note else "EXC:" + name, "count": count, "first": first / 1e9,
                     "last": last / 1e9, "context_id": context_id(context)}
            if not note:
                entry.update(type=name, message=message, site=site,
                             sources=[line for line in sources.split("\n") if sources])
            distinct.append(entry)
        for (name, note, _, site, _), (count, _, _, _) in in_order(self.sites):
            sites.append({"name": name if note else "EXC:" + name, "site": site, "count": count})
        all_, overflow, evicted, unnamed = self.counts
        return {"all": all_, "overflow": overflow, "evicted": evicted, "unnamed": unnamed,
                "distinct": distinct, "sites": sites}


def what_error(fixed):
    """Errors, the words of an entry from the fourth on: whether it is a total, and which error it counts."""
    raw, at, texts = struct.pack("<%dQ" % len(fixed), *fixed)[16:], 0, []
    for shift in (0, 16, 32, 48):
        size = fixed[0] >> shift & 0xFFFF
        texts.append(raw[at:at + size].decode("utf-8", "replace"))
        at += size
    name, site, message, sources = texts
    return bool(fixed[1] & 2), (name, bool(fixed[1] & 1), message, site, sources)


# Window
# ======

# The number of steps of a window that count, and the suffix of its label.
COUNTED, WINDOW = 12, ".Window"
OF_WINDOW = "\0window"  # after the label of a metric: the key of its window, which no label can equal
MONOTONIC_COARSE = 6


class Window:
    """Window: the steps that count, merged."""

    def __init__(self, step, words=(), octaves=(), now=None, of=None):
        self.step, self.length, self.value, self.reach = step, 0, step.nothing(), 0
        size = 1 + step.words
        plain = words[size * (COUNTED + 1):]
        if not words:
            return
        self.length = min(COUNTED * plain[0], MOST64)
        if KINDS[step.kind] == "counter":
            if now is not None and plain[0] and isinstance(of, int):
                self.count(words, max(0, now // plain[0] - COUNTED + 1), of, now)
            return
        for index in range(COUNTED + 1):
            stamp, *own = words[size * index:size * (index + 1)]
            if now is None or stamp == 0 or plain[0] == 0 or not 0 <= now // plain[0] - (stamp - 1) < COUNTED:
                continue
            coarse = list(plain[1 + index * step.plain:][:step.plain])
            numbers = step.layout()[1] if step.plain else 1
            counts = [(n % numbers, c) for n, c in octaves if n // numbers == index]
            value = step.decode(own + coarse + [0] * (step.plain == 0 or KINDS[step.kind] == "floats"), counts)
            if step.plain and min(sum(n for _, _, n in value.ascending()), MOST64) // 2 > own[0] + 1000:
                value = step.decode(own + [0] * (step.plain + 1), ())
            self.value.merge(value)

    def copy(self):
        copy = Window(self.step)
        copy.length, copy.reach = self.length, self.reach
        copy.value = self.value if isinstance(self.value, int) else self.value.copy()
        return copy

    def count(self, words, first, total, now):
        """The count of a counter since the beginning of the first step that counts."""
        steps = [words[3 * index:3 * index + 3] for index in range(COUNTED + 1)]
        steps = [step for step in steps if step[0] > 0 and 1 <= step[2] <= now]
        if all(stamp <= first for stamp, _, _ in steps):
            return
        before = [step for step in steps if step[0] <= first + 1]
        _, then, time_ = max(before) if before else min(steps)
        self.value, self.reach = max(0, total - then), now - time_

    def merge(self, other):
        self.length, self.reach = max(self.length, other.length), max(self.reach, other.reach)
        if other.step.kind == self.step.kind and isinstance(self.value, int):
            self.value = min(self.value + other.value, MOST64)
        elif other.step.kind == self.step.kind:
            self.value.merge(other.value)

    def as_json(self):
        if isinstance(self.value, int):
            reach = max(self.reach, self.length // COUNTED, 1)
            return {"seconds": self.length / 1e9, "count": self.value, "rate": self.value * 1e9 / reach}
        shown = self.step.as_json(self.value)
        return {**shown, "kind": "window", "seconds": self.length / 1e9}


# --------------------------------------------------------------------------------------------------------------------
# Part III. Procedures
# --------------------------------------------------------------------------------------------------------------------

# How to read a file
# ==================

def read_values(file):
    """A polling reader, by pread: three phases for each block."""
    file.parts, tries, with_extents, traced = [({}, {})], TRIES_PER_FILE, [], []
    for place, block, (prefix, suffix, _, named), metrics, octaves, pieces in file.instances:
        if prefix is None:
            continue
        if file.retired:
            file.parts.append(({}, {}))  # a label counts once per version of its schema
        file.entries, file.stats = file.parts[-1]
        firsts = file.words(place, block // 8)
        fence()
        data = file.words(place, block // 8)
        counts = {i: [(o, list(file.words(at, n))) for o, at, n in found] for i, found in octaves.items()}
        fence()
        seconds = file.words(place, block // 8)
        now = time.clock_gettime_ns(MONOTONIC_COARSE) if shares_clock(file) else None
        twice = set()
        for index, (label, metric) in enumerate(named):
            if KINDS[metric.kind] == "window":
                if index - 1 in twice:
                    continue  # its metric does not count
            if label in file.entries:
                twice.add(index)
                file.problems.append("the label %s occurs twice" % label)
                continue
            file.entries[label] = metric
            at, words = metric.offset // 8, []
            if metric.buffers:
                published, whole = firsts[at] // 2, is_whole(firsts[at], seconds[at], metric.buffers)
                start = at + 1 + published % metric.buffers * metric.words
                words = list(data[start:start + metric.words])
                tried = 1
                while not whole and tried < TRIES and tries > 0:
                    tried, tries = tried + 1, tries - 1
                    whole = try_slot(file, place + metric.offset, metric.buffers, metric.words)
                    words = whole[1] if whole else words
                if not whole:
                    file.busy.append(label)
                    continue
            if KINDS[metric.kind] == "window" and now is None:
                continue  # Window: its clock is not known here
            words += data[at + metric.slot_words:at + metric.total]
            cells = [cell for piece in pieces.get(index, ()) for cell in read_cells(file, piece)]
            if None in cells:
                file.busy.append(label)
                continue
            if KINDS[metric.kind] in ("history", "errors"):
                with_extents.append((file.stats, label, metric, words, cells))
                continue
            file.stats[label] = metric.decode(words, counts.get(index, ()), now, of_window(file, label), file.retired)
            if cells:
                traced.append((file.stats[label], metric, cells))
    context = read_contexts(file)
    for value, metric, cells in traced:
        value.exemplars.read(cells, context, KINDS[metric.kind] == "floats")
    for stats, label, metric, words, cells in with_extents:
        stats[label] = metric.decode_extents(words, cells, context)
    # The second read of the generations: values of instances whose generation has changed do not count.
    fence()
    for number, word, generation in file.generations:
        if file.words(word, 1)[0] != generation:
            labels = {label for label, _ in file.instances[number][2][3]}
            file.busy = [label for label in file.busy if label not in labels]
            for label in labels:
                for entries, stats in file.parts:
                    entries.pop(label, None)
                    stats.pop(label, None)


def of_window(file, label):
    """The value of the metric that a window belongs to."""
    return file.stats.get(label[:-len(OF_WINDOW)]) if label.endswith(OF_WINDOW) else None


# Merging
# =======

def strangeness(file):
    """Merging: how little a file looks like the one that its writer made."""
    directory, name = os.path.split(file.path)
    written = re.fullmatch(r"mmstats-%d-%d(-[0-9]+)?" % (file.pid, file.tid_created), name)
    return (file.owner_uid != file.uid, os.path.basename(directory) != file.model, not written, os.fsencode(file.path))


def without_copies(files, errors):
    """Merging: each file counts once."""
    first = {}
    for file in sorted(files, key=strangeness):
        key = file.model, file.process(), file.tid_created, file.created
        of = None if file.retired else first.setdefault(key, file)
        foreign = of and of.owner_uid != file.owner_uid and of.owner_uid != of.uid
        if of and of is not file and not foreign:
            file.is_copy = True
            if file.node != of.node:
                errors.append({"path": file.path, "error": printable("a copy of " + of.path)})
    return [file for file in files if not file.is_copy]


def merge_numbers(rule, merged, value, files):
    """Merging, Merge rules: `merged` is that of `files` files before."""
    if rule == 4:
        return value
    if rule == 3:
        return merged + (value - merged) / (files + 1)
    if rule in (1, 2):
        if merged != merged or value != value:
            return value if merged != merged else merged
        return max(merged, value) if rule == 1 else min(merged, value)
    return merged + value


class Merged:
    """One label over all files."""

    def __init__(self):
        self.kind_of = self.of = None  # the entry that determines kind, unit and help, and its file
        self.value = self.entry = None
        self.files, self.current, self.seen = 0, False, False
        self.busy = False  # in some file; a sum without that file would lack an unknown amount
        self.is_flat = self.is_ambiguous = False

    def enter(self, file, label, entry, errors):
        """Enters an entry of a later file, or of the same one; its kind and identity override the earlier ones."""
        flat, before = file.retired and not entry.identity, self.kind_of
        # Retired files: totals that were folded before groups and labels were kept do not contain them.
        if flat and before and before.identity and before.kind == entry.kind:
            return
        is_other = before and self.of is not file and before.identity != entry.identity
        if is_other and not (self.is_flat or self.is_ambiguous):
            self.is_ambiguous = True
            if not label.endswith(OF_WINDOW):
                error = "%s is of another group, or has other labels, in a file created later" % label
                errors.append({"path": self.of.path, "error": printable(error)})
        self.kind_of, self.of, self.is_flat = entry, file, flat

    def add(self, file, entry, value):
        self.seen = True
        name = KINDS[entry.kind]
        current = file.state in ("live", "unknown")
        if name == "updown" and file.state == "dead":
            return
        if name in ("gauge", "flag") and not current:
            return
        if name in ("text", "constant", "movingaverage"):
            if self.current and not current:
                return
            if current and not self.current:
                self.files = 0
            self.current = current
        if name == "samplingcounter" and not current:
            value = Sampled(value.count)  # a file that is not written has no rate
        if self.files == 0 or name in ("text", "constant"):
            self.value = value
        elif name == "counter":
            self.value = min(self.value + value, MOST64)
        elif name == "updown":
            self.value = max(min(self.value + value, 2**63 - 1), -2**63)
        elif name == "gauge":
            self.value = merge_numbers(entry.rule, self.value, value, self.files)
        elif name == "flag":
            self.value = self.value or value
        elif name in ("timer", "percentile", "window") or name in SLOTS or name in CELLS:
            self.value.merge(value)
        elif name == "compound":
            self.value = merge_compounds(self.entry, self.value, entry, value, self.files)
        self.entry = entry
        self.files += 1

    def as_json(self, descriptions):
        if self.busy:
            return {**self.kind_of.named(descriptions), "value": None, "busy": True}
        if self.files == 0:
            return self.kind_of.as_json(self.kind_of.nothing(), descriptions)
        return self.kind_of.as_json(self.value, descriptions)


def merge(files, errors):
    """Merging. The files are in the order of their creation."""
    labels, named, descriptions = {}, set(), {}
    for file in files:
        describe(descriptions, file.descriptions)
    parts = [(file, *part) for file in files for part in file.parts]
    for file in files:
        for entries, _ in reversed(file.parts):
            for label, entry in entries.items():
                labels.setdefault(label, Merged()).enter(file, label, entry, errors)
    for file, entries, stats in parts:
        for label in file.busy:
            if label in entries and entries[label].kind == labels[label].kind_of.kind:
                labels[label].busy = True
        for label, value in stats.items():
            merged, entry = labels[label], entries[label]
            of = label[:-len(OF_WINDOW)]
            if KINDS[entry.kind] == "window" and (of not in stats or labels[of].kind_of.kind != entries[of].kind):
                continue  # its metric does not count here
            if entry.kind != merged.kind_of.kind:
                if (label, entry.kind) not in named:  # reported once
                    named.add((label, entry.kind))
                    error = "%s is of another kind in a file created later" % label
                    errors.append({"path": file.path, "error": printable(error)})
                continue
            if isinstance(value, (Distribution, Floats, Summary, Average, Sampled, Window, History, Errors)):
                value = value.copy()  # the file's own value is still to be shown
            merged.add(file, entry, value)
    return {label: merged for label, merged in sorted(labels.items()) if merged.seen or merged.busy}, descriptions


# Liveness
# ========

# File systems that only one kernel writes to, by their names in mountinfo.
LOCAL = ["tmpfs", "ext2", "ext3", "ext4", "xfs", "btrfs", "f2fs", "overlay", "ramfs", "bcachefs", "zfs"]


class Liveness:
    """Liveness. Asks once per process."""

    def __init__(self):
        self.locks, self.answers = {}, {}
        self.boot_id = boot_id()
        self.machine_id = identifier("/etc/machine-id")
        self.pid_namespace = namespace("pid")
        pids = [line.split()[1:] for line in contents("/proc/self/status").splitlines() if line.startswith("NSpid:")]
        self.proc_is_own = not pids or len(pids[0]) == 1

    def state(self, file):
        key = (file.root, file.process(), file.device, file.inode, file.machine_id, file.time_namespace, file.pinned)
        if key not in self.answers:
            self.answers[key] = self.life(file)
        life = self.answers[key]
        if life == "lives":
            return "orphan" if file.owner_state in (1, 2, 3) else "live"
        return life

    def life(self, file):
        held = self.is_held(file)
        if any(file.boot_id) and any(self.boot_id) and file.boot_id != self.boot_id:
            same_machine = any(file.machine_id) and file.machine_id == self.machine_id
            return "lives" if held else "dead" if same_machine and is_local(file.root) else "unknown"
        by_pid = self.by_pid(file)
        if held:
            return "dead" if by_pid == "gone" else "lives"
        if held is False and file.pinned:
            return "dead"
        return "dead" if by_pid == "gone" else by_pid

    def is_held(self, file):
        if file.root not in self.locks:
            try:
                flags = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
                self.locks[file.root] = os.open(os.path.join(file.root, ".lock"), flags)
            except OSError:
                self.locks[file.root] = None
        lock = self.locks[file.root]
        if lock is None or not 1 <= file.token < 2**63:
            return None
        found = os.fstat(lock)
        if (found.st_dev, found.st_ino) != (file.device, file.inode):
            return None
        # struct flock of 64-bit Linux: type, whence, start, length, pid.
        form = "hh4xqqi4x"
        question = struct.pack(form, fcntl.F_RDLCK, os.SEEK_SET, file.token, 1, 0)
        try:
            answer = fcntl.fcntl(lock, fcntl.F_OFD_GETLK, question)
        except OSError:
            return None
        return struct.unpack(form, answer)[0] != fcntl.F_UNLCK

    def by_pid(self, file):
        """The state by the pid; "gone" if the kernel does not know the pid."""
        if not any(self.boot_id) or file.boot_id != self.boot_id:
            return "unknown"
        if file.pid_namespace == 0 or file.pid_namespace != self.pid_namespace or not 0 < file.pid < 2**31:
            return "unknown"
        try:
            os.kill(file.pid, 0)
        except ProcessLookupError:
            return "gone"
        except PermissionError:
            pass  # the process exists and belongs to another user
        except OSError:
            return "unknown"
        if not self.proc_is_own:
            return "lives"
        # Fields 3, 20 and 22; the second is a name in parentheses, which may contain anything.
        fields = contents("/proc/%d/stat" % file.pid).rpartition(")")[2].split()
        if len(fields) > 19 and fields[0] in "ZX" and int(fields[17]) <= 1:
            return "dead"
        if len(fields) > 19 and file.start_time != 0 and shares_clock(file) and int(fields[19]) != file.start_time:
            return "dead"
        return "lives"


def namespace(kind):
    """The inode of one of this process's namespaces, or 0."""
    try:
        return os.stat("/proc/self/ns/" + kind).st_ino
    except OSError:
        return 0


def boot_id():
    return identifier("/proc/sys/kernel/random/boot_id")


def shares_clock(file):
    """Whether the start time and the times of windows are on this process's clocks."""
    return any(file.boot_id) and file.boot_id == boot_id() and file.time_namespace == namespace("time")


def is_local(path):
    """Whether only this machine's kernel can write there. Reads /proc/self/mountinfo: Python's statvfs has no type."""
    try:
        found = os.stat(path).st_dev
    except OSError:
        return False
    device = "%d:%d" % (os.major(found), os.minor(found))
    lines = [line.split() for line in contents("/proc/self/mountinfo").splitlines()]
    return any(line[2] == device and line[line.index("-") + 1] in LOCAL for line in lines)


def identifier(path):
    """The identifier of 32 hexadecimal digits in a file; zeros if the file contains anything else."""
    digits = contents(path).rstrip().replace("-", "")
    return bytes.fromhex(digits) if re.fullmatch("[0-9a-fA-F]{32}", digits) else bytes(16)


# Folding
# =======

RETIRED_FILE, NAMED, STARTS = "mmstats-retired", 1024, 16


def open_file(path, root, errors):
    """The file, or None if it is gone or invalid."""
    try:
        return File(path, root)
    except FileNotFoundError:
        return None  # removed since the directory was listed
    except (Malformed, OSError) as problem:
        errors.append({"path": path, "error": printable(str(problem))})
        return None


def open_retired(path, root, errors):
    """Retired files: without a valid retired record the whole file is invalid."""
    file = open_file(path, root, errors)
    if file and not file.retired:
        errors.append({"path": path, "error": "it does not list the files folded into it"})
        return None
    return file


def read_directory(path, root, errors):
    """Folding: each file counts once."""
    retired_path, before = os.path.join(path, RETIRED_FILE), len(errors)
    for _ in range(STARTS):
        del errors[before:]
        first = open_retired(retired_path, root, [])
        names = [name for name, _ in listing(path) if name != RETIRED_FILE]
        files = [open_file(os.path.join(path, name), root, errors) for name in names]
        files = [file for file in files if file]
        for file in files:
            if file.retired:
                errors.append({"path": file.path, "error": "totals under another name than " + RETIRED_FILE})
        files = [file for file in files if not file.retired]
        second = open_retired(retired_path, root, errors)
        folds = [file.retired[0] if file and file.retired else 0 for file in (first, second)]
        if 0 <= folds[1] - folds[0] <= NAMED:
            break
    else:
        errors.append({"path": path, "error": "files are folded faster than they can be read"})
    if not second:
        return files
    named = {name for file in (first, second) if file and file.retired for name in file.retired[1]}
    return [file for file in files
            if file.name() not in named or file.owner_uid != second.owner_uid] + [second]


# Untrusted bytes
# ===============

def printable(text):
    """Untrusted bytes: escapes what acts on a terminal or a page. For messages; JSON has the original texts."""

    def escaped(char):
        code = ord(char)
        if code < 0x20 or 0x7F <= code <= 0x9F or code in (0x061C, 0xFEFF) \
                or 0x200B <= code <= 0x200F or 0x2028 <= code <= 0x202E \
                or 0x2060 <= code <= 0x2064 or 0x2066 <= code <= 0x2069:
            return {"\t": "\\t", "\r": "\\r", "\n": "\\n"}.get(char, "\\u{%x}" % code)
        return char

    return "".join(map(escaped, text))


# JSON
# ====

def show(paths=(), per_file=False):
    """What `mmstats show --json` prints for these paths, or for the usual roots if there are none."""
    had, failed, models, failures, errors = [], [], {}, [], []
    for path in paths or [None]:
        try:
            snapshot = read(path)
        except OSError as error:
            failures.append({"path": path, "error": printable("cannot find stats files: %s" % error.strerror)})
            failed.append(path)
            continue
        had.append(snapshot.path)
        errors += snapshot.errors
        for model in snapshot.models:
            name = model.name if model.name not in models else "%s@%s" % (model.name, snapshot.path)
            models[name] = model.as_json(per_file)
    return finite({"path": ":".join(had + failed), "models": models, "errors": failures + errors})


def file_json(file, per_file):
    shown = {"path": file.path, "pid": file.pid, "tid": file.tid, "state": file.state,
             "created": file.created / 1e9, "bytes": file.length}
    if per_file:
        # All of its values, whatever its state. Values that a retired file has several times for a label add up.
        state, file.state = file.state, "live"
        labels, descriptions = merge([file], [])
        whole = {label: merged for label, merged in labels.items() if not merged.busy}
        shown["stats"] = stats_json(whole, descriptions)
        file.state = state
    if file.retired:
        shown["retired"] = file.retired[0]
    return shown


def stats_json(labels, descriptions):
    """JSON: the values by label."""
    return with_windows({label: merged.as_json(descriptions) for label, merged in labels.items()})


def with_windows(stats):
    """Window: each is shown with its metric, and only there."""
    for label in [label for label, shown in stats.items() if shown["kind"] == "window"]:
        window = stats.pop(label)
        of = stats.get(label[:-len(OF_WINDOW)])
        if not of or "busy" in of or "busy" in window:
            continue
        if of["kind"] == ("percentile" if window["of"] == "floats" else window["of"]):
            of["window"] = {key: value for key, value in window.items()
                            if key not in ("kind", "metric", "group", "labels", "unit", "of")}
    return stats


def finite(value):
    """The value with NaNs and infinities replaced by null."""
    if isinstance(value, dict):
        return {key: finite(item) for key, item in value.items()}
    if isinstance(value, list):
        return [finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


# --------------------------------------------------------------------------------------------------------------------
# The interface
# --------------------------------------------------------------------------------------------------------------------

def read(path=None):
    """Reads all files under a root, a model's directory, or one file. Without a path it reads the usual roots that
    exist. Raises OSError if there is no such path. Invalid files are in `errors`, and never hide the valid ones."""
    if path is not None:
        return read_paths([os.path.abspath(os.fspath(path))], [])
    errors = []
    return read_paths(roots(errors), errors)


def read_paths(paths, errors):
    """The files under some paths, merged together."""
    files, liveness = [], Liveness()
    for path in paths:
        os.stat(path)
        if os.path.isdir(path):
            for directory, root in directories(path):
                files += read_directory(directory, root, errors)
        else:
            file = open_file(path, os.path.dirname(os.path.dirname(path)), errors)
            files += [file] if file else []
    for file in files:
        errors += [{"path": file.path, "error": printable(problem)} for problem in file.problems]
    files = without_copies(files, errors)
    for file in files:
        file.state = "dead" if file.retired else liveness.state(file)
    files.sort(key=lambda file: (file.created, os.fsencode(file.path)))
    models = []
    for name in sorted({file.model for file in files}):
        own = [file for file in files if file.model == name]
        models.append(Model(name, own, *merge(own, errors)))
    return Snapshot(paths[0] if paths else "", models, errors)


class Snapshot:
    """What was read from one path: its `models`, and `errors`, a list of dicts with `path` and `error`. Iterating over
    it yields the series of all models."""

    def __init__(self, path, models, errors):
        self.path, self.models, self.errors = path, models, errors

    def __iter__(self):
        return (series for model in self.models for series in model.series)

    def get(self, model, label):
        """The series with this label, or None."""
        return next((series for series in self if (series.model, series.label) == (model, label)), None)


class Model:
    """The files of one model: its `name`, and its `series` in the order of their labels. There are `len(model.files)`
    files of `model.processes` processes."""

    def __init__(self, name, files, labels, descriptions):
        self.name, self.files, self._labels, self._descriptions = name, files, labels, descriptions
        self.processes = len({file.process() for file in files if not file.retired})

    @property
    def series(self):
        found = []
        for label, shown in stats_json(self._labels, self._descriptions).items():
            entry = self._labels[label].kind_of
            said = self._descriptions.get((entry.kind, entry.label))
            found.append(Series(self.name, label, self._labels[label], shown, said[2] if said else entry.help))
        return found

    def as_json(self, per_file):
        return {"processes": self.processes, "files": [file_json(file, per_file) for file in self.files],
                "stats": stats_json(self._labels, self._descriptions)}


class Series:
    """One metric of one model and group, merged over all files: `model`, `label`, `metric`, `kind`, `unit`, `help`,
    `group` (None if there is none), `labels` (a dict), `value` (a number, a text or a bool; for a compound a dict), and
    `busy` (in some file it was written too fast to be read whole; then it has no value).

    The other keys of its kind in the chapter "JSON" are attributes, too: `count`, `total`, `mean`, `stddev`, `min`,
    `max`, `last`, `percentiles`, `entries`, `window`. Times of a timer are in seconds."""

    def __init__(self, model, label, merged, shown, help_):
        self.model, self.label, self.shown, self.help = model, label, shown, help_
        self.unit, self.group, self.labels = shown.get("unit", ""), shown.get("group"), shown.get("labels", {})
        self.value, self.busy, self._merged = shown.get("value"), "busy" in shown, merged

    def __getattr__(self, name):
        try:
            return self.__dict__["shown"][name]
        except KeyError:
            raise AttributeError("a %s has no %s" % (self.__dict__.get("shown", {}).get("kind"), name)) from None

    def __repr__(self):
        return "<Series %s of %s: %s>" % (self.label, self.model, self.shown["kind"])


# --------------------------------------------------------------------------------------------------------------------
# prometheus_client
# --------------------------------------------------------------------------------------------------------------------

class Collector:
    """For prometheus_client: `REGISTRY.register(Collector("/run/app"))`. The families have the names and types that
    `mmstats serve` gives them. Each `le` of a distribution is the end of a bucket, so the counts are exact. (If two
    types or two series meet in one family, only the first one is exported.)"""

    def __init__(self, path=None):
        self.path = path

    def describe(self):
        return []  # so that registering it reads nothing

    def collect(self):
        families = {}
        for model in read(self.path).models:
            exported = [entry.export for entry in (merged.kind_of for merged in model._labels.values())
                        if getattr(entry, "export", None) is not None]
            for series in model.series:
                for part in samples(series, exported[-1] if exported else model.name):
                    add_sample(families, series, *part)
        return list(families.values())


def samples(series, prefix):
    """Type, name, additional labels and value of each sample that a series exports."""
    if series.busy:
        return []
    entry, unit = series._merged.kind_of, series.unit
    base = [prefix, entry.prefix, series.metric]
    name, kind = family_name(base, unit), series.kind
    if kind == "counter" or kind == "errors" or kind == "samplingcounter":
        if kind == "errors":
            names = {}
            for site in series.sites:
                names[site["name"]] = names.get(site["name"], 0) + site["count"]
            return [("counter", name, {"error": error}, count) for error, count in names.items()]
        return [("counter", name, {}, series.value if kind == "counter" else series.count)]
    if kind in ("timer", "percentile"):
        return [("histogram", name, {}, (classic(series), series.total))]
    if kind == "summary":
        return [("summary", name, {}, (series.count, series.total))] + [
            ("gauge", family_name(base + [part], unit), {}, getattr(series, part)) for part in ("min", "max", "last", "stddev")]
    if kind == "compound":
        found = []
        for index, (field, numbers) in enumerate(series.value.items()):
            is_array = isinstance(numbers, list)
            for number, value in enumerate(numbers if is_array else [numbers]):
                parts = base + [field, str(number)] if is_array else base + [field]
                found.append(("counter" if index in entry.counters else "gauge", family_name(parts, unit), {}, value))
        return found
    if isinstance(series.value, str):
        return [("gauge", family_name(base) + "_info", {snake_case(series.metric): series.value}, 1)]
    return [] if kind == "history" else [("gauge", name, {}, series.value)]


def classic(series):
    """The counts of values up to each bound. The bounds are ends of buckets, whatever the digits."""
    value = series._merged.value
    if value is None:
        return [("+Inf", 0)]
    if isinstance(value, Floats):
        bounds = [0.0] + [floats([struct.unpack("<Q", struct.pack("<d", 2.0**k))[0] - 1])[0] for k in range(-20, 34)]
        ends = [(0.0 if a == 0 else max(floats([a])[0], floats([b])[0]), n) for a, b, n in value.ascending()]
    else:
        least, most = (10, 36) if series.kind == "timer" else (0, 32)
        bounds = sorted({2**k - 1 for k in range(least, most + 1)} | {3 * 2**(k - 1) - 1 for k in range(max(least, 1), most)})
        ends = [(high, n) for _, high, n in value.ascending()]
    shown = [(str(float(bound) / 1e9 if series.kind == "timer" else float(bound)),
              min(sum(n for end, n in ends if end <= bound), MOST64)) for bound in bounds]
    return shown + [("+Inf", min(sum(n for _, n in ends), MOST64))]


def add_sample(families, series, kind, name, labels, value):
    from prometheus_client import core

    if value is None:
        return
    entry = series._merged.kind_of
    own = {entry.group_key: series.group} if series.group is not None else dict(series.labels)
    own.update(labels)
    own = {snake_key(key): text for key, text in own.items()}
    types = {"counter": core.CounterMetricFamily, "gauge": core.GaugeMetricFamily,
             "histogram": core.HistogramMetricFamily, "summary": core.SummaryMetricFamily}
    family = families.setdefault(name, None) or types[kind](name, series.help or series.label)
    families[name] = family
    if family.type != kind or any(sample.labels == own for sample in family.samples):
        return  # two types or two series with one name
    if kind == "counter":
        family.add_sample(family.name + "_total", own, value)
    elif kind == "gauge":
        family.add_sample(name, own, value)
    elif kind == "summary":
        family.add_sample(name + "_count", own, value[0])
        family.add_sample(name + "_sum", own, value[1])
    else:
        buckets, total = value
        for bound, count in buckets:
            family.add_sample(name + "_bucket", {**own, "le": bound}, count)
        family.add_sample(name + "_count", own, buckets[-1][1])
        family.add_sample(name + "_sum", own, total if total is not None else math.nan)


def family_name(parts, unit=""):
    """The parts joined to a name; a unit that the name already ends with is not repeated."""
    name = ""
    for part in parts:
        part = snake_case(part).rstrip("_")
        name += ("_" if name and part and not part.startswith("_") else "") + part
    if re.fullmatch("[a-z][a-z0-9_]*", unit) and not name.endswith("_" + unit):
        name += "_" + unit
    return "_" + name if name[:1].isdigit() else name or "unnamed"


def snake_case(name):
    name = re.sub("(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name)
    return re.sub("[^a-zA-Z0-9]", "_", name).lower()


def snake_key(key):
    """The key as a valid Prometheus label."""
    key = re.sub("[^a-zA-Z0-9]", "_", key)
    return "_" + key if key[:1].isdigit() else key or "label"


# --------------------------------------------------------------------------------------------------------------------
# The program
# --------------------------------------------------------------------------------------------------------------------

USAGE = "usage: mmstats.py [--per-file] [PATH]…"


def main(arguments):
    """Prints what `mmstats show --json` prints; returns its exit code."""
    per_file = "--per-file" in arguments
    paths = [argument for argument in arguments if argument != "--per-file"]
    if any(path.startswith("-") for path in paths):
        print(USAGE, file=sys.stderr)
        return 2
    result = show([os.path.abspath(path) for path in paths], per_file)
    json.dump(result, sys.stdout, indent=1, ensure_ascii=False)
    print()
    for problem in result["errors"]:
        print("mmstats.py: %(path)s: %(error)s" % problem, file=sys.stderr)
    return 0 if result["models"] else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
