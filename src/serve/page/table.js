// The table of series. Only the rows on the screen are elements, so that 10,000 series cost no more than 60; empty rows
// take the space of the others. The elements are reused: each shows the series that is currently at its position.

import * as api from "./api.js";
import { $, setText } from "./dom.js";
import { number, quantity, rate } from "./format.js";
import { get, SPARK, store } from "./store.js";
import { go, view } from "./view.js";

const STEP = 16; // rows by which the window moves, and that are kept ready above and below it
const ROW = 30; // pixels, as in style.css
const NUMBERS = /value|rate|p50|p99/;
const collator = new Intl.Collator("en", { numeric: true });
const [above, body, below] = $("series").tBodies;
const [head] = $("series").tHead.rows;
const slots = [];
export let list = [];
let all = [];
let [active, first, generation, asking] = [0, 0, 0];

body.addEventListener("keydown", onKey);
head.addEventListener("click", ({ target }) => target.matches("button") && sortBy(target.parentNode.className));
addEventListener("scroll", draw, { passive: true });
addEventListener("resize", draw);

/** Returns whether a text matches a glob of `*` and `?`, in bounded time for any input. */
function globMatches(glob, text) {
	let [g, t, star, mark] = [0, 0, -1, 0];
	while (t < text.length) {
		if (glob[g] === "*") [star, mark, g] = [g, t, g + 1];
		else if (glob[g] === "?" || glob[g] === text[t]) [g, t] = [g + 1, t + 1];
		else if (star >= 0) [g, t, mark] = [star + 1, mark + 1, mark + 1];
		else return false;
	}
	return /^\**$/.test(glob.slice(g));
}

/** Makes the filter: with `*` or `?` a glob for the label, otherwise words that the model and the label contain. */
function matcher(filter) {
	const text = filter.trim().toLowerCase();
	if (/[*?]/.test(text)) return (row) => globMatches(text, row.label.toLowerCase());
	const words = text.split(/\s+/);
	return (row) => words.every((word) => row.text.includes(word));
}

/** Orders numbers before texts, and missing values last, in both directions. */
function compare(a, b, sign) {
	const kind = (value) => (value === null ? 2 : typeof value === "number" ? 0 : 1);
	return kind(a) - kind(b) || sign * (kind(a) ? collator.compare(a, b) : a - b);
}

function sortBy(column) {
	const choices = NUMBERS.test(column) ? [`-${column}`, column] : [column, `-${column}`];
	go({ sort: choices[view.sort === choices[0] ? 1 : 0] });
}

/** Called after a snapshot. Rows under the pointer or the focus keep their positions, however their values change. */
export function tick() {
	const held = body.matches(":hover") || body.contains(document.activeElement);
	if (generation !== store.generation || (NUMBERS.test(view.sort) && !held)) arrange();
	else draw();
}

export function arrange() {
	if (generation !== store.generation) all = [...store.rows.values()].sort((a, b) => collator.compare(a.label, b.label));
	generation = store.generation;
	const [column, sign] = view.sort[0] === "-" ? [view.sort.slice(1), -1] : [view.sort, 1];
	list = all.filter(matcher(view.q));
	if (view.sort !== "label") list.sort((a, b) => compare(a[column], b[column], sign));
	active = Math.max(0, Math.min(active, list.length - 1));
	for (const th of head.cells) {
		if (th.firstElementChild) th.setAttribute("aria-sort", th.className !== column ? "none" : sign > 0 ? "ascending" : "descending");
	}
	setText($("count"), `${list.length < all.length ? `${number(list.length)} of ` : ""}${number(all.length)} series`);
	setText($("empty"), list.length ? "" : all.length ? "No series matches the filter." : "No series yet. They appear as soon as a program keeps statistics here.");
	$("series").setAttribute("aria-rowcount", list.length + 1);
	draw();
}

/** Returns the position of the first row on the screen, even if it is outside. */
const top = () => $("series").getBoundingClientRect().top + head.offsetHeight;

