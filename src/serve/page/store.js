// The current series: a row for each, updated by every snapshot.

export const SPARK = 60; // seconds that a sparkline shows
const RATE = 5; // seconds over which a rate is taken, so that it is readable and does not alternate between 0 and 1
/** Kinds whose number only grows, so that its rate is of interest. */
const GROWING = /counter|errors|timer|percentile|summary/;
/** Usual names of metrics that count errors, beside the kind. */
const WRONG = /(^|[._-])(errors?|fail(ed|ures?)?|bad|exceptions?|panics?|timeouts?|rejected|dropped)$/i;

/** Returns the unit of a value: that of the recorded values; a count of recorded values has none. */
export const valueUnit = ({ kind, unit }) => (/timer|percentile|summary/.test(kind) ? "" : unit);

export const store = { rows: new Map(), snapshot: null, time: 0, generation: 0 }; // changes when series come or go

const mean = (signals) => signals.reduce((sum, one) => sum + one, 0) / signals.length;

/** Compares the last seconds of a signal with the minute before: `score` is from 0, as usual, to 1, completely different. */
function trend(signals, counted) {
	const [earlier, last] = [signals.slice(0, -RATE), signals.slice(-RATE)];
	if (earlier.length < 2 * RATE) return { score: 0 };
	const [before, now] = [mean(earlier), mean(last)];
	const usual = Math.sqrt(mean(earlier.map((one) => (one - before) ** 2)));
	// Random events vary by the square root of their number, which is not a change.
	const noise = 2 * Math.max(usual, counted ? Math.sqrt(before / RATE) : 0);
	const off = Math.abs(now - before);
	return { before, now, score: off > noise ? off / Math.max(Math.abs(before), Math.abs(now)) : 0 };
}

class Row {
	spark = [];
	means = [];
	rate = null;

	constructor(model, label, stat, time) {
		Object.assign(this, { model, label, since: time, unit: stat.unit ?? "", kind: stat.kind });
		this.text = `${model} ${label}`.toLowerCase();
		this.grows = GROWING.test(this.kind);
		this.spreads = /timer|percentile/.test(this.kind);
		this.valueUnit = valueUnit(this);
		this.wrong = this.kind === "errors" || (this.kind === "counter" && WRONG.test(stat.metric || label));
	}

	update(stat, time) {
		const { stat: before, value: old, time: then } = this;
		const value = stat.all ?? stat.value ?? (this.grows ? stat.count : stat.entries?.[0]?.value) ?? null;
		Object.assign(this, { stat, time, value, p50: stat.percentiles?.["50"] ?? null, p99: stat.percentiles?.["99"] ?? null });
		if (value === null || stat.entries || isNaN(value)) return;
		if (!this.grows) this.push(Number(value));
		else if (typeof old === "number") this.push(Math.max(0, value - old) / (time - then));
		if (this.spreads && value > old) this.means = [...this.means.slice(1 - SPARK), (stat.total - before.total) / (value - old)];
	}

	push(signal) {
		this.spark.push(signal);
		if (this.spark.length > SPARK) this.spark.shift();
		if (this.grows) this.rate = mean(this.spark.slice(-RATE));
	}

	/** Puts the agent's past, `[time, signal]`, before the points that this tab has seen. */
	seed(points) {
		const own = this.spark;
		this.spark = [];
		for (const [time, signal] of points) if (time < this.since && signal !== null) this.push(Number(signal));
		for (const signal of own) this.push(signal);
	}
}

export function apply(snapshot) {
	const time = snapshot.time ?? Date.now() / 1000;
	const since = time - store.time;
	if (since >= 0 && since < 0.5) return; // too soon after the last one for a rate
	// After a gap (hidden, paused, no agent, a changed clock) rates begin anew, and sparklines begin with the agent's past.
	const old = since > 0 && since < 4 ? store.rows : new Map();
	const rows = new Map();
	let fresh = 0;
	for (const [model, { stats }] of Object.entries(snapshot.models)) {
		for (const [label, stat] of Object.entries(stats)) {
			const key = `${model}\0${label}`;
			const row = old.get(key) ?? new Row(model, label, stat, time);
			row.update(stat, time);
			rows.set(key, row);
			if (row.since === time) fresh += 1;
		}
	}
	const generation = store.generation + (fresh > 0 || rows.size !== store.rows.size);
	Object.assign(store, { rows, snapshot, time, generation });
}

export const get = (model, label) => store.rows.get(`${model}\0${label}`);

export function changes(most) {
	const all = [...store.rows.values()].flatMap((row) => [
		{ row, of: row.grows ? "rate" : "value", ...trend(row.spark, row.grows) },
		{ row, of: "mean", ...trend(row.means) },
	]);
	return all.filter(({ score }) => score > 0.2).sort((a, b) => b.score - a.score).slice(0, most);
}

export function wrong() {
	return [...store.rows.values()].filter((row) => row.wrong && row.value > 0).sort((a, b) => b.rate - a.rate || b.value - a.value);
}
