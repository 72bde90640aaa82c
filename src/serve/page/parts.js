// The parts beside the plots of a series: facts, its distribution, its past as a table, threads, errors, a history.

import * as api from "./api.js";
import { el, muted, table } from "./dom.js";
import { ago, moment, NONE, number, quantity, rate, time } from "./format.js";
import { add, octave } from "./heat.js";
import { span } from "./view.js";

const MOST = 100; // rows of a table
const ROWS = 60; // of the table with the data of the plots
const contexts = new Map(); // by id; they never change

function list(title, columns, all, row) {
	return [el("h3", title), table(title, columns, all.slice(0, MOST).map(row)), all.length > MOST && muted(`The first ${MOST} of ${number(all.length)}.`)];
}

export function facts(row, { kind }) {
	const { stat, unit } = row;
	const found = [["model", row.model], ["kind", row.kind ?? kind], ["unit", unit], ["group", stat.group], ...Object.entries(stat.labels ?? {})];
	if (row.ended) found.push(["state", "ended: no process has it now"]);
	else if (row.kind === "compound") for (const [field, value] of Object.entries(stat.value ?? {})) found.push([field, quantity(value)]);
	else if (!stat.entries) found.push([row.grows ? "count" : "value", quantity(row.value, row.valueUnit)]);
	if (row.grows) found.push(["rate", rate(row.rate, row.valueUnit)]);
	for (const name of ["mean", "stddev", "min", "max", "last", "per_ms"]) if (name in stat) found.push([name, quantity(stat[name], unit)]);
	for (const [p, value] of Object.entries(stat.percentiles ?? {})) found.push([`p${p}`, quantity(value, unit)]);
	return found.filter(([, value]) => value).map(([name, value]) => el("div", el("dt", name), el("dd", value)));
}

const ordered = (bounds) => [...new Set(bounds)].sort((a, b) => a - b);

/** Shows the data of the plots, newest first. A row is the last point of an equal part of the time, with all values in it. */
export function past({ label, columns, points, heat, unit, valueUnit }, interval) {
	const [from, to] = span();
	const step = Math.ceil((to - from) / interval / ROWS);
	const rows = [];
	for (let i = points.length - 1; points[i]?.[0] >= from; i -= step) rows.push([points[i], add(heat?.slice(Math.max(0, i - step + 1), i + 1))]);
	const bounds = ordered(rows.flatMap(([, counts]) => [...counts.keys()]));
	const formats = { time, value: (value) => quantity(value, valueUnit), rate: (value) => rate(value, valueUnit) };
	return table(label, [...columns.map((name) => `${name}#`), ...bounds.map((bound) => `≥ ${quantity(octave(bound)[0], unit)}#`)], rows.map(([point, counts]) => [
		...point.map((value, i) => (formats[columns[i]] ?? quantity)(value, unit)), ...bounds.map((bound) => number(counts.get(bound) ?? 0))]));
}

/** Shows the distribution of the last minute's values: a bar for each octave. */
export function distribution({ points, heat, unit }) {
	const counts = add(heat.filter((_, i) => points[i][0] > points.at(-1)[0] - 60));
	const all = [...counts.values()];
	const [most, sum] = [Math.max(...all), all.reduce((one, other) => one + other, 0)];
	return list("Distribution in the last minute", ["size", "spread", "count#", "share#"], ordered(counts.keys()), (bound) => [
		bound ? octave(bound).map((end) => quantity(end, unit)).join(" – ") : "0", el("progress", { max: most, value: counts.get(bound), "aria-hidden": true }),
		number(counts.get(bound)), `${((counts.get(bound) / sum) * 100).toFixed(1)} %`]);
}

/** Shows a row for each file, that is for each thread; `before` is the previous answer, for rates. */
export function threads({ label, grows, spreads, unit, valueUnit }, files, before) {
	const amount = (file) => { const stat = file?.stats?.[label] ?? {}; return stat.count ?? stat.all ?? stat.entries?.length ?? stat.value; };
	const all = files.list.filter(({ stats }) => stats?.[label]).sort((a, b) => a.pid - b.pid);
	const speed = (file) => (amount(file) - amount(before?.list.find(({ path }) => path === file.path))) / (files.time - before?.time);
	const columns = ["pid#", "tid#", "state", grows ? "count#" : "value#", grows && "rate#", spreads && "p50#", spreads && "p99#"].filter(Boolean);
	return all.length > 0 && list(`Processes: ${new Set(all.map(({ pid }) => pid)).size}, threads: ${all.length}`, columns, all, (file) => [
		String(file.pid ?? NONE), String(file.tid ?? NONE), el(`span.${file.state}`, file.state), quantity(amount(file), valueUnit),
		...(grows ? [rate(speed(file) >= 0 ? speed(file) : null, valueUnit)] : []), ...(spreads ? ["50", "99"] : []).map((p) => quantity(file.stats[label].percentiles?.[p], unit))]);
}

/** Requests the contexts that are not known yet; `then` shows them. */
function learn(all, then) {
	const ids = ordered(all.slice(0, MOST).map(({ context_id: id }) => id)).filter((id) => id && !contexts.has(id));
	for (const id of ids) contexts.set(id, `context ${id}`);
	if (ids.length) api.contexts(ids).then((texts) => Object.entries(texts).forEach(([id, text]) => contexts.set(id, text))).then(then, () => {});
}

const context = ({ context_id: id }) => id !== "" && el("div.context", id ? contexts.get(id) : "its context is lost");

export function errors(stat, then) {
	const all = [...stat.distinct].sort((a, b) => b.last - a.last);
	learn(all, then);
	return [
		list(`Errors: ${number(stat.all)}`, ["count#", "error", "last"], all, (one) => [number(one.count),
			[el("b", one.type ?? one.name), one.message && ` ${one.message}`, one.sources?.map((source) => muted(`because: ${source}`)), one.site && muted(`at ${one.site}`), context(one)],
			el("span", { title: `first ${moment(one.first)}` }, `${moment(one.last)}, ${ago(one.last)} ago`)]),
		["overflow", "evicted", "unnamed"].map((name) => stat[name] > 0 && muted(`${name}: ${number(stat[name])}`))];
}

export function history({ entries }, unit, then) {
	learn(entries, then);
	return list("Last values", ["time", "value#", "context"], entries, (one) => [moment(one.timestamp), quantity(one.value, unit), context(one)]);
}

/** Shows the last value of each magnitude that was recorded with a context, such as a trace id. */
export const exemplars = (stat, unit) => list("Exemplars", ["value#", "trace", "when"], [...stat.exemplars].reverse(), (one) => [
	quantity(one.value, unit), one.context ?? muted("its context is lost"), el("span", { title: moment(one.timestamp) }, `${ago(one.timestamp)} ago`)]);
