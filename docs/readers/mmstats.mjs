#!/usr/bin/env node
/**
 * Reads mmstats stats files, format 3. One file without dependencies, for Node.js 18 or later and Deno.
 *
 *     import { read } from "./mmstats.mjs";
 *
 *     for (const model of read("/run/app").models) {
 *         for (const series of model.series) console.log(model.name, series.label, series.value);
 *     }
 *
 * As a program it prints what `mmstats show --json` prints, and exits with 0 if it has read a file, 1 if it
 * has read none, and 2 if it was called wrongly:
 *
 *     node mmstats.mjs [--per-file] [PATH...]
 *     deno run -A mmstats.mjs [--per-file] [PATH...]
 *
 * It is written from docs/FORMAT.md. The sections below have the names and the order of the chapters there.
 *
 * - **Integers**: a Number from -(2^53 - 1) to 2^53 - 1, otherwise a BigInt. So no digit is ever lost, and
 *   `Number(value)` is the nearest double in both cases. The JSON text has all digits of up to 64 bits.
 * - **Torn values**: the reader follows the protocol of the format and lets the kernel copy (`fs.readSync`). A value
 *   whose writer is too fast is marked as `busy`. A wrong value is never shown.
 * - **States of files**: JavaScript cannot ask for a lock with fcntl(2). On Linux /proc/locks lists the locks of all
 *   processes, and is read instead. If it cannot be read, the lock says nothing (see "Liveness").
 * - **Windows**: they need the monotonic clock of the system. Deno has no call for it, so it is taken from
 *   /proc/uptime if the machine has never been suspended. If the clock is not known, windows are left out.
 * - **Not read**: files of format 1 (python-mmstats). They are reported as errors.
 *
 * @module
 */

import * as fs from "node:fs";
import * as path from "node:path";
import process from "node:process";

/**
 * What was read.
 *
 * @typedef {object} Result
 * @property {string[]} paths the paths that were read, followed by those that could not be read
 * @property {Model[]} models the models, by name; if several paths were given, those of each path
 * @property {{path: string, error: string}[]} errors what could not be read, and why; the text has no control
 *   characters
 */

/**
 * All files of one model below a path.
 *
 * @typedef {object} Model
 * @property {string} name the name of the model
 * @property {string} path the path that was given
 * @property {number} processes how many processes made the files, not counting those of retired files
 * @property {File[]} files the files in the order of their creation
 * @property {Series[]} series the values, merged over all files, by label
 */

/**
 * A stats file.
 *
 * @typedef {object} File
 * @property {string} path
 * @property {number} pid the process that made it
 * @property {number} tid the thread that writes it, or wrote it last; 0 if all threads of the process write it
 * @property {number} uid the effective user of the process
 * @property {number} gid the effective group of the process
 * @property {string} exe the path of the executable
 * @property {"live" | "orphan" | "dead" | "unknown"} state
 * @property {number} created seconds since 1970-01-01 UTC
 * @property {number} bytes its length
 * @property {{cause: number, text: string}[]} notes what the file does not record, and why
 * @property {number | bigint} [retired] for a retired file: how many files were folded into it
 * @property {Series[]} [series] with `perFile`: the values of this file, whatever its state
 */

/**
 * A label and its value. Times of a timer are in seconds; all other values are as they were recorded. A value that
 * does not exist (the mean of nothing) is null.
 *
 * @typedef {object} Series
 * @property {string} label the whole label: `handler.index.response_time`
 * @property {string} metric the label of the metric without group and labels: `response_time`
 * @property {string} [group] the name of its group
 * @property {Object<string, string>} [labels] its labels by key
 * @property {string} kind `counter`, `updown`, `gauge`, `flag`, `text`, `constant`, `timer`, `percentile`, `compound`,
 *   `summary`, `average`, `movingaverage`, `samplingcounter`, `history` or `errors`
 * @property {string} unit empty if it has none
 * @property {string} help empty if it has none
 * @property {any} value for a counter, updown, gauge, flag, text or constant the value itself; for a compound an object
 *   by field; for any other kind an object with the keys that FORMAT.md, "JSON", has for the kind. Null if it is busy
 * @property {boolean} busy whether in some file the value was written too fast to be read
 * @property {object} [window] what was recorded in the most recent time: `seconds`, and the keys of its kind; for a
 *   counter `count` and `rate` (per second)
 */

// ---------------------------------------------------------------------------------------------------------------------
// Conventions
// ---------------------------------------------------------------------------------------------------------------------

const MOST64 = 2n ** 64n - 1n;
const MOST128 = 2n ** 128n - 1n;
const NANOSECONDS = 1e9;

/** A file, or a part of it, that cannot be read. */
class Malformed extends Error {}
/** A file of which no part may be used. */
class Refused extends Malformed {}

function need(condition, problem, Problem = Malformed) {
    if (!condition) throw new Problem(typeof problem === "function" ? problem() : problem);
}

/** Replaces each maximal subpart of an ill-formed sequence. A byte order mark is a character like any other. */
const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

const textOf = (view, at, length) => decoder.decode(new Uint8Array(view.buffer, view.byteOffset + at, length));
const word = (view, index) => view.getBigUint64(8 * index, true);
const float = (view, index) => view.getFloat64(8 * index, true);
const part = (view, at, length) => new DataView(view.buffer, view.byteOffset + at, length);
const sliceOf = (view, at, length) =>
    new DataView(view.buffer.slice(view.byteOffset + at, view.byteOffset + at + length));
const NO_WORDS = new DataView(new ArrayBuffer(0));

const scratch = new DataView(new ArrayBuffer(8));

function bitsToFloat(bits) {
    scratch.setBigUint64(0, bits);
    return scratch.getFloat64(0);
}

function floatToBits(value) {
    scratch.setFloat64(0, value);
    return scratch.getBigUint64(0);
}

const least = (a, b) => (a < b ? a : b);
const most = (a, b) => (a > b ? a : b);
const saturated = (a, b, end = MOST64) => least(a + b, end);

/** The number of bits of a u64 without leading zeros. */
function bitLength(value) {
    const high = Number(value >> 32n);
    return high ? 64 - Math.clz32(high) : 32 - Math.clz32(Number(value & 0xffffffffn));
}

/** The Number if it is exact, otherwise the BigInt; a float stays a float. */
function plain(value) {
    if (typeof value !== "bigint") return value;
    const number = Number(value);
    return Number.isSafeInteger(number) ? number : value;
}

/** Orders texts by their bytes in UTF-8, which is the order of their code points. */
function compareTexts(a, b) {
    const length = Math.min(a.length, b.length);
    for (let i = 0; i < length; i++) {
        const x = a.charCodeAt(i);
        const y = b.charCodeAt(i);
        if (x === y) continue;
        const isX = x >= 0xd800 && x < 0xe000;
        const isY = y >= 0xd800 && y < 0xe000;
        return isX === isY ? x - y : isX ? 1 : -1;
    }
    return a.length - b.length;
}

/** Takes little-endian values from bytes, and never from beyond their end. */
class Cursor {
    constructor(view, at = 0) {
        this.view = view;
        this.at = at;
    }

    take(count) {
        const left = this.view.byteLength - this.at;
        need(count <= left, () => `${count} bytes where ${left} are left`);
        this.at += count;
        return this.at - count;
    }

    u8() {
        return this.view.getUint8(this.take(1));
    }

    u16() {
        return this.view.getUint16(this.take(2), true);
    }

    u32() {
        return this.view.getUint32(this.take(4), true);
    }

    u64() {
        return this.view.getBigUint64(this.take(8), true);
    }

    text(length) {
        return textOf(this.view, this.take(length), length);
    }

    hex(length) {
        const at = this.take(length);
        let text = "";
        for (let i = 0; i < length; i++) text += this.view.getUint8(at + i).toString(16).padStart(2, "0");
        return text;
    }

    align(to = 8) {
        this.take((to - (this.at % to)) % to);
    }
}

// Exact arithmetic ----------------------------------------------------------------------------------------------------

/** `x * 2^exponent`, in steps, since the power alone may be beyond the range of a double. */
function scaled(x, exponent) {
    for (; exponent > 1000; exponent -= 1000) x *= 2 ** 1000;
    for (; exponent < -1000; exponent += 1000) x *= 2 ** -1000;
    return x * 2 ** exponent;
}

/** The exact quotient of two integers, times a power of two, rounded once to the nearest double. */
function ratio(a, b, exponent = 0) {
    if (b === 0n) return NaN;
    const size = (n) => 4 * (n < 0n ? -n : n).toString(16).length;
    const shift = 72 - (size(a) - size(b)); // so that the quotient has more bits than a double
    if (shift > 0) a <<= BigInt(shift);
    else b <<= BigInt(-shift);
    let quotient = a / b;
    if (quotient * b !== a) quotient |= 1n; // so that it is not a tie
    return scaled(Number(quotient), exponent - shift);
}

/** A finite double as `{m, e}`, which is m * 2^e; any other as it is. Sums and products of these are exact. */
function exact(double) {
    if (!Number.isFinite(double)) return double;
    const bits = floatToBits(double);
    const exponent = Number((bits >> 52n) & 0x7ffn);
    const fraction = bits & (2n ** 52n - 1n);
    const m = exponent ? fraction | (2n ** 52n) : fraction;
    return { m: bits >> 63n ? -m : m, e: Math.max(exponent, 1) - 1075 };
}

const isExact = (a) => typeof a === "object";
const ZERO = { m: 0n, e: 0 };

function nearest(a) {
    return isExact(a) ? ratio(a.m, 1n, a.e) : a;
}

function plus(a, b) {
    if (!isExact(a) || !isExact(b)) return nearest(a) + nearest(b);
    if (a.m === 0n) return b;
    if (b.m === 0n) return a;
    const e = Math.min(a.e, b.e);
    return { m: (a.m << BigInt(a.e - e)) + (b.m << BigInt(b.e - e)), e };
}

function times(a, b) {
    if (!isExact(a) || !isExact(b)) return nearest(a) * nearest(b);
    return { m: a.m * b.m, e: a.e + b.e };
}

function dividedBy(a, n) {
    return isExact(a) ? ratio(a.m, n, a.e) : a / Number(n);
}

/** The exact sum of two floats; if one of them is not finite, the first one. */
function twoFloats(high, low) {
    return Number.isFinite(high) && Number.isFinite(low) ? plus(exact(high), exact(low)) : high;
}

// ---------------------------------------------------------------------------------------------------------------------
// Where files are
// ---------------------------------------------------------------------------------------------------------------------

const RETIRED_FILE = "mmstats-retired";

/** The entries of a directory that do not begin with a dot, by name. */
function listing(directory) {
    const entries = fs.readdirSync(directory, { withFileTypes: true });
    return entries.filter((entry) => !entry.name.startsWith(".")).sort((a, b) => compareTexts(a.name, b.name));
}

/** The directories of models below a given directory, each with its root. */
function modelDirectories(given) {
    const entries = listing(given);
    const hasFiles = entries.some((entry) => !entry.isDirectory() && entry.name.startsWith("mmstats-"));
    const hasDirectories = entries.some((entry) => entry.isDirectory());
    const hasLock = statOf(path.join(given, ".lock"), fs.lstatSync) !== null; // so it is a root
    if (hasFiles || (entries.length > 0 && !hasDirectories && !hasLock)) {
        return [{ directory: given, root: path.dirname(given) }];
    }
    const directories = entries.filter((entry) => entry.isDirectory());
    return directories.map((entry) => ({ directory: path.join(given, entry.name), root: given }));
}

/** The roots to read if no path is given. Problems with a root go to `errors`. */
function defaultRoots(errors) {
    const { MMSTATS_PATH, XDG_RUNTIME_DIR, TMPDIR } = process.env;
    if (MMSTATS_PATH) return [MMSTATS_PATH];
    const uid = process.geteuid();
    const isOwn = (found) => found.isDirectory() && found.uid === uid && (found.mode & 0o022) === 0;
    const runtime = XDG_RUNTIME_DIR && path.isAbsolute(XDG_RUNTIME_DIR) && statOf(XDG_RUNTIME_DIR, fs.statSync);
    const candidates = [`/dev/shm/mmstats-${uid}`, path.join(TMPDIR || "/tmp", `mmstats-${uid}`)];
    if (runtime && isOwn(runtime)) candidates.unshift(path.join(XDG_RUNTIME_DIR, "mmstats"));
    return [...new Set(candidates)].filter((candidate) => {
        const found = statOf(candidate, fs.lstatSync);
        if (found && !isOwn(found)) {
            const error = "not a directory that this user owns and no other user may write to: nothing of it is read";
            errors.push({ path: candidate, error });
        }
        return found && isOwn(found);
    });
}

/** The result of `stat`, or null if it fails. */
function statOf(file, stat, options) {
    try {
        return stat(file, options);
    } catch {
        return null;
    }
}

/** The text of a file of /proc; empty if it cannot be read. */
function contentsOf(file) {
    try {
        return fs.readFileSync(file, "latin1");
    } catch {
        return "";
    }
}

// ---------------------------------------------------------------------------------------------------------------------
// The file
// ---------------------------------------------------------------------------------------------------------------------

const VERSION_AND_MAGIC = "\x03mmstats";
const PINNED = 1;
const HEADER_LEAST = 152;
const HEADER_MOST = 196608;
const BEGIN = 512; // nearly every header is shorter
const COMMITTED = 32; // offset of the committed length; the owner word follows
const NO_ID = "0".repeat(32);

