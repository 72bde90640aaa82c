// One series: its past as plots and as a table, its current value, and its values in each thread.

import * as api from "./api.js";
import { $, setText, show } from "./dom.js";
import { quantity, rate } from "./format.js";
import * as parts from "./parts.js";
import { follow, HOUR } from "./past.js";
import { makePlot } from "./plot.js";
import { get, store } from "./store.js";
import { span, view } from "./view.js";

const POINTS = 180; // of a rate in a plot, each the mean of its span: alternating rates of 0 and 1 would look like a wall

export const plots = new Map();
export let past = null;
let row, files, asking;

new ResizeObserver(draw).observe($("plots"));
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
$("data").addEventListener("toggle", draw);

/** Shows the view. */
export function update(before) {
	const { series } = view;
	$("detail").hidden = !series;
	document.body.classList.toggle("with-detail", series !== "");
	$("zoom-out").hidden = !view.from;
	if (before?.series !== series || before.model !== view.model) open();
	else if (series && ["range", "from", "paused", "compare"].some((name) => before[name] !== view[name])) past?.load();
}

function open() {
	past?.close();
	past = files = null;
	plots.clear();
	$("plots").replaceChildren();
	asking = false;
	show($("threads"));
	setText($("detail-title"), view.series);
	if (!view.series || !store.snapshot) return;
	// The agent may still know the past of a series that has ended.
	row = get(view.model, view.series) ?? { model: view.model, label: view.series, stat: {}, ended: true };
	past = follow(row, draw);
	askThreads();
	draw();
}

export function tick() {
	if (!past) return view.series && open();
	const now = get(view.model, view.series);
	if (now && row.ended) return open();
	row = now ?? { ...row, ended: true };
	past.tick();
	askThreads();
	facts();
}

async function askThreads() {
	if (asking) return;
	asking = true;
	const [of, before] = [past, files];
	const found = await api.snapshot({ per: "file", match: view.series }).catch(() => null);
	asking = false;
	if (!found || past !== of) return;
	files = { time: performance.now() / 1000, list: found.models[view.model]?.files ?? [] };
	show($("threads"), parts.threads(row, files, before));
}

function draw() {
	if (!past) return;
	const { series, interval } = past.now;
	for (const data of series.flatMap((one) => plotsOf(one, past))) {
		if (!plots.has(data.title)) {
			plots.set(data.title, makePlot(data.heat));
			$("plots").append(plots.get(data.title).figure);
		}
		plots.get(data.title).draw({ ...data, span: span() });
	}
	setText($("past"), past.error ? `No past: ${past.error.message}.` : series.length ? "" : past.busy ? "Asking for the past …" : "No past is kept of this series.");
	$("data").hidden = !series.length;
	show($("data").lastElementChild, $("data").open && series.map((one) => parts.past(one, interval)));
	show($("distribution"), series.map((one) => one.heat?.length && parts.distribution(one)));
	facts();
}

function facts() {
	const [series = {}] = past.now.series;
	setText($("help"), series.help ?? "");
	show($("facts"), parts.facts(row, series));
	show($("special"), row.stat.distinct && parts.errors(row.stat, facts), row.stat.entries && parts.history(row.stat, row.unit, facts), row.stat.exemplars && parts.exemplars(row.stat, row.unit));
}

/** Returns the plots of a series, according to its columns. */
function plotsOf(series, { now, earlier }) {
	const { columns, points, heat, unit, valueUnit, part } = series;
	const before = earlier?.series.find(({ label }) => label === series.label);
	const lines = (names, colours) => names.flatMap((name, i) => [
		...(before ? [{ name, colour: colours[i], faint: true, ...pick(before, name, earlier.interval, HOUR) }] : []),
		{ name, colour: colours[i], ...pick(series, name, now.interval, 0) }]);
	const plots = [];
	if (columns.includes("p50")) {
		plots.push({ title: "Percentiles and how many values", unit, log: true, format: (value) => quantity(value, unit), lines: lines(["p50", "p90", "p99"], ["p50", "p90", "p99"]),
			heat: heat && { times: points.map(([time]) => time), heat, interval: now.interval } });
	}
	const [name, format] = columns.includes("rate") ? ["rate", rate] : ["value", quantity];
	plots.push({ title: part ? `${part}: ${name}` : name, unit: valueUnit, zero: format === rate, format: (value) => format(value, valueUnit), lines: lines([name], ["accent"]) });
	return plots;
}

function pick({ columns, points }, name, interval, shift) {
	const column = columns.indexOf(name);
	const [from, to] = span();
	const step = name === "rate" ? interval * Math.ceil((to - from) / interval / POINTS) : interval;
	const bins = new Map();
	for (const point of points) {
		const end = Math.min(Math.ceil((point[0] + shift) / step) * step, points.at(-1)[0] + shift);
		if (point[column] !== null) bins.set(end, [...(bins.get(end) ?? []), Number(point[column])]);
	}
	return { interval: step, points: [...bins].map(([end, all]) => [end, all.reduce((sum, one) => sum + one, 0) / all.length]) };
}
