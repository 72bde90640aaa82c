// One series: what it is, its past as plots and as a table, its distribution, and what it is in each thread.

import * as api from "./api.js";
import { $, el, morph, setText, show, table } from "./dom.js";
import { NONE, number, quantity, rate, time } from "./format.js";
import { cividis, columns, octave } from "./heat.js";
import { entries, errors, threads } from "./parts.js";
import { Past } from "./past.js";
import { Plot } from "./plot.js";
import { isDistribution } from "./store.js";
import { go, span, view } from "./view.js";

const HOUR = 3600;
const PERCENTILES = ["50", "75", "90", "95", "99", "99.9"];
const ROWS = 60; // of the tables that say what the plots show

export class Detail {
  constructor(store) {
    this.store = store;
    this.plots = new Map();
    new ResizeObserver(() => this.draw()).observe($("plots"));
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.draw());
    $("data").addEventListener("toggle", () => this.draw());
  }

  /** Opens what the view says, or closes. */
  update(before) {
    const open = view.series !== "";
    $("detail").hidden = !open;
    document.body.classList.toggle("with-detail", open);
    const same = before && before.series === view.series && before.model === view.model;
    if (!open || !same) this.close();
    if (!open) return;
    $("zoom-out").hidden = !view.from;
    setText($("detail-title"), view.series);
    if (!this.past) this.open();
    else if (["range", "from", "to", "paused", "compare"].some((name) => before?.[name] !== view[name])) this.past.load();
  }

  close() {
    this.past?.close();
    this.past = this.files = null;
    this.plots.clear();
    $("plots").replaceChildren();
  }

  open() {
    const known = this.store.get(view.model, view.series);
    // A series that ended, or the address of one that is not here yet: the agent may know its past.
    this.row = known ?? { model: view.model, label: view.series, kind: "", unit: "", stat: {} };
    this.past = new Past(this.row, () => this.draw());
    this.askThreads();
    this.draw();
  }

  tick() {
    if (!this.past) return;
    const known = this.store.get(view.model, view.series);
    if (known && !this.row.kind) return this.close(), this.open();
    this.row = known ?? this.row;
    this.past.tick();
    this.askThreads();
    this.facts();
  }

  async askThreads() {
    if (this.asking) return;
    this.asking = true;
    const { past } = this;
    const found = await api.snapshot({ per: "file", match: view.series }).catch(() => null);
    this.asking = false;
    if (!found || past !== this.past) return;
    this.before = this.files;
    this.files = { time: performance.now() / 1000, list: found.models?.[view.model]?.files ?? [] };
    show($("threads"), threads(this.row, this.files, this.before));
  }

  draw() {
    if (!this.past) return;
    this.facts();
    const { past } = this;
    const [from, to] = span();
    const wanted = past.series.flatMap((series) => plotsOf(series, this.row, past));
    for (const { key, ...data } of wanted) {
      if (!this.plots.has(key)) {
        const plot = new Plot((start, end) => go({ from: start, to: end }), data.heat);
        this.plots.set(key, plot);
        $("plots").append(plot.figure);
      }
      this.plots.get(key).draw({ ...data, from, to, interval: past.interval });
    }
    const none = past.busy ? "Asking the agent for the past …" : "The agent keeps no past of this series.";
    setText($("past"), past.error ? `No past: ${past.error.message}` : wanted.length ? "" : none);
    $("data").hidden = wanted.length === 0;
    if ($("data").open) show($("data-table"), past.series.map((series) => dataTable(series, this.row, past, from, to)));
    const heat = past.series.find((series) => series.heat);
    show($("distribution"), heat ? distribution(heat, this.row) : []);
  }

  facts() {
    const { row } = this;
    const series = this.past.series[0] ?? {};
    const { stat } = row;
    setText($("help"), series.help ?? "");
    const unit = isDistribution(row) || row.kind === "summary" ? "" : row.unit;
    const facts = [["model", row.model], ["kind", row.kind || series.kind], ["unit", row.unit], ["group", stat.group]];
    for (const [key, value] of Object.entries(stat.labels ?? {})) facts.push([key, value]);
    if (!this.store.get(row.model, row.label)) facts.push(["state", this.store.time ? "ended: no process has it now" : ""]);
    else if (row.kind !== "history") facts.push([row.total === null ? "value" : "count", quantity(row.value, unit)]);
    if (row.total !== null && row.total !== undefined) facts.push(["rate", rate(row.rate, unit)]);
    for (const name of ["mean", "stddev", "min", "max", "last"]) if (typeof stat[name] === "number") facts.push([name, quantity(stat[name], row.unit)]);
    for (const p of PERCENTILES) if (stat.percentiles) facts.push([`p${p}`, quantity(stat.percentiles[p], row.unit)]);
    if (stat.last_time) facts.push(["last at", time(stat.last_time)]);
    if (row.kind === "samplingcounter") facts.push(["per ms", number(stat.per_ms)]);
    show($("facts"), facts.filter(([, value]) => value).map(([name, value]) => el("div", {}, el("dt", {}, name), el("dd", {}, value))));
    const special = row.kind === "errors" ? errors(stat, () => this.facts()) : row.kind === "history" ? entries(row, () => this.facts()) : [];
    show($("special"), special);
  }

  redraw() {
    for (const plot of this.plots.values()) plot.paint();
  }
}