function readHeader(copy, length) {
    const refuse = (condition, problem) => need(condition, problem, Refused);
    refuse(length >= HEADER_LEAST, "too short for a header");
    const start = copy.view(0, HEADER_LEAST);
    refuse(textOf(start, 0, 8) === VERSION_AND_MAGIC, "not a stats file of format 3");
    const headerLength = start.getUint32(8, true);
    const isPossible = headerLength % 8 === 0 && headerLength >= HEADER_LEAST && headerLength <= HEADER_MOST;
    refuse(isPossible && headerLength <= length, `a header of ${headerLength} bytes`);
    refuse(word(start, 2) === 0n, "it has features that this version does not know: use a later one");
    const cursor = new Cursor(copy.view(0, headerLength), 48);
    const header = {
        length: headerLength,
        isPinned: (start.getUint32(12, true) & PINNED) !== 0,
        created: cursor.u64(),
        pid: cursor.u32(),
        tid: cursor.u32(),
        uid: cursor.u32(),
        gid: cursor.u32(),
        startTime: cursor.u64(),
        bootId: cursor.hex(16),
        pidNamespace: cursor.u64(),
        token: cursor.u64(),
        lockDevice: cursor.u64(),
        lockInode: cursor.u64(),
        machineId: cursor.hex(16),
    };
    const [model, exe, strings] = [cursor.u16(), cursor.u16(), cursor.u16()];
    refuse(strings >= HEADER_LEAST && strings + model + exe <= headerLength, "texts outside the header");
    cursor.at = HEADER_LEAST;
    header.timeNamespace = strings >= HEADER_LEAST + 8 ? cursor.u64() : 0n;
    cursor.at = strings;
    header.model = cursor.text(model);
    header.exe = cursor.text(exe);
    refuse(header.model !== "", "a model without a name");
    return header;
}

/** A key that differs between processes. */
function processKey({ pid, startTime, bootId, pidNamespace, token }) {
    return `${pid} ${startTime} ${bootId} ${pidNamespace} ${token}`;
}

// ---------------------------------------------------------------------------------------------------------------------
// Records
// ---------------------------------------------------------------------------------------------------------------------

const [SCHEMA, INSTANCE, OCTAVE, RETIRED, EXTENT, NOTE, DESCRIPTION] = [1, 2, 3, 4, 6, 7, 8];
const MUST_BE_UNDERSTOOD = 1;
const HAS_GENERATION = 2;
const NOTES_MOST = 16;
const LABELS_MOST = 64;
const TEXTS_MOST = 24 + 4 * LABELS_MOST + (2 + 2 * LABELS_MOST) * 65535; // of an instance
const WINDOW_SUFFIX = ".Window";

const integerOf = (bytes, isSigned) => (view, at) => {
    const bits = 8 * bytes;
    let number = 0n;
    for (let i = bytes - 1; i >= 0; i--) number = (number << 8n) | BigInt(view.getUint8(at + i));
    return isSigned ? BigInt.asIntN(bits, number) : number;
};

/** Scalar codes: the bytes of a number, and how it is loaded. Integers are BigInts, floats Numbers. */
const SCALARS = new Map([
    [1, { bytes: 1, load: integerOf(1, false) }],
    [2, { bytes: 2, load: integerOf(2, false) }],
    [3, { bytes: 4, load: (view, at) => BigInt(view.getUint32(at, true)) }],
    [4, { bytes: 8, load: (view, at) => view.getBigUint64(at, true) }],
    [5, { bytes: 1, load: integerOf(1, true) }],
    [6, { bytes: 2, load: integerOf(2, true) }],
    [7, { bytes: 4, load: (view, at) => BigInt(view.getInt32(at, true)) }],
    [8, { bytes: 8, load: (view, at) => view.getBigInt64(at, true) }],
    [9, { bytes: 4, load: (view, at) => view.getFloat32(at, true) }],
    [10, { bytes: 8, load: (view, at) => view.getFloat64(at, true) }],
    [11, { bytes: 1, load: integerOf(1, false) }],
]);
const [F64, BOOL, TEXT] = [10, 11, 12];

const [SUM, MAX, MIN, MEAN, LATEST] = [0, 1, 2, 3, 4];
const isRule = (rule) => rule <= LATEST;

const areBuffers = (buffers, fewest) => buffers >= fewest && buffers <= 64 && (buffers & (buffers - 1)) === 0;

/** An entry of a schema; null if its kind is not known. `room` is the number of words left in the block. */
function parseMetric(view, block, room, before) {
    const cursor = new Cursor(view, 4);
    const metric = {
        kind: cursor.u16(),
        scalar: cursor.u8(),
        rule: cursor.u8(),
        offset: cursor.u32(),
        buffers: cursor.u16(),
        words: cursor.u16(),
        plain: cursor.u16(),
    };
    const kind = KINDS.get(metric.kind);
    if (!kind) return null; // a later version's
    const fields = cursor.u16();
    metric.parameter = cursor.u32();
    const [label, unit, help, counters] = [cursor.u16(), cursor.u16(), cursor.u16(), cursor.u16()];
    metric.label = cursor.text(label);
    metric.unit = cursor.text(unit);
    metric.help = cursor.text(help);
    const wrong = (what) => () => `the metric ${quoted(metric.label)}: ${what}`;
    need(metric.buffers === 0 || areBuffers(metric.buffers, 2), wrong(`${metric.buffers} buffers`));
    need(isRule(metric.rule), wrong("an unknown merge rule"));
    metric.slot = metric.buffers ? 1 + metric.buffers * metric.words : 0;
    metric.place = metric.slot + metric.plain;
    const isWithin = metric.offset % 8 === 0 && metric.offset + 8 * metric.place <= block;
    need(isWithin, wrong("outside its block"));
    metric.fields = [];
    for (let i = 0; i < fields; i++) metric.fields.push(parseField(cursor, metric));
    for (let i = 0; i < (fields ? counters : 0); i++) need(cursor.u16() < fields, wrong("a counter that is no field"));
    need(kind.fits(metric), wrong(`not the form of a ${kind.name}`));
    const isOfBefore = before && metric.label === before.label + WINDOW_SUFFIX;
    if (kind === WINDOW) {
        const isWindow = isOfBefore && (metric.parameter & 0xff) === before.kind;
        need(isWindow, wrong("a window that does not follow its metric"));
    }
    need(metric.place <= room, wrong("no room in the block beside the metrics before it"));
    return metric;
}

function parseField(cursor, metric) {
    const field = { scalar: cursor.u8(), rule: cursor.u8(), count: cursor.u16(), offset: cursor.u16() };
    field.name = cursor.text(cursor.u16());
    const wrong = (what) => () => `the field ${quoted(field.name)} of ${quoted(metric.label)}: ${what}`;
    const scalar = SCALARS.get(field.scalar);
    need(scalar, wrong("an unknown type"));
    need(isRule(field.rule), wrong("an unknown merge rule"));
    field.bytes = scalar.bytes * Math.max(field.count, 1);
    need(field.offset + field.bytes <= 8 * metric.words, wrong("outside the value"));
    return field;
}

function parseSchema(view) {
    const cursor = new Cursor(view, 8);
    const schema = { block: cursor.u32(), metrics: [], places: new Map(), problems: [] };
    need(schema.block % 8 === 0, `a block of ${schema.block} bytes`);
    const count = cursor.u32();
    const texts = cursor.u16() + cursor.u16() + cursor.u16();
    const exported = cursor.u16();
    cursor.take(texts);
    cursor.align();
    let room = schema.block / 8;
    let before = null;
    for (let i = 0; i < count; i++) {
        const at = cursor.take(4);
        const length = view.getUint32(at, true);
        need(length >= 32, `an entry of ${length} bytes`);
        cursor.at = at;
        const entry = part(view, cursor.take(length), length);
        const of = before;
        before = null;
        try {
            const metric = parseMetric(entry, schema.block, room, of);
            if (metric) {
                room -= metric.place;
                schema.metrics.push(metric);
                if (!schema.places.has(metric.offset)) schema.places.set(metric.offset, []);
                schema.places.get(metric.offset).push(metric);
                before = metric;
            }
        } catch (problem) {
            if (!(problem instanceof Malformed)) throw problem;
            schema.problems.push(problem.message); // costs only this metric
        }
    }
    if (exported) cursor.take(exported - 1);
    return schema;
}

/** The most recent schemas of this read, and their bytes: the files of a model usually have the same ones. */
const knownSchemas = [];
const KNOWN_MOST = 16;

function schemaOf(view) {
    const words = new Uint32Array(view.buffer, view.byteOffset, view.byteLength / 4);
    const isSame = (known) => known.words.length === words.length && known.words.every((word, i) => word === words[i]);
    const known = knownSchemas.find(isSame);
    if (known) return known.schema;
    const schema = parseSchema(view);
    if (knownSchemas.length === KNOWN_MOST) knownSchemas.shift();
    knownSchemas.push({ words: words.slice(), schema });
    return schema;
}

/** The texts of an instance, from those bytes of its record that they may occupy. */
function parseTexts(view, schema) {
    const cursor = new Cursor(view, 16);
    const [prefixLength, groupLength, count] = [cursor.u16(), cursor.u16(), cursor.u32()];
    const prefix = cursor.text(prefixLength);
    const group = cursor.text(groupLength);
    need(count <= LABELS_MOST, () => `${count} labels`);
    const lengths = [];
    for (let i = 0; i < 2 * count; i++) lengths.push(cursor.u16());
    const labels = [];
    for (let i = 0; i < count; i++) {
        const [key, value] = [cursor.text(lengths[2 * i]), cursor.text(lengths[2 * i + 1])];
        const isInOrder = key !== "" && (i === 0 || compareTexts(labels[i - 1][0], key) < 0);
        need(isInOrder, "labels out of order");
        labels.push([key, value]);
    }
    const texts = { prefix: group ? `${prefix}${group}.` : prefix, suffix: "", identity: {} };
    if (group) texts.identity = { group }; // the key of a label beside it is the exporters' name for the group
    else if (count) {
        texts.suffix = labelsText(labels);
        texts.identity = { labels: objectOf(labels) };
    }
    const isNamed = texts.suffix || texts.prefix.length > 1 || schema.metrics.every((m) => wholeLabel(texts, m.label));
    need(isNamed, "a metric without a label");
    return texts;
}

/** An object with these entries, whatever the keys are (`__proto__`). */
function objectOf(entries) {
    const object = Object.create(null);
    for (const [key, value] of entries) object[key] = value;
    return object;
}

function labelsText(labels) {
    const escaped = (value) => value.replaceAll("\\", "\\\\").replaceAll('"', '\\"').replaceAll("\n", "\\n");
    return `{${labels.map(([key, value]) => `${key}="${escaped(value)}"`).join(",")}}`;
}

function wholeLabel({ prefix, suffix }, label) {
    if (label) return prefix + label + suffix;
    return (prefix.endsWith(".") ? prefix.slice(0, -1) : prefix) + suffix;
}

function parseNote(view) {
    const cursor = new Cursor(view, 8);
    const [cause, length] = [cursor.u16(), cursor.u16()];
    cursor.take(4);
    return { cause, text: cursor.text(length) };
}

function parseDescription(view) {
    const cursor = new Cursor(view, 8);
    const [time, kind] = [cursor.u64(), cursor.u16()];
    const [label, unit, help] = [cursor.u16(), cursor.u16(), cursor.u16()];
    const key = `${kind} ${cursor.text(label)}`;
    return [key, { time, unit: cursor.text(unit), help: cursor.text(help) }];
}

/** Of several descriptions of the same metrics the latest counts; of several with the same time, the first. */
function describe(descriptions, key, description) {
    const known = descriptions.get(key);
    if (!known || known.time < description.time) descriptions.set(key, description);
}

/** A retired record: how many files were folded, and the keys of those that it names. */
function parseRetired(view) {
    const cursor = new Cursor(view, 8);
    const [folds, count] = [cursor.u64(), cursor.u32()];
    cursor.take(4);
    const names = new Set();
    for (let i = 0; i < count; i++) {
        const [created, token, startTime] = [cursor.u64(), cursor.u64(), cursor.u64()];
        const [pid, tid] = [cursor.u32(), cursor.u32()];
        cursor.take(cursor.u16());
        cursor.align();
        names.add(foldedKey({ created, token, startTime, pid, tid }));
    }
    return { folds, names };
}

function foldedKey({ created, token, startTime, pid, tid }) {
    return `${created} ${token} ${startTime} ${pid} ${tid}`;
}

// ---------------------------------------------------------------------------------------------------------------------
// The slot protocol
// ---------------------------------------------------------------------------------------------------------------------

const CHUNK = 1 << 16;
const TRIES = 4000;
const TRIES_OF_CELL = 64;
const TRIES_PER_FILE = 256_000;
const PAUSE_MOST = 0.004; // milliseconds

const fenceWord = new Int32Array(new SharedArrayBuffer(4));

/**
 * Keeps later loads from being performed before earlier ones. A store and a load of one word of shared memory are
 * sequentially consistent: no load before the store is performed after it, and no load after the load before it.
 */
function fence() {
    Atomics.store(fenceWord, 0, 0);
    Atomics.load(fenceWord, 0);
}

