// The overview that an operator looks at first: problems, changes, models and processes.

import { $, el, muted, seriesButton, setText, show, table } from "./dom.js";
import { ago, moment, NONE, number, quantity, rate } from "./format.js";
import { changes, store, wrong } from "./store.js";

const FEW = 5;
const MOST = 1000; // processes
const fill = (id, ...parts) => show($(id).lastElementChild, parts);

export function overview() {
	const bad = wrong();
	const problems = store.snapshot.errors;
	const sum = bad.reduce((all, row) => all + (row.rate ?? 0), 0);
	$("errors").classList.toggle("bad", sum > 0);
	fill("errors", el("p.big", rate(sum)), !bad.length && muted("Nothing has been counted as an error."),
		pairs(bad.slice(0, FEW).map((row) => [seriesButton(row), `${number(row.value)} · ${rate(row.rate)}`])),
		problems.length > 0 && el("h3", `Not readable: ${number(problems.length)}`),
		problems.slice(0, FEW).map(({ path, error }) => el("p", el("code", path), ` ${error}`)));
	const changed = changes(FEW).map(({ row, of, before, now }) => {
		const text = (value) => (of === "rate" ? rate : quantity)(Number(value.toPrecision(3)), of === "mean" ? row.unit : row.valueUnit);
		return [[el("span.arrow", { role: "img", "aria-label": `${of} ${now > before ? "up" : "down"}` }, now > before ? "▲" : "▼"), seriesButton(row)], `${text(before)} → ${text(now)}`];
	});
	fill("changes", pairs(changed), !changed.length && muted("All series are as they were in the last minute."));
	fill("models", table("All models", ["model", "processes#", "files#", "series#"], Object.entries(store.snapshot.models).map(([name, { processes, files, stats }]) => [
		el("button.link", { "data-filter": name, title: `filter by ${name}` }, name), number(processes), number(files.length), number(Object.keys(stats).length)])));
}

const pairs = (rows) => rows.length > 0 && el("ul", rows.map(([name, text]) => el("li", name, el("span.number", text))));

/** Returns how long a process has lived, or how it ended. */
function state({ state: now, started, ended, ending }) {
	if (now === "live") return el("span.live", started ? `live for ${ago(started)}` : "live");
	const how = ending ?? (now === "dead" ? "ended" : now);
	return el(/cleanly/.test(how) ? "span.muted" : `span.${now}`, { title: moment(ended) }, ended ? `${how}, ${ago(ended)} ago` : how);
}

let before = new Map();

/** Shows live processes by their load, then those that have ended, latest first. */
export function processes(list) {
	const now = performance.now() / 1000;
	const rows = list.map((one) => {
		const old = before.get(one.pid) ?? {};
		return { ...one, seen: now, load: (one.cpu_seconds - old.cpu_seconds) / (now - old.seen) || 0 };
	});
	before = new Map(rows.map((one) => [one.pid, one]));
	const live = rows.filter((one) => one.state === "live").sort((a, b) => b.load - a.load);
	const ended = rows.filter((one) => one.state !== "live").sort((a, b) => b.ended - a.ended);
	setText($("processes").firstElementChild, `Processes: ${number(live.length)} live, ${number(ended.length)} ended`);
	fill("processes", table("All processes", ["pid#", "program", "state", "cpu#", "memory#", "files#"], [...live, ...ended].slice(0, MOST).map((one) => [
		String(one.pid), el("span", { title: `${one.exe}: ${one.models.join(", ")}` }, (one.exe ?? NONE).split("/").at(-1)), state(one),
		one.state === "live" && `${(one.load * 100).toFixed(0)} %`, quantity(one.resident_bytes, "bytes"), number(one.open_fds)])));
}
