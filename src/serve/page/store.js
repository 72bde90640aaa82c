// The series as they are now: one row for each, brought up to date by every snapshot.

/** How many of the last seconds a sparkline shows. */
export const SPARK = 60;
/** Over how many seconds a rate is taken. */
const RATE = 5;
/** Kinds whose number only grows: people look at its rate. */
const GROWING = new Set(["counter", "errors", "samplingcounter", "timer", "percentile", "summary"]);
const DISTRIBUTIONS = new Set(["timer", "percentile"]);
/** Metrics that count what went wrong, by their usual names, beside the kind "errors". */
const WRONG = /(^|[._-])(errors?|fail(ed|ures?)?|bad|exceptions?|panics?|timeouts?|rejected|dropped)([._-]total)?$/i;

export const isGrowing = (row) => GROWING.has(row.kind);
export const isDistribution = (row) => DISTRIBUTIONS.has(row.kind);
export const isWrong = (row) => row.kind === "errors" || (row.kind === "counter" && WRONG.test(row.metric));
export const keyOf = (model, label) => `${model}\0${label}`;

/** Follows a signal and says by how much it left what was usual in the last minute. */
class Trend {
  seen = 0;

  push(value, counted) {
    if (value === null || !Number.isFinite(value)) return;
    if (this.seen++ === 0) {
      this.fast = this.slow = value;
      this.spread = 0;
    }
    const slow = 1 / Math.min(this.seen, 60);
    this.fast += (value - this.fast) / 3;
    this.spread += (Math.abs(value - this.slow) - this.spread) * slow;
    this.slow += (value - this.slow) * slow;
    // Events that come by chance vary by the square root of their number; that is no change.
    this.noise = Math.max(this.spread * 1.25, Math.abs(this.slow) * 0.02, counted ? Math.sqrt(Math.abs(this.slow)) : 0);
  }

  /** From 0 (as usual) to about 1 (nothing like it). */
  score() {
    if (this.seen < 8) return 0;
    const off = Math.abs(this.fast - this.slow);
    const relative = off / Math.max(Math.abs(this.fast), Math.abs(this.slow), 1e-12);
    return off > this.noise ? relative * Math.min(1, off / (3 * this.noise)) : 0;
  }
}

class Row {
  constructor(model, label) {
    this.model = model;
    this.label = label;
    this.text = `${model} ${label}`.toLowerCase();
    this.spark = [];
    this.rate = null;
    this.trend = new Trend();
    this.means = new Trend();
  }

  update(stat, time) {
    const before = this.total;
    const since = time - this.time;
    const sum = this.stat?.total;
    this.stat = stat;
    this.kind = stat.kind.replace("_", "");
    this.unit = stat.unit ?? "";
    this.metric = stat.metric || this.label;
    this.value = valueOf(this.kind, stat);
    this.total = isGrowing(this) ? this.value : null;
    this.p50 = stat.percentiles?.["50"] ?? null;
    this.p99 = stat.percentiles?.["99"] ?? null;
    this.time = time;
    this.since ??= time;
    const growth = this.total === null || typeof before !== "number" ? null : Math.max(0, (this.total - before) / since);
    const signal = isGrowing(this) ? growth : typeof this.value === "boolean" ? Number(this.value) : this.value;
    if (typeof signal !== "number") return;
    this.push(signal);
    // The mean of some seconds: a rate that can be read, and not 0 and 1 in turns.
    if (isGrowing(this)) this.rate = this.spark.slice(-RATE).reduce((sum, one) => sum + one, 0) / Math.min(RATE, this.spark.length);
    if (isDistribution(this) && this.total > before) this.means.push((stat.total - sum) / (this.total - before));
  }

  push(signal) {
    this.spark.push(signal);
    if (this.spark.length > SPARK) this.spark.shift();
    this.trend.push(signal, isGrowing(this));
  }

  /** Puts the agent's past, `[time, signal]`, before what this tab saw itself. */
  seed(points) {
    const own = this.spark;
    const past = points.filter(([time, signal]) => time < this.since && signal !== null);
    this.spark = [];
    this.trend = new Trend();
    for (const signal of [...past.map(([, signal]) => signal), ...own].slice(-SPARK)) this.push(signal);
  }
}

function valueOf(kind, stat) {
  if (kind === "errors") return stat.all ?? null;
  if (kind === "history") return stat.entries?.[0]?.value ?? null;
  return (GROWING.has(kind) && kind !== "counter" ? stat.count : stat.value) ?? null;
}

export class Store {
  rows = new Map();
  models = {};
  problems = [];
  path = "";
  /** Changes whenever a series came or went. */
  generation = 0;

  apply(snapshot) {
    const time = snapshot.time ?? Date.now() / 1000;
    if (time - this.time < 0.5) return; // too close to the last one for a rate
    // After a gap (hidden, paused, no agent) rates and sparklines begin anew; the past comes from the agent.
    const gap = this.time && time - this.time > 4;
    this.time = time;
    this.path = snapshot.path ?? "";
    this.models = snapshot.models ?? {};
    this.problems = snapshot.errors ?? [];
    let seen = 0;
    for (const [model, { stats }] of Object.entries(this.models)) {
      for (const [label, stat] of Object.entries(stats)) {
        const key = keyOf(model, label);
        let row = this.rows.get(key);
        if (!row || gap) {
          this.generation += 1;
          this.rows.set(key, (row = new Row(model, label)));
        }
        row.update(stat, time);
        seen += 1;
      }
    }
    if (seen < this.rows.size) this.forget(time);
  }

  forget(time) {
    for (const [key, row] of this.rows) if (row.time !== time) this.rows.delete(key);
    this.generation += 1;
  }

  get(model, label) {
    return this.rows.get(keyOf(model, label));
  }

  /** What changed most, against the minute before: `{row, of, from, to, score}`. */
  changes(most) {
    const found = [];
    for (const row of this.rows.values()) {
      const rate = row.trend.score();
      const mean = row.means.score();
      if (Math.max(rate, mean) < 0.2) continue;
      const trend = mean > rate ? row.means : row.trend;
      found.push({ row, of: mean > rate ? "mean" : isGrowing(row) ? "rate" : "value", from: trend.slow, to: trend.fast, score: Math.max(rate, mean) });
    }
    return found.sort((a, b) => b.score - a.score).slice(0, most);
  }

  /** The series that count what went wrong, the busiest first. */
  wrong() {
    return [...this.rows.values()].filter(isWrong).sort((a, b) => (b.rate ?? 0) - (a.rate ?? 0) || b.value - a.value);
  }
}