/** Waits for a varying time: a fixed one could keep step with the writer. */
function pause() {
    const end = performance.now() + Math.random() * PAUSE_MOST;
    while (performance.now() < end);
}

/** Reads `length` bytes of a file. Offset and address are multiples of 8, so that the kernel copies whole words. */
function pread(descriptor, at, length) {
    // On an ArrayBuffer, because a small array made without one need not be aligned.
    const bytes = new Uint8Array(new ArrayBuffer(length));
    const got = length && fs.readSync(descriptor, bytes, 0, length, at);
    need(got === length, "cut short while it was read", Refused);
    return new DataView(bytes.buffer);
}

/** The bytes of a file, read ahead, so that a small file takes one call. Its loads are not ordered. */
class Copy {
    constructor(descriptor, end) {
        this.descriptor = descriptor;
        this.end = end;
        this.at = 0;
        this.chunk = NO_WORDS;
    }

    view(at, length) {
        if (at < this.at || at + length > this.at + this.chunk.byteLength) {
            this.chunk = pread(this.descriptor, at, Math.max(length, Math.min(CHUNK, this.end - at)));
            this.at = at;
        }
        return part(this.chunk, at - this.at, length);
    }
}

/**
 * The three phases of "A polling reader, by pread": three copies of the same bytes, with fences in between. Sequences
 * are taken from the first and the last copy, everything else from the middle one.
 */
class Phases {
    constructor(descriptor, end) {
        this.descriptor = descriptor;
        this.end = end;
        this.at = 0;
        this.length = 0;
    }

    views(at, length) {
        if (at < this.at || at + length > this.at + this.length) {
            this.at = at;
            this.length = Math.max(length, Math.min(CHUNK, this.end - at));
            this.chunks = [0, 1, 2].map(() => {
                fence();
                return pread(this.descriptor, at, this.length);
            });
        }
        return this.chunks.map((chunk) => part(chunk, at - this.at, length));
    }
}

/** Whether the copy of a slot is publication `p`. */
const isWhole = (p, second, buffers) => BigInt.asUintN(64, second - 2n * p) <= BigInt(2 * (buffers - 1));

// ---------------------------------------------------------------------------------------------------------------------
// How to read a file
// ---------------------------------------------------------------------------------------------------------------------

const PASSES = 8;
const PROPORTION = 16;
const ALLOWANCE = 1 << 20;

/** A stats file, read once. Throws `Malformed` or the system's error. */
class StatsFile {
    constructor(file, root) {
        this.path = file;
        this.root = root;
        const { O_RDONLY, O_NONBLOCK, O_NOFOLLOW } = fs.constants; // O_CLOEXEC is set in any case
        this.descriptor = fs.openSync(file, O_RDONLY | O_NONBLOCK | O_NOFOLLOW);
        try {
            const found = this.stat();
            need(found.isFile(), "not a regular file", Refused);
            this.owner = Number(found.uid);
            this.node = `${found.dev} ${found.ino}`;
            this.header = readHeader(new Copy(this.descriptor, Math.min(BEGIN, this.length)), this.length);
            this.committed = 0;
            for (let pass = 0; pass < PASSES; pass++) {
                this.readRecords();
                this.readValues();
                // A copied reference may lead to a context in a record added since.
                fence();
                if (!this.refers || word(pread(this.descriptor, COMMITTED, 8), 0) === BigInt(this.committed)) break;
            }
        } finally {
            fs.closeSync(this.descriptor);
        }
    }

    stat() {
        const found = fs.fstatSync(this.descriptor, { bigint: true });
        this.length = Number(found.size);
        this.taken = 512 * Number(found.blocks);
        return found;
    }

    /** Keeps allocation in proportion to the blocks that the file occupies. */
    charge(bytes) {
        this.budget -= bytes;
        need(this.budget >= 0, "out of proportion to the space that the file takes");
    }

    readRecords() {
        const start = pread(this.descriptor, COMMITTED, 16);
        fence(); // the records are read after the length that covers them
        const [committed, owner] = [word(start, 0), word(start, 1)];
        this.tid = Number(owner & 0xffffffffn);
        this.ownerState = Number((owner >> 32n) & 0xffn);
        if (committed > this.length) this.stat();
        const isPossible = committed >= this.header.length && committed <= this.length && committed >= this.committed;
        need(isPossible, `a committed length of ${committed} in ${this.length} bytes`, Refused);
        this.committed = Number(committed);
        this.budget = PROPORTION * this.taken + ALLOWANCE;
        this.problems = [];
        this.schemas = new Map();
        this.instances = [];
        this.contexts = [];
        this.notes = [];
        this.descriptions = new Map();
        this.retired = null;
        this.refers = false;
        this.records = new Copy(this.descriptor, this.committed);
        try {
            for (let at = this.header.length; at < this.committed; ) at += this.readRecord(at);
        } catch (problem) {
            if (!(problem instanceof Malformed) || problem instanceof Refused) throw problem;
            this.problems.push(problem.message); // ends the list
        }
    }

    /** Reads the record at an offset, and returns its length. */
    readRecord(at) {
        const left = this.committed - at;
        need(left >= 8, `the record at ${at} is beyond the committed length`);
        const head = this.records.view(at, 8);
        const length = head.getUint32(0, true);
        need(length >= 8 && length % 8 === 0 && length <= left, `the record at ${at} has ${length} bytes`);
        const [type, flags] = [head.getUint16(4, true), head.getUint16(6, true)];
        const view = () => {
            this.charge(4 * length + 64);
            return this.records.view(at, length);
        };
        if (type === SCHEMA) this.readSchema(at, view());
        else if (type === INSTANCE) this.readInstance(at, length, (flags & HAS_GENERATION) !== 0);
        else if (type === OCTAVE) this.readOctave(at, length);
        else if (type === RETIRED) this.retired = parseRetired(view());
        else if (type === EXTENT) this.readExtent(at, length);
        else if (type === NOTE) this.notes.length < NOTES_MOST && this.notes.push(parseNote(view()));
        else if (type === DESCRIPTION) describe(this.descriptions, ...parseDescription(view()));
        else need(!(flags & MUST_BE_UNDERSTOOD), `the record at ${at} must be understood: use a later version`);
        return length;
    }

    /** A cursor over the first bytes of a record, which must have at least that many. */
    head(at, length, bytes) {
        need(length >= bytes, `the record at ${at} has ${length} bytes`);
        return new Cursor(this.records.view(at, bytes), 8);
    }

    /** Checks that values are within their own record. */
    within(at, length, texts, place, bytes) {
        const isWithin = place % 64 === 0 && place >= at + texts && place + bytes <= at + length;
        need(isWithin, `values outside the record at ${at}`);
    }

    readSchema(at, view) {
        const schema = schemaOf(view);
        this.schemas.set(at, schema);
        this.problems.push(...schema.problems);
    }

    readInstance(at, length, hasGeneration) {
        const head = this.head(at, length, 24);
        const schema = this.schemas.get(head.u32());
        const place = head.u32();
        need(schema, `the record at ${at} has no schema`);
        this.within(at, length, hasGeneration ? 32 : 24, place, schema.block);
        const instance = { place, schema, texts: null, octaves: new Map(), extents: new Map() };
        if (hasGeneration) this.readGeneration(at, instance);
        else instance.texts = parseTexts(this.records.view(at, Math.min(place - at, TEXTS_MOST)), schema);
        const { prefix, suffix } = instance.texts ?? { prefix: "", suffix: "" };
        const more = prefix.length + suffix.length + 64;
        this.charge(schema.block + schema.metrics.reduce((sum, { label }) => sum + label.length + more, 0));
        this.instances.push(instance);
    }

    /** Groups that come and go: the first read of the generation, and then the texts. */
    readGeneration(at, instance) {
        const generation = () => word(pread(this.descriptor, instance.place - 8, 8), 0);
        const first = generation();
        instance.isStill = () => generation() === first;
        fence();
        if (first % 2n === 1n) return; // removed; its octaves and extents are checked all the same
        const length = Math.min(instance.place - 8 - at, TEXTS_MOST);
        const texts = pread(this.descriptor, at, length);
        try {
            instance.texts = parseTexts(texts, instance.schema);
        } catch (problem) {
            if (!(problem instanceof Malformed)) throw problem;
            fence();
            if (instance.isStill()) this.problems.push(problem.message);
        }
    }

    /** The instance that contains this place, and its metrics at this place. */
    ownerOf(place) {
        let [first, end] = [0, this.instances.length]; // they ascend, as their records do
        while (first < end) {
            const middle = (first + end) >> 1;
            if (this.instances[middle].place <= place) first = middle + 1;
            else end = middle;
        }
        const instance = this.instances[first - 1];
        return { instance, metrics: instance?.schema.places.get(place - instance.place) ?? [] };
    }

    readOctave(at, length) {
        const head = this.head(at, length, 24);
        const [owner, number, place, count] = [head.u32(), head.u32(), head.u32(), head.u32()];
        this.within(at, length, 24, place, 8 * count);
        const { instance, metrics } = this.ownerOf(owner);
        for (const metric of metrics) {
            const octaves = KINDS.get(metric.kind).octaves?.(metric);
            if (!octaves) continue;
            need(count === octaves.counts && number < octaves.most, `octave ${number} with ${count} counts`);
            this.charge(8 * count);
            append(instance.octaves, metric, { number, place, count });
            return;
        }
    }

    readExtent(at, length) {
        const head = this.head(at, length, 32);
        const [owner, number, place, cells] = [head.u32(), head.u32(), head.u32(), head.u32()];
        const [buffers, words, plainWords] = [head.u16(), head.u16(), head.u32()];
        need(areBuffers(buffers, 1), `the record at ${at} has cells of ${buffers} buffers`);
        const cellBytes = 8 * (1 + buffers * words);
        this.within(at, length, 32, place, cells * cellBytes + 8 * plainWords);
        const piece = { number, place, cells, buffers, words, cellBytes };
        if (owner === 0 && cells === 1 && buffers === 1 && words >= 1 && plainWords === 0) {
            this.charge(32 * words);
            this.contexts.push(piece);
        }
        const { instance, metrics } = owner ? this.ownerOf(owner) : { metrics: [] };
        for (const metric of metrics) {
            if (plainWords !== 0 || !KINDS.get(metric.kind).cells?.(piece)) continue;
            this.charge(32 * cells * (1 + words));
            append(instance.extents, metric, piece);
            this.refers = true;
        }
    }

    /** Copies all values, in phases, and decodes them: `parts` has a map of series for each set of labels. */
    readValues() {
        this.tries = TRIES_PER_FILE;
        const there = this.instances.filter((instance) => instance.texts);
        const phases = new Phases(this.descriptor, this.committed);
        const counts = new Copy(this.descriptor, this.committed);
        fence(); // the values after the generations
        for (const instance of there) instance.values = this.copyInstance(instance, phases, counts);
        const now = hasClockOf(this.header) ? monotonicNow() : null;
        const context = this.readContexts();
        // The second read of the generations: values of instances whose generation has changed do not count.
        fence();
        const still = there.filter((instance) => !instance.isStill || instance.isStill());
        this.parts = [new Map()];
        const twice = [];
        for (const instance of still) {
            if (this.retired) this.parts.push(new Map()); // a label occurs once per version of its schema
            this.decodeInstance(instance, this.parts.at(-1), { now, context, retired: this.retired !== null }, twice);
        }
        const more = twice.length > 1 ? ` (and ${twice.length - 1} more labels)` : "";
        if (twice.length) this.problems.push(`the label ${quoted(twice[0])} occurs twice${more}: the first counts`);
        this.records = null;
        for (const instance of there) instance.values = null;
    }

    /** Copies the values of each metric of an instance. */
    copyInstance({ place, schema, octaves, extents }, phases, counts) {
        const [firsts, chunk, seconds] = phases.views(place, schema.block);
        const data = sliceOf(chunk, 0, schema.block);
        return schema.metrics.map((metric) => {
            const { offset, buffers, words } = metric;
            const values = { buffer: NO_WORDS, plain: part(data, offset + 8 * metric.slot, 8 * metric.plain) };
            if (buffers) {
                const p = firsts.getBigUint64(offset, true) / 2n;
                values.buffer = isWhole(p, seconds.getBigUint64(offset, true), buffers)
                    ? part(data, offset + bufferAt(p, metric), 8 * words)
                    : this.retry(place + offset, metric, TRIES)?.words;
            }
            values.octaves = (octaves.get(metric) ?? []).map(({ number, place, count }) => {
                return { number, counts: sliceOf(counts.view(place, 8 * count), 0, 8 * count) };
            });
            const cells = (extents.get(metric) ?? []).map((piece) => this.copyCells(piece, phases));
            if (cells.includes(null)) values.buffer = null; // as if its slot were too busy
            else values.cells = cells.flat();
            return values;
        });
    }

    /** The cells of an extent that have a value: publication number and words. Null if one of them is too busy. */
    copyCells(piece, phases) {
        const found = [];
        const end = piece.place + piece.cells * piece.cellBytes;
        for (let at = piece.place; at < end; at += piece.cellBytes) {
            const [firsts, data, seconds] = phases.views(at, piece.cellBytes);
            const p = word(firsts, 0) / 2n;
            if (p === 0n) continue; // nothing was published yet
            const cell = isWhole(p, word(seconds, 0), piece.buffers)
                ? { p, words: sliceOf(data, bufferAt(p, piece), 8 * piece.words) }
                : this.retry(at, piece, TRIES_OF_CELL);
            if (cell && cell.p !== 0n) found.push(cell);
            if (!cell && piece.buffers > 1) return null; // with one buffer, a cell that is being overwritten is gone
        }
        return found;
    }