/** The plots of a series by the columns that it has. */
function plotsOf(series, row, past) {
  const unit = isDistribution(row) || row.kind === "summary" ? "" : series.unit ?? "";
  const earlier = past.earlier.find(({ label, part }) => label === series.label && part === series.part);
  const lines = (names, colours) => names.flatMap((name, i) => [
    ...(earlier ? [{ name: `${name} 1 h ago`, colour: colours[i], faint: true, points: pick(earlier, name, HOUR) }] : []),
    { name, colour: colours[i], points: pick(series, name, 0) },
  ]);
  const has = (name) => series.columns.includes(name);
  const title = series.part ? ` of ${series.part}` : "";
  const plots = [];
  if (has("p50")) {
    const heat = series.heat && { times: series.points.map(([at]) => at), heat: series.heat };
    plots.push({ key: `p ${series.label}`, title: "Percentiles over all values", unit: series.unit, log: true, heat, format: (value) => quantity(value, series.unit), lines: lines(["p50", "p90", "p99"], ["p50", "p90", "p99"]) });
  }
  if (has("rate")) plots.push({ key: `r ${series.label}`, title: `Rate${title}`, unit, fromZero: true, format: (value) => rate(value, unit), lines: lines(["rate"], ["accent"]) });
  else if (has("value")) plots.push({ key: `v ${series.label}`, title: `Value${title}`, unit, format: (value) => quantity(value, unit), lines: lines(["value"], ["accent"]) });
  return plots;
}

function pick({ columns: names, points }, name, shift) {
  const column = names.indexOf(name);
  return points.map((point) => [point[0] + shift, typeof point[column] === "boolean" ? Number(point[column]) : point[column] ?? null]);
}

/** What the plots show as a table, newest first: each row stands for an equal part of the time. */
function dataTable(series, row, { interval }, from, to) {
  const counted = isDistribution(row) || row.kind === "summary";
  const step = Math.max(1, Math.ceil((to - from) / interval / ROWS));
  const points = series.points.filter(([at]) => at >= from && at <= to + interval).filter((_, i, all) => (all.length - 1 - i) % step === 0).reverse();
  const heat = series.heat ? columns(series.points.map(([at]) => at), series.heat, interval, from, to, ROWS) : [];
  const lows = [...new Set(heat.flatMap(({ counts }) => [...counts.keys()]))].sort((a, b) => a - b);
  const format = (value, name) => (name === "time" ? time(value) : name === "rate" ? rate(value, counted ? "" : series.unit) : quantity(value, name === "value" && counted ? "" : series.unit));
  return [
    table(`${series.label} over time`, series.columns.map((name) => [name === "value" && counted ? "count" : name, name === "time" ? "" : "number"]), points.map((point) => point.map((value, i) => format(value, series.columns[i])))),
    heat.length > 0 && table(`${series.label}: values by size over time`, [["until", ""], ...lows.map((low) => [`≥ ${quantity(low < 0 ? 2 * low : low, series.unit)}`, "number"])], heat.reverse().map(({ to: end, counts }) => [time(end), ...lows.map((low) => number(counts.get(low) ?? 0))])),
  ];
}

/** How the values of the last minute are spread: a bar for each octave. */
function distribution(series, row) {
  const end = series.points.at(-1)?.[0] ?? 0;
  const counts = new Map();
  series.points.forEach(([at], i) => at > end - 60 && (series.heat[i] ?? []).forEach(([low, count]) => counts.set(low, (counts.get(low) ?? 0) + count)));
  if (!counts.size) return [el("h3", {}, "Distribution"), el("p", { class: "muted" }, "Nothing was recorded in the last minute of the plot.")];
  const most = Math.max(...counts.values());
  const all = [...counts.values()].reduce((sum, count) => sum + count, 0);
  const rows = [...counts].sort((a, b) => a[0] - b[0]).map(([low, count]) => {
    const bar = el("meter", { min: 0, max: most, value: count, "aria-hidden": "true" });
    const name = low === 0 ? quantity(0, row.unit) : octave(low).map((bound) => quantity(bound, series.unit)).join(" – ");
    return [name, bar, number(count), `${((count / all) * 100).toFixed(1)} %`];
  });
  return [el("h3", {}, "Distribution in the last minute"), table("Distribution", [["from – to", ""], ["", "bar"], ["count", "number"], ["share", "number"]], rows)];
}
