// Downloads: the open series in the visible span, or otherwise the current rows of the table.

import { past, plots } from "./detail.js";
import { list } from "./table.js";
import { span, view } from "./view.js";

const FIELDS = ["model", "label", "kind", "unit", "value", "rate", "p50", "p99"];

function save(blob, ending) {
	const link = document.createElement("a");
	link.href = URL.createObjectURL(blob);
	link.download = `${(view.series ? `${view.model}-${view.series}` : "series").replace(/[^\w.-]+/g, "_").slice(0, 80)}.${ending}`;
	link.click();
	setTimeout(() => URL.revokeObjectURL(link.href), 10000);
}

/** `[{columns, points, …}]`. */
function shown() {
	const [from, to] = span();
	if (!past) return [{ columns: FIELDS, points: list.map((row) => FIELDS.map((name) => row[name])) }];
	return past.now.series.map(({ heat, points, ...rest }) => ({ ...rest, points: points.filter(([time]) => time >= from && time <= to) }));
}

export function json() {
	save(new Blob([JSON.stringify(shown(), null, 1)], { type: "application/json" }), "json");
}

/** Returns a cell; a text that a spreadsheet would take for a formula gets an apostrophe. */
function cell(value) {
	const text = typeof value === "object" && value ? JSON.stringify(value) : String(value ?? "");
	const plain = typeof value === "string" && /^[=+\-@\t\r]/.test(text) ? `'${text}` : text;
	return /[",\r\n]/.test(plain) ? `"${plain.replaceAll('"', '""')}"` : plain;
}

export function csv() {
	const rows = shown().flatMap(({ model, label, columns, points }) => {
		const before = past ? [model, label] : [];
		return [[...(past ? ["model", "label"] : []), ...columns], ...points.map((point) => [...before, ...point])];
	});
	save(new Blob(rows.map((row) => `${row.map(cell).join()}\r\n`), { type: "text/csv" }), "csv");
}

export function png() {
	const all = [...plots.values()];
	if (!all.length) return;
	const [picture, head] = [document.createElement("canvas"), 28 * devicePixelRatio];
	picture.width = all[0].canvas.width;
	picture.height = all.reduce((sum, { canvas }) => sum + canvas.height + head, head);
	const context = picture.getContext("2d");
	context.fillStyle = all[0].colour("card");
	context.fillRect(0, 0, picture.width, picture.height);
	context.fillStyle = all[0].colour("ink");
	context.font = `${head / 2}px system-ui`;
	context.fillText(`${view.model} · ${view.series}`, 12, head * 0.7);
	let y = head;
	for (const { canvas, title } of all) {
		context.fillText(title.textContent, 12, y + head * 0.7);
		context.drawImage(canvas, 0, y + head);
		y += head + canvas.height;
	}
	picture.toBlob((blob) => save(blob, "png"));
}