    /** Copies a slot again that was written during its copy: in three phases, a bounded number of times. */
    retry(at, slot, tries) {
        for (let tried = 1; tried < tries && this.tries > 0; tried++) {
            this.tries--;
            pause();
            const p = word(pread(this.descriptor, at, 8), 0) / 2n;
            fence();
            const words = pread(this.descriptor, at + bufferAt(p, slot), 8 * slot.words);
            fence();
            if (isWhole(p, word(pread(this.descriptor, at, 8), 0), slot.buffers)) return { p, words };
        }
        return null;
    }

    /** Copies the contexts, after everything that may refer to them; returns a function from reference to context. */
    readContexts() {
        const places = new Map();
        if (this.refers) {
            const phases = new Phases(this.descriptor, this.committed);
            for (const piece of this.contexts) {
                if (!places.has(piece.number)) places.set(piece.number, this.copyCells(piece, phases)[0]);
            }
        }
        return (reference) => {
            if (reference === 0n) return null;
            const place = reference === MOST64 ? null : places.get(Number(reference & 0xffffffffn) - 1);
            if (!place || (place.p & 0xffffffffn) !== reference >> 32n) return LOST;
            const length = Math.min(place.words.getUint32(0, true), place.words.byteLength - 8);
            return new Context(part(place.words, 8, length));
        };
    }

    /** Adds the series of an instance to those of the file; labels that already exist go to `twice`. */
    decodeInstance(instance, stats, of, twice) {
        const { schema, texts, values } = instance;
        let before = null;
        schema.metrics.forEach((metric, index) => {
            const kind = KINDS.get(metric.kind);
            const found = values[index];
            if (kind === WINDOW) {
                // A window counts only if its metric does, and if its clock is known.
                const isKnown = before && !before.isBusy && of.now !== null && found.buffer;
                if (isKnown) before.window = { metric, value: kind.decode(found, metric, of, before.value) };
                return;
            }
            const label = wholeLabel(texts, metric.label);
            before = null;
            if (stats.has(label)) {
                twice.push(label);
                return;
            }
            before = { label, metric, identity: texts.identity, isBusy: !found.buffer, value: null, window: null };
            if (!before.isBusy) before.value = kind.decode(found, metric, of);
            stats.set(label, before);
        });
    }
}

/** The offset of a publication's buffer, in bytes from the sequence. */
const bufferAt = (p, { buffers, words }) => 8 * (1 + Number(p & BigInt(buffers - 1)) * words);

function append(lists, key, item) {
    if (!lists.has(key)) lists.set(key, []);
    lists.get(key).push(item);
}

// ---------------------------------------------------------------------------------------------------------------------
// Contexts
// ---------------------------------------------------------------------------------------------------------------------

/** What a reference leads to if its context is no longer there. */
const LOST = Symbol("lost");

/** A text, or any bytes, that entries refer to. */
class Context {
    constructor(view) {
        this.view = view;
    }

    get text() {
        return textOf(this.view, 0, this.view.byteLength);
    }

    get id() {
        return md5(this.view);
    }
}

/** The id of a context; empty if there is none, null if it is lost. */
const contextId = (context) => (context === LOST ? null : context === null ? "" : context.id);

const MD5_SHIFTS = [7, 12, 17, 22, 5, 9, 14, 20, 4, 11, 16, 23, 6, 10, 15, 21];
const MD5_SINES = Array.from({ length: 64 }, (_, i) => Math.floor(Math.abs(Math.sin(i + 1)) * 2 ** 32));

/** MD5 (RFC 1321) in hexadecimal. */
function md5(view) {
    const length = view.byteLength;
    const padded = new DataView(new ArrayBuffer(((length + 8) >> 6) * 64 + 64));
    new Uint8Array(padded.buffer).set(new Uint8Array(view.buffer, view.byteOffset, length));
    padded.setUint8(length, 0x80);
    padded.setBigUint64(padded.byteLength - 8, 8n * BigInt(length), true);
    const state = [0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476];
    for (let block = 0; block < padded.byteLength; block += 64) {
        let [a, b, c, d] = state;
        for (let i = 0; i < 64; i++) {
            const round = i >> 4;
            const mixed = [(b & c) | (~b & d), (d & b) | (~d & c), b ^ c ^ d, c ^ (b | ~d)][round];
            const index = [i, 5 * i + 1, 3 * i + 5, 7 * i][round] % 16;
            const sum = (a + mixed + MD5_SINES[i] + padded.getUint32(block + 4 * index, true)) | 0;
            const shift = MD5_SHIFTS[4 * round + (i % 4)];
            [a, d, c, b] = [d, c, b, (b + ((sum << shift) | (sum >>> (32 - shift)))) | 0];
        }
        [a, b, c, d].forEach((x, i) => (state[i] = (state[i] + x) | 0));
    }
    const digest = new DataView(new ArrayBuffer(16));
    state.forEach((x, i) => digest.setUint32(4 * i, x, true));
    return new Cursor(digest).hex(16);
}

// ---------------------------------------------------------------------------------------------------------------------
// Timer and Percentile
// ---------------------------------------------------------------------------------------------------------------------

/** Percentiles in thousandths. */
const PERCENTILES = [
    ["50", 500n],
    ["75", 750n],
    ["90", 900n],
    ["95", 950n],
    ["99", 990n],
    ["99.9", 999n],
];

/** `k`, `h` and the number of octaves of the layout with this many digits. */
function layoutOf(digits) {
    const k = Math.ceil(Math.log2(2 * 10 ** digits));
    return { k, h: 2 ** (k - 1), octaves: 66 - k };
}

const areDigits = (digits) => digits >= 1 && digits <= 5;

function addCount(counts, key, count) {
    counts.set(key, saturated(counts.get(key) ?? 0n, count));
}

/** What integers and floats have in common: coarse counts, buckets (by `octave * h + bucket`) and exemplars. */
class Histogram {
    constructor(digits) {
        this.digits = digits;
        this.coarse = new Map();
        this.buckets = new Map();
        this.exemplars = new Map();
    }

    get layout() {
        return layoutOf(this.digits);
    }

    addCoarse(view, at, count) {
        for (let i = 0; i < count; i++) {
            const n = word(view, at + i);
            if (n) addCount(this.coarse, i, n);
        }
    }

    addOctave(octave, counts) {
        const { h } = this.layout;
        for (let i = 0; i < h; i++) {
            if (counts.getUint32(8 * i, true) === 0 && counts.getUint32(8 * i + 4, true) === 0) continue;
            addCount(this.buckets, octave * h + i, word(counts, i));
        }
    }

    /** Adds an exemplar: of one magnitude the latest counts; of several with the same time, the first. */
    addExemplar(magnitude, exemplar) {
        const known = this.exemplars.get(magnitude);
        if (!known || known.time < exemplar.time) this.exemplars.set(magnitude, exemplar);
    }

    copyTo(copy) {
        copy.coarse = new Map(this.coarse);
        copy.buckets = new Map(this.buckets);
        copy.exemplars = new Map(this.exemplars);
        return copy;
    }

    /** The sum of all counts in a list of nonempty buckets. */
    static sum(ascending) {
        return ascending.reduce((sum, { count }) => saturated(sum, count), 0n);
    }

    /** The percentiles by name. `middle` returns the value for an item of the list. */
    percentiles(middle) {
        const ascending = this.ascending();
        const n = Histogram.sum(ascending);
        const shown = {};
        let [index, seen] = [-1, 0n];
        for (const [name, thousandths] of PERCENTILES) {
            const rank = most(1n, (thousandths * n + 999n) / 1000n);
            while (seen < rank && index + 1 < ascending.length) seen = saturated(seen, ascending[++index].count);
            shown[name] = seen >= rank ? middle(ascending[index]) : null;
        }
        return shown;
    }

    showExemplars(shown, show) {
        const ascending = [...this.exemplars].sort(([a], [b]) => a - b);
        if (ascending.length === 0) return shown;
        const text = (context) => (context === null || context === LOST ? null : context.text);
        shown.exemplars = ascending.map(([, { time, value, context }]) => {
            return { timestamp: Number(time) / NANOSECONDS, value: show(value), context: text(context) };
        });
        return shown;
    }
}

/** The exemplars among the cells of a metric. */
function exemplarsOf(found, of) {
    return found.cells.map(({ words }) => {
        return { time: word(words, 0), bits: word(words, 1), context: of.context(word(words, 2)) };
    });
}

/** A distribution of u64 values. */
class Distribution extends Histogram {
    constructor(digits) {
        super(digits);
        [this.count, this.total, this.squares] = [0n, 0n, 0n];
        this.min = this.max = this.last = null;
    }

    readMoments(view) {
        this.count = word(view, 0);
        this.total = word(view, 1) | (word(view, 2) << 64n);
        this.squares = word(view, 3) | (word(view, 4) << 64n);
        if (this.count === 0n) return;
        [this.min, this.max, this.last] = [MOST64 - word(view, 5), word(view, 6), word(view, 7)];
        if (this.last < this.min || this.last > this.max) this.last = null;
    }

    copy() {
        const { count, total, squares, min, max, last } = this;
        return this.copyTo(Object.assign(new Distribution(this.digits), { count, total, squares, min, max, last }));
    }

    merge(other) {
        const next = other.digits === this.digits ? other : other.copy();
        this.coarsen(other.digits);
        next.coarsen(this.digits);
        this.last = next.count === 0n ? this.last : this.count === 0n ? next.last : null;
        this.count = saturated(this.count, next.count);
        this.total = saturated(this.total, next.total, MOST128);
        this.squares = saturated(this.squares, next.squares, MOST128);
        if (next.min !== null) {
            this.min = this.min === null ? next.min : least(this.min, next.min);
            this.max = this.max === null ? next.max : most(this.max, next.max);
        }
        for (const [octave, n] of next.coarse) addCount(this.coarse, octave, n);
        for (const [bucket, n] of next.buckets) addCount(this.buckets, bucket, n);
        for (const [magnitude, exemplar] of next.exemplars) this.addExemplar(magnitude, exemplar);
    }

    /** Changes to the layout with this many digits if that is coarser. */
    coarsen(digits) {
        if (digits >= this.digits) return;
        const { buckets, coarse } = this;
        const fine = this.layout;
        const bounds = (key, isCoarse) => this.bounds(key, isCoarse, fine);
        this.digits = digits;
        [this.buckets, this.coarse] = [new Map(), new Map()];
        const { h } = this.layout;
        for (const [key, n] of buckets) addCount(this.buckets, this.bucketOf(bounds(key, false).low), n);
        for (const [key, n] of coarse) {
            const { low, high } = bounds(key, true);
            addCount(this.coarse, Math.floor(this.bucketOf(low + (high - low) / 2n) / h), n);
        }
    }

    /** The bucket of a value, as `octave * h + bucket`. */
    bucketOf(value) {
        const { k, h } = this.layout;
        const octave = value < h ? 0 : bitLength(value) - k + 1;
        return octave === 0 ? Number(value) : octave * h + Number(value >> BigInt(octave - 1)) - h;
    }

    /** The least and the greatest value of a bucket, or of an octave. */
    bounds(key, isCoarse, { h } = this.layout) {
        const octave = isCoarse ? key : Math.floor(key / h);
        const [first, last] = isCoarse ? [0, h - 1] : [key % h, key % h];
        if (octave === 0) return { low: BigInt(first), high: BigInt(last) };
        const width = 1n << BigInt(octave - 1);
        return { low: BigInt(h + first) * width, high: BigInt(h + last + 1) * width - 1n };
    }

    /** The nonempty buckets in ascending order; in each octave the coarse count is first. */
    ascending() {
        const layout = this.layout;
        const all = [...this.coarse].map(([octave, count]) => [octave * layout.h - 0.5, octave, true, count]);
        for (const [key, count] of this.buckets) all.push([key, key, false, count]);
        all.sort(([a], [b]) => a - b);
        return all.map(([, key, isCoarse, count]) => ({ ...this.bounds(key, isCoarse, layout), count }));
    }

    middle({ low, high }) {
        const middle = low + (high - low) / 2n;
        if (this.min === null || this.min > this.max) return middle;
        return most(this.min, least(this.max, middle));
    }

    mean() {
        return this.count ? ratio(this.total, this.count) : null;
    }

    deviation() {
        const { count, total, squares } = this;
        if (count < 2n) return count ? 0 : null;
        if (squares === MOST128) return this.deviationOfBuckets();
        const difference = count * squares - total * total;
        return difference < 0n ? 0 : Math.sqrt(ratio(difference, count * (count - 1n)));
    }

    deviationOfBuckets() {
        const mean = this.mean();
        let [n, squares] = [0, 0];
        for (const { low, high, count } of this.ascending()) {
            n += Number(count);
            squares += Number(count) * (Number(low + high) / 2 - mean) ** 2;
        }
        return n > 1 ? Math.sqrt(squares / (n - 1)) : 0;
    }

