// Downloads: the open series in the shown span, else the rows of the table as they are now.

import { span, view } from "./view.js";

function save(name, blob) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
}

const fileName = (ending) => `${view.series ? `${view.model}-${view.series}` : "series"}`.replace(/[^\w.-]+/g, "_").slice(0, 80) + `.${ending}`;

/** The columns and rows of what is shown. */
function shown(table, detail) {
  if (detail.past) {
    const [from, to] = span();
    return detail.past.series.map((series) => ({ ...series, points: series.points.filter(([at]) => at >= from && at <= to + 1), heat: undefined }));
  }
  return table.list.map(({ model, label, kind, unit, value, rate, p50, p99 }) => ({ model, label, kind, unit, value, rate, p50, p99 }));
}

export function json(table, detail) {
  save(fileName("json"), new Blob([JSON.stringify(shown(table, detail), null, 1)], { type: "application/json" }));
}

/** A cell; a text that a spreadsheet would take for a formula is made plain. */
function cell(value) {
  const text = value === null || value === undefined ? "" : typeof value === "object" ? JSON.stringify(value) : String(value);
  const plain = typeof value !== "number" && /^[=+\-@\t\r]/.test(text) ? `'${text}` : text;
  return /[",\r\n]/.test(plain) ? `"${plain.replaceAll('"', '""')}"` : plain;
}

export function csv(table, detail) {
  const all = shown(table, detail);
  const rows = detail.past
    ? all.flatMap(({ model, label, columns, points }, i) => [...(i ? [] : [["model", "label", ...columns]]), ...points.map((point) => [model, label, ...point])])
    : [["model", "label", "kind", "unit", "value", "rate", "p50", "p99"], ...all.map(Object.values)];
  save(fileName("csv"), new Blob([rows.map((row) => row.map(cell).join(",")).join("\r\n") + "\r\n"], { type: "text/csv" }));
}

/** The plots of the open series below each other, with its name. */
export function png(detail) {
  const canvases = [...detail.plots.values()];
  if (!canvases.length) return;
  const ratio = devicePixelRatio || 1;
  const head = 28;
  const all = document.createElement("canvas");
  all.width = Math.max(...canvases.map(({ canvas }) => canvas.width));
  all.height = canvases.reduce((sum, { canvas }) => sum + canvas.height + head * ratio, head * ratio);
  const context = all.getContext("2d");
  context.fillStyle = canvases[0].colour("card");
  context.fillRect(0, 0, all.width, all.height);
  context.fillStyle = canvases[0].colour("ink");
  context.font = `${14 * ratio}px system-ui, sans-serif`;
  let y = head * ratio;
  context.fillText(`${view.model} · ${view.series}`, 12 * ratio, y - 8 * ratio);
  for (const { canvas, title } of canvases) {
    context.fillText(title.textContent, 12 * ratio, (y += head * ratio) - 8 * ratio);
    context.drawImage(canvas, 0, y);
    y += canvas.height;
  }
  all.toBlob((blob) => save(fileName("png"), blob));
}
