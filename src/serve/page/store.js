// The series as they are now: a row for each, brought up to date by every snapshot.

export const SPARK = 60; // seconds that a sparkline shows
const RATE = 5; // seconds over which a rate is taken: one that can be read, and not 0 and 1 in turns
/** Kinds whose number only grows: people look at its rate. */
const GROWING = new Set(["counter", "errors", "samplingcounter", "timer", "percentile", "summary"]);
/** What counts errors by its usual names, beside the kind. */
const WRONG = /(^|[._-])(errors?|fail(ed|ures?)?|bad|exceptions?|panics?|timeouts?|rejected|dropped)$/i;

const mean = (signals) => signals.reduce((sum, one) => sum + one, 0) / signals.length;

/** How far the last seconds of a signal are from the minute before: `score` from 0, as usual, to 1, nothing like it. */
function trend(signals, counted) {
  const [before, now] = [mean(signals.slice(0, -RATE)), mean(signals.slice(-RATE))];
  if (signals.length < 3 * RATE) return { score: 0 };
  const usual = Math.sqrt(mean(signals.slice(0, -RATE).map((one) => (one - before) ** 2)));
  // Events that come by chance vary by the square root of their number: that is no change.
  const noise = 2 * Math.max(usual, counted ? Math.sqrt(Math.abs(before) / RATE) : 0);
  const off = Math.abs(now - before);
  return { before, now, score: off > noise ? off / Math.max(Math.abs(before), Math.abs(now)) : 0 };
}

class Row {
  spark = [];
  rate = null;
  means = [];

  constructor(model, label, stat, time) {
    Object.assign(this, { model, label, since: time, unit: stat.unit ?? "", kind: stat.kind.replace("_", "") });
    this.text = `${model} ${label}`.toLowerCase();
    this.grows = GROWING.has(this.kind);
    this.spreads = this.kind === "timer" || this.kind === "percentile";
    // The unit is that of what was recorded; how often has none.
    this.valueUnit = this.spreads || this.kind === "summary" ? "" : this.unit;
    this.wrong = this.kind === "errors" || (this.kind === "counter" && WRONG.test(stat.metric || label));
  }

  update(stat, time) {
    const before = this.stat;
    const [old, seconds] = [this.value, time - this.time];
    this.stat = stat;
    this.time = time;
    this.value = stat.all ?? stat.value ?? (this.grows ? stat.count : stat.entries?.[0]?.value) ?? null;
    this.p50 = stat.percentiles?.["50"] ?? null;
    this.p99 = stat.percentiles?.["99"] ?? null;
    if (this.value === null || this.kind === "history" || isNaN(this.value)) return;
    if (!this.grows) this.push(Number(this.value));
    else if (typeof old === "number") this.push(Math.max(0, this.value - old) / seconds);
    if (!this.spreads || !(this.value > old)) return;
    this.means.push((stat.total - before.total) / (this.value - old));
    if (this.means.length > SPARK) this.means.shift();
  }

  push(signal) {
    this.spark.push(signal);
    if (this.spark.length > SPARK) this.spark.shift();
    if (this.grows) this.rate = mean(this.spark.slice(-RATE));
  }

  /** Puts the agent's past, `[time, signal]`, before what this tab saw itself. */
  seed(points) {
    const own = this.spark;
    this.spark = [];
    for (const [time, signal] of points) if (time < this.since && signal !== null) this.push(Number(signal));
    for (const signal of own) this.push(signal);
  }
}

export class Store {
  rows = new Map();
  snapshot = { path: "", models: {}, errors: [] };
  time = 0;
  /** Changes whenever a series came or went. */
  generation = 0;

  apply(snapshot) {
    const time = snapshot.time ?? Date.now() / 1000;
    if (time - this.time < 0.5) return; // too close to the last one for a rate
    // After a gap (hidden, paused, no agent) rates and sparklines begin anew, with the agent's past.
    const old = time - this.time > 4 ? new Map() : this.rows;
    this.time = time;
    this.snapshot = snapshot;
    const rows = new Map();
    for (const [model, { stats }] of Object.entries(snapshot.models)) {
      for (const [label, stat] of Object.entries(stats)) {
        const key = `${model}\0${label}`;
        const row = old.get(key) ?? new Row(model, label, stat, time);
        row.update(stat, time);
        rows.set(key, row);
        if (row.since === time) this.generation += 1;
      }
    }
    if (rows.size !== this.rows.size) this.generation += 1;
    this.rows = rows;
  }

  get(model, label) {
    return this.rows.get(`${model}\0${label}`);
  }

  /** What changed most: `{row, of, before, now, score}`. */
  changes(most) {
    const all = [...this.rows.values()].flatMap((row) => [
      { row, of: row.grows ? "rate" : "value", ...trend(row.spark, row.grows) },
      { row, of: "mean", ...trend(row.means) },
    ]);
    return all.filter(({ score }) => score > 0.2).sort((a, b) => b.score - a.score).slice(0, most);
  }

  /** The series that count errors, the busiest first. */
  wrong() {
    return [...this.rows.values()].filter(({ wrong, value }) => wrong && value > 0).sort((a, b) => b.rate - a.rate || b.value - a.value);
  }
}