    /** An object with the JSON keys of the kind. The divisor is 1, or the one from nanoseconds to seconds. */
    show(divisor) {
        // Divided, not multiplied by 1e-9, which is not a double.
        const show = (x) => (x === null ? null : divisor === 1 ? plain(x) : Number(x) / divisor);
        const percentiles = this.percentiles((place) => show(this.middle(place)));
        const shown = {
            count: plain(this.count),
            total: show(this.total),
            mean: show(this.mean()),
            stddev: show(this.deviation()),
            min: show(this.min),
            max: show(this.max),
            last: show(this.last),
            percentiles,
        };
        return this.showExemplars(shown, show);
    }
}

const isOctaves = (digits) => areDigits(digits) && { counts: layoutOf(digits).h, most: layoutOf(digits).octaves };

function distributionKind(name, divisor) {
    return {
        name,
        isFlat: true,
        fits: ({ buffers, words, plain, parameter }) =>
            buffers > 0 && areDigits(parameter) && words >= 8 && plain === layoutOf(parameter).octaves,
        octaves: ({ parameter }) => isOctaves(parameter),
        cells: isExemplar,
        nothing: ({ parameter }) => new Distribution(parameter),
        decode(found, { parameter }, of) {
            const value = new Distribution(parameter);
            value.readMoments(found.buffer);
            if (of.retired) value.last = null;
            value.addCoarse(found.plain, 0, value.layout.octaves);
            for (const { number, counts } of found.octaves) value.addOctave(number, counts);
            for (const { time, bits, context } of exemplarsOf(found, of)) {
                value.addExemplar(bitLength(bits), { time, value: bits, context });
            }
            return value;
        },
        show: (value) => value.show(divisor),
    };
}

const isExemplar = ({ number, cells, buffers, words }) =>
    number >= 2 ** 31 && cells === 1 && buffers === 2 && words === 3;

// ---------------------------------------------------------------------------------------------------------------------
// Summary
// ---------------------------------------------------------------------------------------------------------------------

/** The lesser (greater) of two numbers; a NaN loses against a number. */
const lesser = (a, b) => (b < a || a !== a ? b : a);
const greater = (a, b) => (b > a || a !== a ? b : a);

/**
 * A summary of f64 values. The squares are about 0, and exact. So the squares of several files add up, and the squares
 * about the mean are computed from them without loss.
 */
class Summary {
    constructor() {
        this.count = this.lastTime = this.rejected = 0n;
        this.total = this.squares = ZERO;
        this.min = this.max = this.last = null;
    }

    static read(view, rejected) {
        const summary = new Summary();
        summary.count = word(view, 0);
        summary.rejected = rejected;
        summary.total = twoFloats(float(view, 2), float(view, 3));
        if (summary.count === 0n) return summary;
        const shift = exact(float(view, 1));
        const count = { m: summary.count, e: 0 };
        // The sum of (x - k)^2 is Q, so the sum of x^2 is Q + 2kT - nk^2.
        const twice = times({ m: 2n, e: 0 }, times(shift, summary.total));
        const again = times({ m: -1n, e: 0 }, times(count, times(shift, shift)));
        summary.squares = plus(plus(twoFloats(float(view, 4), float(view, 5)), twice), again);
        [summary.min, summary.max, summary.last] = [float(view, 6), float(view, 7), float(view, 8)];
        summary.lastTime = word(view, 9);
        return summary;
    }

    copy() {
        return Object.assign(new Summary(), this);
    }

    merge(other) {
        this.rejected = saturated(this.rejected, other.rejected);
        if (other.count === 0n) return;
        if (this.count === 0n) {
            Object.assign(this, other, { rejected: this.rejected });
            return;
        }
        this.count = saturated(this.count, other.count);
        this.total = plus(this.total, other.total);
        this.squares = plus(this.squares, other.squares);
        this.min = lesser(this.min, other.min);
        this.max = greater(this.max, other.max);
        if (other.lastTime >= this.lastTime) [this.last, this.lastTime] = [other.last, other.lastTime];
    }

    mean() {
        return this.count ? dividedBy(this.total, this.count) : null;
    }

    deviation() {
        const { count, total, squares } = this;
        if (count < 2n) return count ? 0 : null;
        const minus = times({ m: -1n, e: 0 }, times(total, total));
        const difference = plus(times({ m: count, e: 0 }, squares), minus);
        if (isExact(difference) && difference.m < 0n) return 0;
        return Math.sqrt(dividedBy(difference, count * (count - 1n)));
    }

    show() {
        return {
            count: plain(this.count),
            total: nearest(this.total),
            mean: this.mean(),
            stddev: this.deviation(),
            min: this.min,
            max: this.max,
            last: this.last,
            last_time: this.count ? Number(this.lastTime) / NANOSECONDS : null,
            rejected: plain(this.rejected),
        };
    }
}

const SUMMARY = {
    name: "summary",
    isFlat: true,
    fits: ({ buffers, words, plain }) => buffers > 0 && words === 10 && plain === 1,
    nothing: () => new Summary(),
    decode: (found) => Summary.read(found.buffer, word(found.plain, 0)),
    show: (value) => value.show(),
};

// ---------------------------------------------------------------------------------------------------------------------
// FloatPercentile
// ---------------------------------------------------------------------------------------------------------------------

const RANGES = 64;
const OCTAVES_OF_FLOATS = 4096;
const OCTAVES_OF_RANGE = 64;
const NEGATIVE = 2048; // the first octave of negative values
const NO_NUMBERS = 2047; // the octave of infinities and NaNs, modulo 2048

/** A distribution of f64 values. */
class FloatDistribution extends Histogram {
    constructor(digits) {
        super(digits);
        this.moments = new Summary();
    }

    copy() {
        return this.copyTo(Object.assign(new FloatDistribution(this.digits), { moments: this.moments.copy() }));
    }

    merge(other) {
        const areBoth = this.moments.count > 0n && other.moments.count > 0n;
        this.moments.merge(other.moments);
        if (areBoth) this.moments.last = NaN;
        const digits = Math.min(this.digits, other.digits);
        this.coarsen(digits);
        const [from, to] = [other.layout.h, this.layout.h];
        for (const [key, n] of other.buckets) addCount(this.buckets, Math.floor((key * to) / from), n);
        for (const [range, n] of other.coarse) addCount(this.coarse, range, n);
        for (const [magnitude, exemplar] of other.exemplars) this.addExemplar(magnitude, exemplar);
    }

    coarsen(digits) {
        if (digits >= this.digits) return;
        const [from, buckets] = [this.layout.h, this.buckets];
        this.digits = digits;
        this.buckets = new Map();
        for (const [key, n] of buckets) addCount(this.buckets, Math.floor((key * this.layout.h) / from), n);
    }

    /** The nonempty buckets in ascending order, with the bits of their least and greatest absolute values. */
    ascending() {
        const { h } = this.layout;
        const width = 2n ** 52n / BigInt(h);
        const all = [];
        for (const [range, count] of this.coarse) {
            const first = range * OCTAVES_OF_RANGE;
            const last = first + OCTAVES_OF_RANGE - 1;
            const end = last % NEGATIVE === NO_NUMBERS ? last : last + 1; // the greatest finite value
            // Before all octaves of the range; below 0 the last octave has the least values.
            const order = first >= NEGATIVE ? -(last + 1) * h : first * h;
            all.push([order - 0.5, BigInt(first) << 52n, (BigInt(end) << 52n) - 1n, count]);
        }
        for (const [key, count] of this.buckets) {
            const first = BigInt(key) * width;
            all.push([key >= NEGATIVE * h ? -key : key, first, first + width - 1n, count]);
        }
        all.sort(([a], [b]) => a - b);
        return all.map(([, a, b, count]) => ({ a, b, count }));
    }

    middle({ a, b }) {
        const { count, min, max } = this.moments;
        const middle = a % 2n ** 63n === 0n ? 0 : bitsToFloat(a + (b - a) / 2n);
        return count && min <= max ? Math.max(min, Math.min(max, middle)) : middle;
    }

    show() {
        const { last_time: _, ...shown } = this.moments.show();
        shown.percentiles = this.percentiles((place) => this.middle(place));
        return this.showExemplars(shown, (value) => value);
    }
}

const FLOATS = {
    name: "percentile",
    isFlat: true,
    fits: ({ buffers, words, plain, parameter }) =>
        buffers > 0 && areDigits(parameter) && words === 10 && plain === RANGES + 1,
    octaves: ({ parameter }) => isOctaves(parameter) && { counts: layoutOf(parameter).h, most: OCTAVES_OF_FLOATS },
    cells: isExemplar,
    nothing: ({ parameter }) => new FloatDistribution(parameter),
    decode(found, { parameter }, of) {
        const value = new FloatDistribution(parameter);
        value.moments = Summary.read(found.buffer, word(found.plain, RANGES));
        value.addCoarse(found.plain, 0, RANGES);
        for (const { number, counts } of found.octaves) value.addOctave(number, counts);
        for (const { time, bits, context } of exemplarsOf(found, of)) {
            const octave = Number(bits >> 52n);
            if (octave % NEGATIVE === NO_NUMBERS) continue;
            // Magnitudes ascend with the values: negative ones come first.
            const magnitude = octave < NEGATIVE ? NEGATIVE + octave : OCTAVES_OF_FLOATS - 1 - octave;
            value.addExemplar(magnitude, { time, value: bitsToFloat(bits), context });
        }
        return value;
    },
    show: (value) => value.show(),
};

// ---------------------------------------------------------------------------------------------------------------------
// The other kinds
// ---------------------------------------------------------------------------------------------------------------------

/** Merge rules: `merged` is the merged value of `files` earlier files. */
function mergeNumbers(rule, merged, next, files) {
    if (rule === LATEST) return next;
    if (rule === MEAN) return Number(merged) + (Number(next) - Number(merged)) / (files + 1);
    if (rule === MAX) return greater(merged, next);
    if (rule === MIN) return lesser(merged, next);
    const areIntegers = typeof merged === "bigint" && typeof next === "bigint";
    return areIntegers ? merged + next : Number(merged) + Number(next);
}

const isWord = ({ buffers, words, plain }) => buffers === 0 && words === 0 && plain === 1;

/** A text in words: its length, and its bytes. */
function textIn(view) {
    const room = view.byteLength - 8;
    return textOf(view, 8, Number(least(word(view, 0), BigInt(room))));
}

const COUNTER = {
    name: "counter",
    fits: isWord,
    nothing: () => 0n,
    decode: (found) => word(found.plain, 0),
    merge: (merged, next) => saturated(merged, next),
    show: plain,
};

const UPDOWN = {
    name: "updown",
    files: "all but dead",
    fits: isWord,
    nothing: () => 0n,
    decode: (found) => found.plain.getBigInt64(0, true),
    merge: (merged, next) => most(least(merged + next, 2n ** 63n - 1n), -(2n ** 63n)),
    show: plain,
};

const GAUGE = {
    name: "gauge",
    files: "current",
    fits: (metric) => isWord(metric) && metric.scalar !== BOOL && SCALARS.has(metric.scalar),
    nothing: () => 0n,
    decode: (found, { scalar }) => SCALARS.get(scalar).load(found.plain, 0),
    merge: (merged, next, { metric, files }) => mergeNumbers(metric.rule, merged, next, files),
    show: plain,
};

const FLAG = {
    name: "flag",
    files: "current",
    fits: isWord,
    nothing: () => false,
    decode: (found) => word(found.plain, 0) !== 0n,
    merge: (merged, next) => merged || next,
    show: (value) => value,
};

const TEXTS = {
    name: "text",
    files: "current, or else all",
    fits: ({ buffers, words, plain }) => buffers > 0 && words >= 1 && plain === 0,
    nothing: () => "",
    decode: (found) => textIn(found.buffer),
    merge: (_, next) => next,
    show: (value) => value,
};

const CONSTANT = {
    name: "constant",
    files: "current, or else all",
    fits: (metric) =>
        metric.scalar === TEXT
            ? metric.buffers === 0 && metric.words === 0 && metric.plain >= 1
            : isWord(metric) && SCALARS.has(metric.scalar),
    nothing: () => 0n,
    decode(found, { scalar }) {
        if (scalar === TEXT) return textIn(found.plain);
        const number = SCALARS.get(scalar).load(found.plain, 0);
        return scalar === BOOL ? number !== 0n : number;
    },
    merge: (_, next) => next,
    show: plain,
};

const COMPOUND = {
    name: "compound",
    fits({ buffers, words, plain, fields }) {
        const bytes = fields.reduce((sum, field) => sum + field.bytes, 0);
        return buffers > 0 && words >= 1 && words <= 64 && plain === 0 && fields.length > 0 && bytes <= 8 * words;
    },
    nothing: ({ fields }) => fields.map(({ count }) => (count ? new Array(count).fill(0n) : 0n)),
    decode: (found, { fields }) =>
        fields.map(({ scalar, count, offset }) => {
            const { bytes, load } = SCALARS.get(scalar);
            if (!count) return load(found.buffer, offset);
            return Array.from({ length: count }, (_, i) => load(found.buffer, offset + i * bytes));
        }),
    /** Merges each field of the later file with the field of the same name in the earlier files. */
    merge(merged, next, { before, metric, files }) {
        const had = new Map();
        before.fields.forEach(({ name, count }, i) => had.set(name, { isArray: count > 0, value: merged[i] }));
        return metric.fields.map(({ name, rule, count }, i) => {
            const earlier = had.get(name);
            if (!earlier || earlier.isArray !== count > 0) return next[i];
            if (!count) return mergeNumbers(rule, earlier.value, next[i], files);
            return next[i].map((number, j) => {
                return j < earlier.value.length ? mergeNumbers(rule, earlier.value[j], number, files) : number;
            });
        });
    },
    show: (value, { fields }) =>
        objectOf(fields.map(({ name }, i) => [name, Array.isArray(value[i]) ? value[i].map(plain) : plain(value[i])])),
};