function draw() {
	const most = Math.ceil(innerHeight / ROW) + 2 * STEP;
	const start = Math.max(0, Math.min(Math.floor(-top() / ROW / STEP) * STEP - STEP / 2, list.length - most));
	const rows = list.slice(start, start + most);
	const focused = slots.findIndex(({ button }) => button === document.activeElement);
	while (slots.length < rows.length) slots.push(new Slot());
	slots.forEach((slot, i) => slot.show(rows[i], start + i));
	pad(above, start);
	pad(below, list.length - start - rows.length);
	// The focus stays with its row when the rows move through the elements.
	if (focused >= 0 && start !== first) slots[first + focused - start]?.button.focus({ preventScroll: true });
	first = start;
	clearTimeout(asking);
	asking = setTimeout(ask, 100, rows);
}

function pad(space, rows) {
	space.hidden = rows <= 0;
	space.rows[0].cells[0].style.height = `${rows * ROW}px`;
}

/** Requests the last minute of the rows on the screen, some labels at a time, since the length of a URL is limited. */
function ask(rows) {
	const wanted = rows.filter((row) => !row.asked && row.spark.length && row.spark.length < SPARK && row.label.length < 200);
	for (const row of wanted) row.asked = true;
	// Without the past, the sparklines fill on their own, so a failure is not reported.
	while (wanted.length) api.past(wanted.splice(0, 25).map(({ label }) => label), { last: SPARK }).then(seed, () => {});
}

function seed({ series }) {
	for (const { model, label, columns, points } of series) {
		const row = get(model, label);
		if (!row?.asked || row.seeded) continue;
		row.seeded = true;
		const column = columns.indexOf(row.grows ? "rate" : "value");
		row.seed(points.map((point) => [point[0], point[column]]));
	}
	draw();
}

function onKey(event) {
	const page = Math.floor(innerHeight / ROW) - 3;
	const by = { ArrowDown: 1, ArrowUp: -1, PageDown: page, PageUp: -page, Home: -Infinity, End: Infinity }[event.key];
	if (!by) return;
	event.preventDefault();
	focus(Math.min(list.length - 1, active + by));
}

/** Moves the focus to a row, and scrolls as far as necessary. */
export function focus(index) {
	active = Math.max(0, index);
	const y = top() + active * ROW;
	scrollBy(0, y - Math.max(head.offsetHeight, Math.min(innerHeight - 2 * ROW, y)));
	draw();
	slots[active - first]?.button.focus({ preventScroll: true });
}

class Slot {
	constructor() {
		this.tr = $("row").content.firstElementChild.cloneNode(true);
		this.cells = [...this.tr.cells];
		this.button = this.tr.querySelector("button");
		body.append(this.tr);
	}

	show(row, index) {
		this.tr.hidden = !row;
		if (!row) return;
		const open = view.series === row.label && view.model === row.model;
		this.tr.setAttribute("aria-rowindex", index + 2);
		this.tr.classList.toggle("open", open);
		this.button.setAttribute("aria-current", open);
		this.button.tabIndex = index === active ? 0 : -1;
		if (this.row === row && this.time === row.time && this.seeded === row.seeded) return;
		Object.assign(this, { row, time: row.time, seeded: row.seeded });
		for (const { dataset } of [this.tr, this.button]) Object.assign(dataset, { model: row.model, label: row.label });
		const [model, , value, speed, p50, p99] = this.cells;
		setText(model, row.model);
		setText(this.button, row.label);
		this.button.title = row.label;
		setText(value, row.stat.busy ? "busy" : quantity(row.value, row.valueUnit));
		value.classList.toggle("text", typeof row.value !== "number");
		setText(speed, row.grows ? rate(row.rate, row.valueUnit) : "");
		setText(p50, row.spreads ? quantity(row.p50, row.unit) : "");
		setText(p99, row.spreads ? quantity(row.p99, row.unit) : "");
		const [low, high] = [Math.min(0, ...row.spark), Math.max(1e-12, ...row.spark)];
		const points = row.spark.map((one, i) => `${(i + SPARK - row.spark.length) * 2} ${(20 - ((one - low) / (high - low)) * 18).toFixed(1)}`);
		this.tr.querySelector("path").setAttribute("d", points.length > 1 ? `M${points.join("L")}` : "");
	}
}
