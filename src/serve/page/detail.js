// One series: its past as plots and as tables, what it is now, and what it is in each thread.

import * as api from "./api.js";
import { $, setText, show } from "./dom.js";
import { quantity, rate } from "./format.js";
import { dataTables, distribution, entries, errors, facts, threads } from "./parts.js";
import { HOUR, Past } from "./past.js";
import { Plot } from "./plot.js";
import { span, view } from "./view.js";

const POINTS = 180; // of a rate in a plot: each the mean of its time, or rates that are 0 and 1 in turns were a wall

export class Detail {
  plots = new Map();

  constructor(store) {
    this.store = store;
    const draw = () => this.draw();
    new ResizeObserver(draw).observe($("plots"));
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
    $("data").addEventListener("toggle", draw);
  }

  /** Shows what the view says. */
  update(before) {
    const { series, model } = view;
    $("detail").hidden = !series;
    document.body.classList.toggle("with-detail", series !== "");
    $("zoom-out").hidden = !view.from;
    if (before?.series !== series || before.model !== model) this.open();
    else if (series && ["range", "from", "paused", "compare"].some((name) => before[name] !== view[name])) this.past.load();
  }

  open() {
    this.past?.close();
    this.past = this.files = null;
    this.plots.clear();
    $("plots").replaceChildren();
    if (!view.series) return;
    setText($("detail-title"), view.series);
    // Of a series that ended the agent may still know the past.
    this.row = this.store.get(view.model, view.series) ?? { model: view.model, label: view.series, stat: {}, ended: true };
    this.past = new Past(this.row, () => this.draw());
    this.askThreads();
    this.draw();
  }

  tick() {
    if (!this.past) return;
    const row = this.store.get(view.model, view.series);
    if (row && this.row.ended) return this.open();
    this.row = row ?? { ...this.row, ended: true };
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
    const before = this.files;
    this.files = { time: performance.now() / 1000, list: found.models[view.model]?.files ?? [] };
    show($("threads"), threads(this.row, this.files, before));
  }

  draw() {
    const { past, row } = this;
    if (!past) return;
    const wanted = past.series.flatMap((series) => plotsOf(series, row, past));
    for (const data of wanted) {
      if (!this.plots.has(data.title)) {
        this.plots.set(data.title, new Plot(data.heat));
        $("plots").append(this.plots.get(data.title).figure);
      }
      this.plots.get(data.title).draw(data);
    }
    const none = past.busy ? "Asking the agent for the past …" : "The agent keeps no past of this series.";
    setText($("past"), past.error ? `No past: ${past.error.message}.` : wanted.length ? "" : none);
    $("data").hidden = !wanted.length;
    show($("data-tables"), $("data").open && past.series.map((series) => dataTables(series, row, past.interval)));
    show($("distribution"), past.series.filter(({ heat }) => heat).map(distribution));
    this.facts();
  }

  facts() {
    const { row } = this;
    const [series = {}] = this.past.series;
    setText($("help"), series.help ?? "");
    show($("facts"), facts(row, series));
    const again = () => this.facts();
    show($("special"), row.kind === "errors" && errors(row.stat, again), row.kind === "history" && entries(row, again));
  }
}

/** The plots of a series, by the columns that it has. */
function plotsOf(series, row, past) {
  const earlier = past.earlier.find(({ label }) => label === series.label);
  const unit = row.spreads || row.kind === "summary" ? "" : series.unit ?? "";
  const lines = (names, colours) => names.flatMap((name, i) => [
    earlier && { name, colour: colours[i], faint: true, ...pick(earlier, name, past.earlierInterval, HOUR) },
    { name, colour: colours[i], ...pick(series, name, past.interval, 0) },
  ]).filter(Boolean);
  const of = series.part ? ` of ${series.part}` : "";
  const plots = [];
  if (series.columns.includes("p50")) {
    const heat = series.heat && { times: series.points.map(([time]) => time), heat: series.heat, interval: past.interval };
    plots.push({ title: "Percentiles and how many values", span: span(), unit: series.unit, log: true, heat, format: (value) => quantity(value, series.unit), lines: lines(["p50", "p90", "p99"], ["p50", "p90", "p99"]) });
  }
  if (series.columns.includes("rate")) plots.push({ title: `Rate${of}`, span: span(), unit, format: (value) => rate(value, unit), lines: lines(["rate"], ["accent"]) });
  else plots.push({ title: `Value${of}`, span: span(), unit, format: (value) => quantity(value, unit), lines: lines(["value"], ["accent"]) });
  return plots;
}

/** The points of a column. */
function pick({ columns, points }, name, interval, shift) {
  const column = columns.indexOf(name);
  const found = points.map((point) => [point[0] + shift, point[column] === null ? null : Number(point[column])]);
  const [from, to] = span();
  const step = interval * Math.ceil((to - from) / interval / POINTS);
  if (name !== "rate" || step <= interval) return { points: found, interval };
  const bins = new Map();
  for (const [time, value] of found) {
    const end = Math.ceil(time / step) * step;
    bins.set(end, [...(bins.get(end) ?? []), value]);
  }
  const last = found.at(-1)?.[0];
  return { points: [...bins].map(([end, all]) => [Math.min(end, last), all.reduce((sum, one) => sum + one, 0) / all.length]), interval: step };
}
