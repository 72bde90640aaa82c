// Downloads: the open series in the span that is shown, else the rows of the table as they are now.

import { span, view } from "./view.js";

function save(blob, ending) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = `${(view.series ? `${view.model}-${view.series}` : "series").replace(/[^\w.-]+/g, "_").slice(0, 80)}.${ending}`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
}

function shown(table, { past }) {
  const [from, to] = span();
  if (past) return past.series.map(({ heat, points, ...rest }) => ({ ...rest, points: points.filter(([time]) => time >= from && time <= to) }));
  return table.list.map(({ model, label, kind, unit, value, rate, p50, p99 }) => ({ model, label, kind, unit, value, rate, p50, p99 }));
}

export function json(table, detail) {
  save(new Blob([JSON.stringify(shown(table, detail), null, 1)], { type: "application/json" }), "json");
}

/** A text that a spreadsheet would take for a formula gets an apostrophe. */
function cell(value) {
  const text = typeof value === "object" && value ? JSON.stringify(value) : String(value ?? "");
  const plain = typeof value === "string" && /^[=+\-@\t\r]/.test(text) ? `'${text}` : text;
  return /[",\r\n]/.test(plain) ? `"${plain.replaceAll('"', '""')}"` : plain;
}

export function csv(table, detail) {
  const all = shown(table, detail);
  const rows = detail.past
    ? all.flatMap(({ model, label, columns, points }) => [["model", "label", ...columns], ...points.map((point) => [model, label, ...point])])
    : [["model", "label", "kind", "unit", "value", "rate", "p50", "p99"], ...all.map(Object.values)];
  save(new Blob([rows.map((row) => `${row.map(cell).join()}\r\n`).join("")], { type: "text/csv" }), "csv");
}

/** The plots of the open series below each other. */
export function png({ plots }) {
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