/** The count of f64 values, and their total. */
class Average {
    constructor(count = 0n, total = ZERO) {
        this.count = count;
        this.total = total;
    }

    copy() {
        return new Average(this.count, this.total);
    }

    merge(other) {
        this.count = saturated(this.count, other.count);
        this.total = plus(this.total, other.total);
    }

    show() {
        return { value: this.count ? dividedBy(this.total, this.count) : null, count: plain(this.count) };
    }
}

function averageKind(name, files, areValues) {
    return {
        name,
        isFlat: true,
        files,
        fits: (metric) => metric.buffers > 0 && metric.words === 3 && areValues(metric),
        nothing: () => new Average(),
        decode: ({ buffer }) => new Average(word(buffer, 0), twoFloats(float(buffer, 1), float(buffer, 2))),
        show: (value) => value.show(),
    };
}

const SAMPLING_COUNTER = {
    name: "samplingcounter",
    isFlat: true,
    fits: ({ buffers, words, plain }) => buffers > 0 && words === 2 && plain === 1,
    nothing: () => ({ count: 0n, rate: 0 }),
    decode: ({ buffer }) => ({ count: word(buffer, 0), rate: float(buffer, 1) }),
    /** A file that is not written has no rate. */
    inactive: ({ count }) => ({ count, rate: 0 }),
    merge: (merged, next) => ({ count: saturated(merged.count, next.count), rate: merged.rate + next.rate }),
    show: ({ count, rate }) => ({ count: plain(count), per_ms: rate }),
};

// ---------------------------------------------------------------------------------------------------------------------
// History
// ---------------------------------------------------------------------------------------------------------------------

/** The last values: time, value and context, newest first. */
class RecentValues {
    constructor(size, entries = []) {
        this.size = size;
        this.entries = entries;
    }

    static read(size, cells, context) {
        const numbered = new Map();
        for (const { p, words } of cells) numbered.set(p, words);
        const numbers = [...numbered.keys()].sort((a, b) => (a < b ? 1 : -1));
        const entries = numbers.map((p) => {
            const words = numbered.get(p);
            return { time: word(words, 0), value: float(words, 1), context: context(word(words, 2)) };
        });
        return new RecentValues(size, entries);
    }

    copy() {
        return new RecentValues(this.size, this.entries);
    }

    merge(other) {
        this.size = Math.max(this.size, other.size);
        const [one, two, merged] = [this.entries, other.entries, []];
        for (let [i, j] = [0, 0]; merged.length < this.size && (i < one.length || j < two.length); ) {
            const isSecond = i === one.length || (j < two.length && two[j].time > one[i].time);
            merged.push(isSecond ? two[j++] : one[i++]);
        }
        this.entries = merged;
    }

    show() {
        const entries = this.entries.map(({ time, value, context }) => {
            return { timestamp: Number(time) / NANOSECONDS, value, context_id: contextId(context) };
        });
        return { entries };
    }
}

const HISTORY = {
    name: "history",
    isFlat: true,
    fits: (metric) => isWord(metric) && metric.scalar === F64,
    cells: ({ buffers, words }) => buffers === 1 && words === 3,
    nothing: ({ parameter }) => new RecentValues(parameter),
    decode: (found, { parameter }, of) => RecentValues.read(parameter, found.cells, of.context),
    show: (value) => value.show(),
};

// ---------------------------------------------------------------------------------------------------------------------
// Errors
// ---------------------------------------------------------------------------------------------------------------------

const FIXED_WORDS = 6;
const [IS_NOTE, IS_TOTAL] = [1n, 2n];

/** An error log: `messages` and `totals` hold entries by what identifies them. */
class ErrorLog {
    constructor(counts = [0n, 0n, 0n, 0n]) {
        this.counts = counts;
        this.messages = new Map();
        this.totals = new Map();
    }

    copy() {
        const copy = new ErrorLog(this.counts);
        copy.messages = new Map(this.messages);
        copy.totals = new Map(this.totals);
        return copy;
    }

    addCell(words, context) {
        const lengths = word(words, 4);
        let at = 8 * FIXED_WORDS;
        const texts = [0n, 16n, 32n, 48n].map((shift) => {
            const length = Math.min(Number((lengths >> shift) & 0xffffn), words.byteLength - at);
            at += length;
            return textOf(words, at - length, length);
        });
        const [name, site, message, sources] = texts;
        const flags = word(words, 5);
        const entry = {
            // In the order of the output.
            what: [name, (flags & IS_NOTE) === 0n ? "" : "note", message, site, sources],
            count: word(words, 0),
            first: word(words, 1),
            last: word(words, 2),
            context: context(word(words, 3)),
        };
        ErrorLog.enter((flags & IS_TOTAL) === 0n ? this.messages : this.totals, JSON.stringify(entry.what), entry);
    }

    static enter(entries, key, next) {
        const known = entries.get(key);
        if (!known) {
            entries.set(key, next);
            return;
        }
        const [latest, other] = next.last > known.last ? [next, known] : [known, next];
        entries.set(key, {
            what: known.what,
            count: saturated(known.count, next.count),
            first: least(known.first, next.first),
            last: most(known.last, next.last),
            context: latest.context ?? other.context,
        });
    }

    merge(other) {
        this.counts = this.counts.map((count, i) => saturated(count, other.counts[i]));
        for (const [key, entry] of other.messages) ErrorLog.enter(this.messages, key, entry);
        for (const [key, entry] of other.totals) ErrorLog.enter(this.totals, key, entry);
    }

    show() {
        const inOrder = (entries) => [...entries.values()].sort((a, b) => compareLists(a.what, b.what));
        const exposed = ([name, note]) => (note ? name : `EXC:${name}`);
        const distinct = inOrder(this.messages).map(({ what, count, first, last, context }) => {
            const [type, note, message, site, sources] = what;
            const shown = {
                name: exposed(what),
                count: plain(count),
                first: Number(first) / NANOSECONDS,
                last: Number(last) / NANOSECONDS,
                context_id: contextId(context),
            };
            return note ? shown : { ...shown, type, message, site, sources: sources ? sources.split("\n") : [] };
        });
        const sites = inOrder(this.totals).map(({ what, count }) => {
            return { name: exposed(what), site: what[3], count: plain(count) };
        });
        const [all, overflow, evicted, unnamed] = this.counts.map(plain);
        return { all, overflow, evicted, unnamed, distinct, sites };
    }
}

function compareLists(a, b) {
    for (let i = 0; i < a.length; i++) {
        const order = compareTexts(a[i], b[i]);
        if (order) return order;
    }
    return 0;
}

const ERRORS = {
    name: "errors",
    isFlat: true,
    fits: ({ buffers, words, plain }) => buffers === 0 && words === 0 && plain === 4,
    cells: ({ cells, buffers, words }) => cells === 1 && buffers === 2 && words >= FIXED_WORDS,
    nothing: () => new ErrorLog(),
    decode(found, _, of) {
        const log = new ErrorLog([0, 1, 2, 3].map((i) => word(found.plain, i)));
        for (const { words } of found.cells) log.addCell(words, of.context);
        return log;
    },
    show: (value) => value.show(),
};

// ---------------------------------------------------------------------------------------------------------------------
// Window
// ---------------------------------------------------------------------------------------------------------------------

const STEPS = 12; // the number of steps that count
const PLACES = STEPS + 1;

/** The parts of a window's step: the kind, the words beside its stamp, coarse counts and octaves. */
function stepOf({ parameter }) {
    const [kind, digits] = [parameter & 0xff, parameter >>> 8];
    const step = { kind: KINDS.get(kind), parameter: digits, coarse: 0 };
    if (step.kind === COUNTER) return { ...step, words: 2 };
    if (step.kind === SUMMARY) return { ...step, words: 10 };
    if (!areDigits(digits)) return null;
    if (step.kind === FLOATS) return { ...step, words: 10, coarse: RANGES, octaves: OCTAVES_OF_FLOATS };
    const { octaves } = layoutOf(digits);
    return step.kind === TIMER || step.kind === PERCENTILE ? { ...step, words: 8, coarse: octaves, octaves } : null;
}

/** What another metric counted in its most recent time: the steps that count, merged. Times are in nanoseconds. */
class WindowValue {
    constructor(step, length) {
        this.step = step;
        this.length = length;
        this.reach = 0n;
        this.value = step.kind.nothing(step);
    }

    copy() {
        const copy = Object.assign(Object.create(WindowValue.prototype), this);
        copy.value = this.value.copy?.() ?? this.value;
        return copy;
    }

    merge(other) {
        this.length = most(this.length, other.length);
        this.reach = most(this.reach, other.reach);
        this.value = merged(this.step.kind, this.value, other.value);
    }

    /** Adds the steps that count, for a metric that is not a counter. */
    addSteps(found, stepLength, now) {
        const { step } = this;
        for (let place = 0; place < PLACES; place++) {
            const at = place * (1 + step.words);
            const stamp = word(found.buffer, at);
            if (stamp === 0n || stepLength === 0n) continue;
            const age = now / stepLength - (stamp - 1n);
            if (age < 0n || age >= STEPS) continue;
            const own = { ...found, buffer: part(found.buffer, 8 * (at + 1), 8 * step.words), cells: [], octaves: [] };
            // One word more: a summary's count of rejected values, which a step does not have.
            own.plain = new DataView(new ArrayBuffer(8 * (step.coarse + 1)));
            const empty = step.kind.decode(own, step, NO_CONTEXTS);
            for (let i = 0; i < step.coarse; i++) {
                own.plain.setBigUint64(8 * i, word(found.plain, 1 + place * step.coarse + i), true);
            }
            own.octaves = found.octaves
                .filter(({ number }) => Math.floor(number / step.octaves) === place)
                .map(({ number, counts }) => ({ number: number % step.octaves, counts }));
            const value = step.kind.decode(own, step, NO_CONTEXTS);
            // True if the counts belong to the step that was here before.
            const isOld = step.coarse && Histogram.sum(value.ascending()) / 2n > word(own.buffer, 0) + 1000n;
            this.value = merged(step.kind, this.value, isOld ? empty : value);
        }
    }

    /** Adds what a counter counted since the beginning of the first step that counts. */
    addCount(found, stepLength, now, count) {
        if (stepLength === 0n) return;
        const first = most(0n, now / stepLength - BigInt(STEPS - 1));
        const steps = [];
        for (let place = 0; place < PLACES; place++) {
            const [stamp, then, time] = [0, 1, 2].map((i) => word(found.buffer, 3 * place + i));
            if (stamp > 0n && time > 0n && time <= now) steps.push({ number: stamp - 1n, then, time });
        }
        if (steps.every(({ number }) => number < first)) return;
        const before = steps.filter(({ number }) => number <= first);
        const chosen = before.length
            ? before.reduce((a, b) => (b.number > a.number ? b : a))
            : steps.reduce((a, b) => (b.number < a.number ? b : a));
        this.value = most(0n, count - chosen.then);
        this.reach = now - chosen.time;
    }

    show() {
        const { step, value, length } = this;
        const seconds = Number(length) / NANOSECONDS;
        if (step.kind !== COUNTER) return { seconds, ...step.kind.show(value, step) };
        const reach = most(most(this.reach, length / BigInt(STEPS)), 1n);
        return { seconds, count: plain(value), rate: (Number(value) * NANOSECONDS) / Number(reach) };
    }
}

const NO_CONTEXTS = { context: () => LOST, retired: false };

/** A window has no series of its own: it is decoded, merged and shown with its metric. */
const WINDOW = {
    name: "window",
    fits(metric) {
        const step = stepOf(metric);
        const isForm = step && metric.words === PLACES * (1 + step.words) && metric.plain === 1 + PLACES * step.coarse;
        return metric.buffers > 0 && isForm;
    },
    octaves(metric) {
        const step = stepOf(metric);
        return step.coarse && { counts: layoutOf(step.parameter).h, most: PLACES * step.octaves };
    },
    decode(found, metric, { now }, value) {
        const stepLength = word(found.plain, 0);
        const window = new WindowValue(stepOf(metric), least(BigInt(STEPS) * stepLength, MOST64));
        if (window.step.kind === COUNTER) window.addCount(found, stepLength, now, value);
        else window.addSteps(found, stepLength, now);
        return window;
    },
};

/** CLOCK_MONOTONIC in nanoseconds; null if it cannot be read. */
function monotonicNow() {
    if (process.platform !== "linux") return null;
    if (!process.versions.deno) return process.hrtime.bigint();
    // Deno counts from its own start. The uptime is the same clock if the machine has never been suspended.
    const suspended = contentsOf("/sys/power/suspend_stats/success").trim();
    const isKnown = suspended === "0" || (suspended === "" && statOf("/sys/power/state", fs.statSync));
    const isShifted = /[1-9]/.test(contentsOf("/proc/self/timens_offsets"));
    const uptime = /^(\d+)\.(\d\d) /.exec(contentsOf("/proc/uptime"));
    return isKnown && !isShifted && uptime ? BigInt(uptime[1] + uptime[2]) * 10_000_000n : null;
}

