// The past of the open series, requested again from the agent whenever the plots have moved by about a pixel.

import * as api from "./api.js";
import { valueUnit } from "./store.js";
import { span, view } from "./view.js";

export const HOUR = 3600;
const PIXELS = 300; // the narrowest plot

/** Follows a series until `close`; calls `onData` after each answer. `now` and `earlier` are answers of the agent. */
export function follow({ model, label, kind }, onData) {
	const past = { now: { interval: 1, series: [] }, load, tick, close: () => stopped?.abort() };
	let stopped, loaded;
	load();
	return past;

	async function load() {
		const [from, to] = span();
		const [last, until] = [Math.ceil(to - from) + 2, Math.ceil(to)];
		past.close();
		stopped = new AbortController();
		const { signal } = stopped;
		[loaded, past.busy] = [to, true];
		try {
			const answers = await Promise.all([
				ask({ last, heat: 1, ...((view.from || view.paused) && { until }) }, signal),
				view.compare ? ask({ last, until: until - HOUR }, signal) : null,
			]);
			[past.now, past.earlier] = answers;
			past.error = null;
		} catch (error) {
			if (signal.aborted) return;
			past.error = error;
		}
		past.busy = false;
		onData();
	}

	/** Called with each snapshot. */
	function tick() {
		const [from, to] = span();
		if (!past.busy && !view.from && !view.paused && to - loaded > Math.max((to - from) / PIXELS, past.now.interval) - 0.5) load();
	}

	async function ask(query, signal) {
		const answer = await api.past(kind === "compound" ? [label, `${label}.*`] : [label], { ...query, model }, signal);
		// A label may contain glob characters, and so match others, too.
		answer.series = answer.series.filter((one) => one.model === model && (one.label === label || one.label === `${label}.${one.part}`));
		for (const one of answer.series) one.valueUnit = valueUnit(one);
		return answer;
	}
}