/** Whether start times and the times of windows are on the clock of this process. */
function hasClockOf({ bootId, timeNamespace }) {
    const here = thisProcess();
    return bootId !== NO_ID && bootId === here.bootId && timeNamespace === here.timeNamespace;
}

// ---------------------------------------------------------------------------------------------------------------------
// Kinds
// ---------------------------------------------------------------------------------------------------------------------

const TIMER = distributionKind("timer", NANOSECONDS);
const PERCENTILE = distributionKind("percentile", 1);

/**
 * The kinds by code. A kind has a `name`; `fits`: whether an entry has its geometry; `decode`, `merge` and `show` for a
 * value; `nothing`: the value if no file counts; `files`: which files count (all by default); `isFlat`: whether JSON
 * has the keys of the value beside those of the label; and if it has such records, `octaves`: their greatest number
 * and their counts, and `cells`: whether an extent belongs to the kind.
 */
const KINDS = new Map([
    [1, COUNTER],
    [2, UPDOWN],
    [3, GAUGE],
    [4, FLAG],
    [5, TEXTS],
    [6, CONSTANT],
    [7, TIMER],
    [8, PERCENTILE],
    [9, COMPOUND],
    [10, SUMMARY],
    [11, averageKind("average", "all", ({ plain }) => plain === 0)],
    [12, averageKind("movingaverage", "current, or else all", (m) => m.plain >= 1 && m.plain === m.parameter)],
    [13, SAMPLING_COUNTER],
    [14, HISTORY],
    [15, ERRORS],
    [16, WINDOW],
    [17, FLOATS],
]);

// ---------------------------------------------------------------------------------------------------------------------
// Merging
// ---------------------------------------------------------------------------------------------------------------------

/** Returns two values merged. `before` is changed if it is an object with a `merge` method. */
function merged(kind, before, next, of) {
    if (kind.merge) return kind.merge(before, next, of);
    before.merge(next);
    return before;
}

const hasIdentity = ({ group, labels }) => group !== undefined || labels !== undefined;

function areSame(one, two) {
    if (one === two) return true;
    const text = ({ group, labels }) => group ?? (labels ? JSON.stringify(Object.entries(labels)) : null);
    return one.group === two.group && text(one) === text(two);
}

/** One label over several files. */
class Label {
    constructor(label) {
        this.label = label;
        this.metric = null; // of the file created last, which determines kind, unit, help and identity
        this.identity = null;
        this.value = null;
        this.before = null; // the metric of the value merged last
        this.files = 0;
        this.isCurrent = false;
        this.isSeen = false;
        this.isBusy = false;
        this.window = null;
        this.named = new Set(); // what has been reported
    }

    /** Sets the metric and the identity of the label, from a later file. */
    identify(series, file) {
        // Retired files of earlier versions contain neither groups nor labels.
        const isOlder = this.metric && file.retired && !hasIdentity(series.identity) && hasIdentity(this.identity);
        if (isOlder && this.metric.kind === series.metric.kind) return;
        this.metric = series.metric;
        this.identity = series.identity;
    }

    report(what, file, errors, error) {
        if (this.named.has(what)) return;
        this.named.add(what);
        errors.push({ path: file.path, error: `the label ${quoted(this.label)} ${error}` });
    }

    /** Adds the value that a file in this state has for the label. */
    add(series, file, state, errors) {
        const { metric } = series;
        if (series.isBusy) {
            this.isBusy = true;
            return;
        }
        if (metric.kind !== this.metric.kind) {
            this.report(metric.kind, file, errors, "is of another kind in a file created later, which counts");
            return;
        }
        const isUnknown = file.retired && !hasIdentity(series.identity);
        if (!isUnknown && !areSame(series.identity, this.identity)) {
            this.report("identity", file, errors, "is of another group or other labels in a file created later");
        }
        this.isSeen = true;
        this.addValue(series.value, metric, state);
        if (!series.window) return;
        if (this.window) this.window.merge(series.window.value);
        else this.window = series.window.value.copy();
    }

    addValue(value, metric, state) {
        const kind = KINDS.get(metric.kind);
        const isCurrent = state === "live" || state === "unknown";
        if (kind.files === "all but dead" && state === "dead") return;
        if (kind.files === "current" && !isCurrent) return;
        if (kind.files === "current, or else all") {
            if (this.isCurrent && !isCurrent) return;
            if (isCurrent && !this.isCurrent) this.files = 0;
            this.isCurrent = isCurrent;
        }
        if (!isCurrent && kind.inactive) value = kind.inactive(value);
        if (this.files === 0) this.value = value.copy?.() ?? value;
        else this.value = merged(kind, this.value, value, { before: this.before, metric, files: this.files });
        this.before = metric;
        this.files++;
    }

    /** The label as a `Series`. */
    show(descriptions) {
        const { label, identity, isBusy } = this;
        const metric = this.before ?? this.metric;
        const kind = KINDS.get(metric.kind);
        const { unit, help } = descriptions.get(`${metric.kind} ${this.metric.label}`) ?? this.metric;
        const isValue = !isBusy && this.isSeen;
        const value = this.files ? this.value : kind.nothing(metric);
        return {
            label,
            metric: this.metric.label,
            ...identity,
            kind: kind.name,
            unit: kind === TIMER ? "seconds" : unit,
            help,
            value: isValue ? kind.show(value, metric) : null,
            busy: isBusy,
            ...(isValue && this.window && { window: this.window.show() }),
        };
    }
}

/** The merged series of some files of one model, which are in the order of their creation. */
function mergeFiles(files, errors, stateOf = (file) => file.state) {
    const labels = new Map();
    const descriptions = new Map();
    for (const file of files) {
        for (const [key, description] of file.descriptions) describe(descriptions, key, description);
        for (const stats of [...file.parts].reverse()) {
            for (const series of stats.values()) {
                if (!labels.has(series.label)) labels.set(series.label, new Label(series.label));
                labels.get(series.label).identify(series, file);
            }
        }
    }
    for (const file of files) {
        const state = stateOf(file);
        for (const stats of file.parts) {
            for (const series of stats.values()) labels.get(series.label).add(series, file, state, errors);
        }
    }
    const shown = [...labels.values()].filter(({ isSeen, isBusy }) => isSeen || isBusy);
    shown.sort((a, b) => compareTexts(a.label, b.label));
    return shown.map((label) => label.show(descriptions));
}

/** Each file counts once: of several copies, the one most like the file that its writer made. */
function withoutCopies(files, errors) {
    const strangeness = (file) => {
        const { uid, model, pid, tid } = file.header;
        const isNamed = path.basename(file.path).replace(/-[0-9]+$/, "") === `mmstats-${pid}-${tid}`;
        const isPlain = path.basename(file.path) === `mmstats-${pid}-${tid}`;
        const isOfModel = path.basename(path.dirname(file.path)) === model;
        return 4 * (file.owner !== uid) + 2 * !isOfModel + !(isNamed || isPlain);
    };
    const inOrder = files.map((file) => ({ file, strange: strangeness(file) }));
    inOrder.sort((a, b) => a.strange - b.strange || compareTexts(a.file.path, b.file.path));
    const firsts = new Map();
    const copies = new Set();
    for (const { file } of inOrder) {
        if (file.retired) continue;
        const { model, tid, created } = file.header;
        const key = `${processKey(file.header)} ${tid} ${created} ${model}`;
        const first = firsts.get(key);
        if (!first) firsts.set(key, file);
        else if (first.owner === file.owner || first.owner === first.header.uid) {
            copies.add(file);
            if (file.node !== first.node) errors.push({ path: file.path, error: `a copy of ${printable(first.path)}` });
        }
    }
    return files.filter((file) => !copies.has(file));
}

// ---------------------------------------------------------------------------------------------------------------------
// Liveness
// ---------------------------------------------------------------------------------------------------------------------

/** File systems that only the kernel of this machine writes to, by their names in /proc/self/mountinfo. */
const LOCAL = new Set(
    ["tmpfs", "ramfs", "ext2", "ext3", "ext4", "xfs", "btrfs", "f2fs", "bcachefs", "zfs", "overlay"],
);
const LOCK_READINGS = 16;

let knownProcess = null;

/** What the kernel says about this process; asked once. */
function thisProcess() {
    knownProcess ??= {
        bootId: identifier("/proc/sys/kernel/random/boot_id"),
        machineId: identifier("/etc/machine-id"),
        pidNamespace: namespaceOf("pid"),
        timeNamespace: namespaceOf("time"),
        // The /proc of another pid namespace has other pids than this process sees.
        isProcOwn: !/^NSpid:\s+\d+\s+\d/m.test(contentsOf("/proc/self/status")),
    };
    return knownProcess;
}

/** The identifier of 32 hexadecimal digits in a file; zeros if the file contains anything else. */
function identifier(file) {
    const digits = contentsOf(file).trim().replaceAll("-", "").toLowerCase();
    return /^[0-9a-f]{32}$/.test(digits) ? digits : NO_ID;
}

const namespaceOf = (kind) => statOf(`/proc/self/ns/${kind}`, fs.statSync, { bigint: true })?.ino ?? 0n;

/**
 * The write locks on a single byte, as `inode token`, from /proc/locks, which lists the locks of all processes of the
 * machine, including those of other pid namespaces. `isComplete`: whether a lock that is not listed is free. Null if
 * the list cannot be read.
 *
 * The kernel returns a page of the list at a time. A lock may be missed if an earlier one goes away between two pages,
 * so the list is read until two reads are equal. The device is not compared: the list has the device of the file
 * system, while stat may return another one. A token is a random number of 63 bits, so inode and token are enough.
 */
function heldLocks() {
    const found = statOf("/proc/locks", fs.statSync);
    // A sandbox may have another file in this place.
    if (!found?.isFile() || found.dev !== statOf("/proc/self", fs.statSync)?.dev) return null;
    const held = new Set();
    let before = null;
    for (let reading = 0; reading < LOCK_READINGS; reading++) {
        const lines = contentsOf("/proc/locks").matchAll(
            /^\d+: (?:OFDLCK|POSIX) +\S+ +WRITE +-?\d+ +[0-9a-f]+:[0-9a-f]+:(\d+) (\d+) (\d+)/gm,
        );
        const single = [...lines].filter(([, , start, end]) => start === end);
        const now = single.map(([, inode, start]) => `${inode} ${start}`);
        for (const lock of now) held.add(lock);
        const text = now.join();
        if (text === before) return { held, isComplete: true };
        before = text;
    }
    return { held, isComplete: false };
}

/** Whether processes are alive. Asks once per process and pass. */
class Liveness {
    constructor() {
        this.answers = new Map();
        this.locks = new Map(); // the file named .lock, by root
        this.heldLocks = undefined;
    }

    state(file) {
        const { header, root } = file;
        const { lockDevice, lockInode, machineId, timeNamespace, isPinned } = header;
        const lock = `${lockDevice} ${lockInode} ${isPinned}`;
        const key = `${processKey(header)} ${lock} ${machineId} ${timeNamespace} ${root}`;
        if (!this.answers.has(key)) this.answers.set(key, this.life(header, root));
        const life = this.answers.get(key);
        if (life !== "lives") return life;
        return [1, 2, 3].includes(file.ownerState) ? "orphan" : "live";
    }

    /** `lives`, `dead` or `unknown`. */
    life(header, root) {
        const here = thisProcess();
        const isHeld = this.isHeld(header, root);
        if (header.bootId !== NO_ID && here.bootId !== NO_ID && header.bootId !== here.bootId) {
            if (isHeld) return "lives";
            const isSameMachine = header.machineId !== NO_ID && header.machineId === here.machineId;
            return isSameMachine && isLocal(root) ? "dead" : "unknown";
        }
        const byPid = lifeByPid(header);
        if (isHeld) return byPid === "gone" ? "dead" : "lives";
        if (isHeld === false && header.isPinned) return "dead";
        return byPid === "gone" ? "dead" : byPid;
    }

    /** Whether the lock is held; undefined if the lock says nothing. */
    isHeld({ token, lockDevice, lockInode }, root) {
        if (token < 1n || token >= 2n ** 63n) return undefined;
        if (!this.locks.has(root)) {
            this.locks.set(root, statOf(path.join(root, ".lock"), fs.lstatSync, { bigint: true }));
        }
        const lock = this.locks.get(root);
        if (!lock?.isFile() || lock.dev !== lockDevice || lock.ino !== lockInode) return undefined;
        if (this.heldLocks === undefined) this.heldLocks = heldLocks(); // after all files have been read
        if (!this.heldLocks) return undefined;
        const { held, isComplete } = this.heldLocks;
        return held.has(`${lockInode} ${token}`) || (isComplete ? false : undefined);
    }
}

/** `lives`, `dead`, `gone` (the kernel does not know the pid) or `unknown`. */
function lifeByPid(header) {
    const { pid, bootId, pidNamespace, startTime } = header;
    const here = thisProcess();
    if (bootId === NO_ID || bootId !== here.bootId) return "unknown";
    if (pidNamespace === 0n || pidNamespace !== here.pidNamespace || pid === 0 || pid >= 2 ** 31) return "unknown";
    try {
        process.kill(pid, 0);
    } catch ({ code }) {
        if (code === "ESRCH") return "gone";
        if (code !== "EPERM") return "unknown"; // for example Deno without permission to ask
    }
    if (!here.isProcOwn) return "lives";
    // Fields 3, 20 and 22; the second is a name in parentheses, which may contain anything.
    const text = contentsOf(`/proc/${pid}/stat`);
    const fields = text.slice(text.lastIndexOf(")") + 1).trim().split(" ");
    if (fields.length < 20) return "lives";
    if ("ZX".includes(fields[0]) && Number(fields[17]) <= 1) return "dead";
    if (startTime !== 0n && hasClockOf(header) && BigInt(fields[19]) !== startTime) return "dead";
    return "lives";
}

/** Whether only this machine's kernel can write there, according to the type of the innermost mount. */
function isLocal(directory) {
    const real = statOf(directory, fs.realpathSync);
    if (!real) return false;
    let [length, type] = [-1, ""];
    for (const line of contentsOf("/proc/self/mountinfo").split("\n")) {
        const [mount, filesystem] = line.split(" - ").map((half) => half.split(" "));
        if (!filesystem) continue;
        const octal = (_, digits) => String.fromCharCode(parseInt(digits, 8));
        const bytes = Uint8Array.from(mount[4].replace(/\\([0-7]{3})/g, octal), (char) => char.charCodeAt(0));
        const point = decoder.decode(bytes);
        const isAbove = real === point || real.startsWith(point.endsWith("/") ? point : `${point}/`);
        if (isAbove && point.length >= length) [length, type] = [point.length, filesystem[0]];
    }
    return LOCAL.has(type);
}

// ---------------------------------------------------------------------------------------------------------------------
// Folding
// ---------------------------------------------------------------------------------------------------------------------

const NAMED = 1024n;
const STARTS = 16;

/** The file; null if it is gone or cannot be read. The latter goes to `errors`. */
function openFile(file, root, errors) {
    try {
        const found = new StatsFile(file, root);
        for (const problem of found.problems) errors.push({ path: file, error: printable(problem) });
        return found;
    } catch (problem) {
        const isGone = problem.code === "ENOENT" && !file.includes("\uFFFD");
        if (isGone) return null; // it was removed since the directory was listed
        errors.push({ path: file, error: printable(sentenceOf(problem)) });
        return null;
    }
}

function sentenceOf(problem) {
    if (problem instanceof Malformed) return problem.message;
    if (problem.code === "ELOOP") return "a symbolic link, not a regular file";
    if (problem.code === "ENOENT") return "cannot be opened: its name is not UTF-8, or it was removed";
    return `cannot be read: ${problem.message}`; // the system's error, or no memory
}

/** The retired file of a directory. Without a valid retired record, nothing in it counts. */
function openRetired(file, root, errors) {
    const found = openFile(file, root, errors);
    if (!found || found.retired) return found;
    errors.push({ path: file, error: "it does not list the files folded into it: remove it, or restore it" });
    return null;
}

/** The files of a model's directory, each counted once. */
function readDirectory(directory, root, errors) {
    const retiredPath = path.join(directory, RETIRED_FILE);
    for (let start = 0; start < STARTS; start++) {
        const found = [];
        const first = openRetired(retiredPath, root, []);
        const names = listing(directory).map(({ name }) => name).filter((name) => name !== RETIRED_FILE);
        const files = names.map((name) => openFile(path.join(directory, name), root, found)).filter(Boolean);
        for (const file of files.filter(({ retired }) => retired)) {
            found.push({ path: file.path, error: `totals under another name than ${RETIRED_FILE}` });
        }
        const second = openRetired(retiredPath, root, found);
        const folds = (second?.retired.folds ?? 0n) - (first?.retired.folds ?? 0n);
        if (folds < 0n || folds > NAMED) continue;
        errors.push(...found);
        const others = files.filter(({ retired }) => !retired);
        if (!second) return others;
        const isFolded = ({ header, owner }) => {
            const key = foldedKey(header);
            return owner === second.owner && (first?.retired.names.has(key) || second.retired.names.has(key));
        };
        return [...others.filter((file) => !isFolded(file)), second];
    }
    errors.push({ path: directory, error: "files are folded faster than they can be read: read it again" });
    return [];
}

// ---------------------------------------------------------------------------------------------------------------------
// Reading
// ---------------------------------------------------------------------------------------------------------------------

/**
 * Reads stats files.
 *
 * It takes about 30 microseconds for a small file. A directory that cannot be read, a damaged file and the like do not
 * throw an error: they are in `errors`, and everything else is read.
 *
 * @example
 * const { models, errors } = read("/run/app");
 * for (const { path, error } of errors) console.error(`${path}: ${error}`);
 * for (const { series } of models) {
 *     for (const { label, kind, value } of series) if (kind === "counter") console.log(label, value);
 * }
 *
 * @param {string | string[]} [paths] roots, directories of models or stats files. By default `$MMSTATS_PATH`, or else
 *   the usual roots of this user. If there are several, each is read by itself
 * @param {{perFile?: boolean}} [options] `perFile`: each file also has its own `series`
 * @returns {Result}
 */
export function read(paths = [], { perFile = false } = {}) {
    const given = [paths].flat();
    const result = { paths: [], models: [], errors: [] };
    if (given.length === 0) {
        const roots = defaultRoots(result.errors);
        if (roots.length) readPaths(roots, perFile, result);
        return result;
    }
    const [found, unread] = [[], []];
    for (const one of given) {
        try {
            fs.statSync(one);
            found.push(path.resolve(one));
        } catch (problem) {
            unread.push(one);
            result.errors.push({ path: one, error: printable(`cannot find stats files: ${problem.message}`) });
        }
    }
    for (const one of found) readPaths([one], perFile, result);
    result.paths.push(...unread);
    return result;
}

/** Adds the models below some paths; each file counts once. */
function readPaths(paths, perFile, { paths: read, models, errors }) {
    read.push(paths[0]);
    let files = [];
    const attempt = (directory, action) => {
        try {
            return action();
        } catch (problem) {
            errors.push({ path: directory, error: printable(sentenceOf(problem)) });
            return [];
        }
    };
    for (const one of paths) {
        if (!statOf(one, fs.statSync)?.isDirectory()) {
            const file = openFile(one, path.dirname(path.dirname(one)), errors);
            if (file) files.push(file);
            continue;
        }
        for (const { directory, root } of attempt(one, () => modelDirectories(one))) {
            files = files.concat(attempt(directory, () => readDirectory(directory, root, errors)));
        }
    }
    knownSchemas.length = 0;
    files = withoutCopies(files, errors);
    const liveness = new Liveness();
    const byModel = new Map();
    const inOrder = (a, b) =>
        a.header.created === b.header.created
            ? compareTexts(a.path, b.path)
            : a.header.created < b.header.created ? -1 : 1;
    for (const file of files.sort(inOrder)) {
        file.state = file.retired ? "dead" : liveness.state(file);
        append(byModel, file.header.model, file);
    }
    for (const name of [...byModel.keys()].sort(compareTexts)) {
        const own = byModel.get(name);
        models.push({
            name,
            path: paths[0],
            processes: new Set(own.filter(({ retired }) => !retired).map(({ header }) => processKey(header))).size,
            files: own.map((file) => fileShown(file, perFile)),
            series: mergeFiles(own, errors),
        });
    }
}

/** A file as a `File`. */
function fileShown(file, perFile) {
    const { pid, uid, gid, exe, created } = file.header;
    return {
        path: file.path,
        pid,
        tid: file.tid,
        uid,
        gid,
        exe,
        state: file.state,
        created: Number(created) / NANOSECONDS,
        bytes: file.length,
        notes: file.notes,
        ...(file.retired && { retired: plain(file.retired.folds) }),
        // All of its values, whatever its state.
        ...(perFile && { series: mergeFiles([file], [], () => "live").filter(({ busy }) => !busy) }),
    };
}

// ---------------------------------------------------------------------------------------------------------------------
// JSON
// ---------------------------------------------------------------------------------------------------------------------

/** Characters that act on a terminal or a page, or are invisible. */
const HARMFUL =
    /[\x00-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2064\u2066-\u2069\ufeff]/g;
const SHORT = { "\t": "\\t", "\r": "\\r", "\n": "\\n" };

/** For messages: each harmful character as `\t`, `\r`, `\n` or `\u{9b}`. */
function printable(text) {
    return text.replace(HARMFUL, (char) => SHORT[char] ?? `\\u{${char.charCodeAt(0).toString(16)}}`);
}

const quoted = (text) => JSON.stringify(text);

/**
 * The object that `mmstats show --json` prints.
 *
 * @param {Result} result
 * @returns {object} for `stringify`
 */
export function show(result) {
    const models = [];
    const names = new Set();
    for (const { name, path: of, processes, files, series } of result.models) {
        const key = names.has(name) ? `${name}@${of}` : name; // if several paths were given
        names.add(name);
        const shown = files.map(({ path, pid, tid, state, created, bytes, retired, series }) => {
            const stats = series && statsShown(series);
            return { path, pid, tid, state, created, bytes, ...(stats && { stats }), ...(retired && { retired }) };
        });
        models.push([key, { processes, files: shown, stats: statsShown(series) }]);
    }
    return { path: result.paths.join(":"), models: objectOf(models), errors: result.errors };
}

const FLAT = new Set([...KINDS.values()].filter(({ isFlat }) => isFlat).map(({ name }) => name));

function statsShown(series) {
    return objectOf(
        series.map(({ label, metric, group, labels, kind, unit, value, busy, window }) => {
            const shown = { kind, metric, group, labels, unit: unit || undefined, window };
            if (busy) Object.assign(shown, { value: null, busy });
            else Object.assign(shown, FLAT.has(kind) ? value : { value });
            return [label, shown];
        }),
    );
}

/**
 * JSON text with all digits of integers of up to 64 bits. Numbers beyond them are the nearest double; NaN and
 * infinities are null. Doubles beyond 2^53 are written with an exponent, so that they do not look like exact integers.
 *
 * @param {any} value numbers, BigInts, texts, booleans, null, lists and objects; undefined values are left out
 * @param {string} [indent] the indentation of its lines
 * @returns {string}
 */
export function stringify(value, indent = "") {
    if (typeof value === "bigint") {
        const is64 = value <= MOST64 && value >= -(2n ** 63n);
        return is64 ? value.toString() : stringify(Number(value));
    }
    if (typeof value === "number") {
        if (!Number.isFinite(value)) return "null";
        return Number.isInteger(value) && !Number.isSafeInteger(value) ? value.toExponential() : String(value);
    }
    if (typeof value === "string") return textShown(value);
    if (typeof value !== "object" || value === null) return String(value);
    const inner = `${indent}  `;
    const parts = Array.isArray(value)
        ? value.map((item) => stringify(item, inner))
        : Object.entries(value)
              .filter(([, item]) => item !== undefined)
              .map(([key, item]) => `${textShown(key)}: ${stringify(item, inner)}`);
    const [open, close] = Array.isArray(value) ? "[]" : "{}";
    if (parts.length === 0) return open + close;
    return `${open}\n${inner}${parts.join(`,\n${inner}`)}\n${indent}${close}`;
}

function textShown(text) {
    const json = JSON.stringify(text);
    return json.replace(HARMFUL, (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, "0")}`);
}

// ---------------------------------------------------------------------------------------------------------------------
// The program
// ---------------------------------------------------------------------------------------------------------------------

const USAGE = `usage: mmstats.mjs [--per-file] [PATH...]

Prints the statistics below roots, directories of models or stats files as JSON, merged per model. Without
a path: those of $MMSTATS_PATH, or else of the usual roots of this user.

  --per-file  each file's own values, too, in \`files[].stats\`
`;

const NOTHING = "name the path that a program has as MMSTATS_PATH, or start one that keeps statistics there";

function main(given) {
    const paths = [];
    let perFile = false;
    for (let i = 0; i < given.length; i++) {
        const argument = given[i];
        if (argument === "--") {
            paths.push(...given.slice(i + 1));
            break;
        }
        if (argument === "--per-file") perFile = true;
        else if (argument === "-h" || argument === "--help") {
            process.stdout.write(USAGE);
            return;
        } else if (argument.startsWith("-")) {
            process.stderr.write(`mmstats.mjs: there is no option ${printable(argument)}\n\n${USAGE}`);
            process.exitCode = 2;
            return;
        } else paths.push(argument);
    }
    // A closed pipe is not a failure.
    process.stdout.on("error", ({ code }) => process.exit(code === "EPIPE" ? 0 : 1));
    const result = read(paths, { perFile });
    process.exitCode = result.models.length ? 0 : 1;
    for (const { path, error } of result.errors) process.stderr.write(`mmstats.mjs: ${printable(path)}: ${error}\n`);
    if (result.models.length === 0) process.stderr.write(`mmstats.mjs: no stats files: ${NOTHING}\n`);
    process.stdout.write(`${stringify(show(result))}\n`);
}

function isProgram() {
    if (import.meta.main !== undefined) return import.meta.main;
    const script = process.argv[1] && statOf(process.argv[1], fs.realpathSync);
    return script === decodeURIComponent(new URL(import.meta.url).pathname);
}

if (isProgram()) main(process.argv.slice(2));
