// What is beside the plots of a series: facts, its distribution, tables of its past, its value in each thread, its
// errors, the entries of a history.

import * as api from "./api.js";
import { el, muted, table } from "./dom.js";
import { ago, moment, NONE, number, quantity, rate, time } from "./format.js";
import { columns, octave } from "./heat.js";
import { span } from "./view.js";

const MOST = 100; // rows of a table
const ROWS = 60; // of the tables that say what the plots show
const contexts = new Map(); // by id; they never change

const more = (all) => all.length > MOST && muted(`The first ${MOST} of ${number(all.length)}.`);

export function facts(row, series) {
  const { stat } = row;
  const found = [["model", row.model], ["kind", row.kind ?? series.kind], ["unit", row.unit], ["group", stat.group], ...Object.entries(stat.labels ?? {})];
  if (row.ended) found.push(["state", "ended: no process has it now"]);
  else if (row.kind !== "history") found.push([row.grows ? "count" : "value", quantity(row.value, row.valueUnit)]);
  if (row.grows) found.push(["rate", rate(row.rate, row.valueUnit)]);
  for (const name of ["mean", "stddev", "min", "max", "last"]) if (name in stat) found.push([name, quantity(stat[name], row.unit)]);
  for (const [p, value] of Object.entries(stat.percentiles ?? {})) found.push([`p${p}`, quantity(value, row.unit)]);
  if (stat.last_time) found.push(["last at", moment(stat.last_time)]);
  if ("per_ms" in stat) found.push(["per ms", number(stat.per_ms)]);
  return found.filter(([, value]) => value).map(([name, value]) => el("div", el("dt", name), el("dd", value)));
}

/** What the plots show, newest first; each row stands for an equal part of the time. */
export function dataTables(series, row, interval) {
  const [from, to] = span();
  const unit = row.spreads || row.kind === "summary" ? "" : series.unit;
  const cell = (value, name) => (name === "time" ? time(value) : name === "rate" ? rate(value, unit) : quantity(value, name === "value" ? unit : series.unit));
  const shown = series.points.filter(([at]) => at >= from && at <= to + interval).reverse();
  const step = Math.ceil(shown.length / ROWS);
  const rows = shown.filter((_, i) => i % step === 0).map((point) => point.map((value, i) => cell(value, series.columns[i])));
  const heat = series.heat ? columns({ times: series.points.map(([at]) => at), heat: series.heat, interval }, from, to, ROWS).reverse() : [];
  const bounds = [...new Set(heat.flatMap(({ counts }) => [...counts.keys()]))].sort((a, b) => a - b);
  return [
    table(`${series.label} over time`, series.columns.map((name) => (name === "time" ? name : `${name}#`)), rows),
    heat.length > 0 && table(`${series.label}: how many values of which size`, ["until", ...bounds.map((bound) => `≥ ${quantity(octave(bound)[0], series.unit)}#`)],
      heat.map(({ end, counts }) => [time(end), ...bounds.map((bound) => number(counts.get(bound) ?? 0))])),
  ];
}

/** How the values of the last minute are spread: a bar for each octave. */
export function distribution({ points, heat, unit }) {
  const end = points.at(-1)?.[0] ?? 0;
  const counts = columns({ times: points.map(([at]) => at), heat, interval: 1 }, end - 60, end, 1).reduce((all, one) => {
    for (const [bound, count] of one.counts) all.set(bound, (all.get(bound) ?? 0) + count);
    return all;
  }, new Map());
  const all = [...counts.values()].reduce((sum, count) => sum + count, 0);
  const rows = [...counts].sort((a, b) => a[0] - b[0]).map(([bound, count]) => [
    bound ? octave(bound).map((one) => quantity(one, unit)).join(" – ") : "0",
    el("meter", { min: 0, max: Math.max(...counts.values()), value: count, "aria-hidden": true }), number(count), `${((count / all) * 100).toFixed(1)} %`]);
  return [el("h3", "Distribution in the last minute"), rows.length ? table("Distribution", ["size", "spread", "count#", "share#"], rows) : muted("Nothing was recorded.")];
}

/** A row for each file, that is for each thread; `before` is the answer before this one, for rates. */
export function threads(row, files, before) {
  const all = files.list.filter(({ stats }) => stats?.[row.label]).sort((a, b) => a.pid - b.pid);
  if (!all.length) return [];
  const old = new Map(before?.list.map(({ path, stats }) => [path, stats?.[row.label]]));
  const amount = (stat) => stat?.count ?? stat?.all ?? stat?.value;
  const rows = all.slice(0, MOST).map(({ path, pid, tid, state, stats: { [row.label]: stat } }) => [
    String(pid ?? NONE), String(tid ?? NONE), el(`span.${state}`, state), stat.entries ? `${stat.entries.length} entries` : quantity(amount(stat), row.valueUnit),
    ...(row.grows ? [rate(old.get(path) ? Math.max(0, amount(stat) - amount(old.get(path))) / (files.time - before.time) : null, row.valueUnit)] : []),
    ...(row.spreads ? ["50", "99"].map((p) => quantity(stat.percentiles[p], row.unit)) : [])]);
  const names = ["pid#", "tid#", "state", row.grows ? "count#" : "value#", ...(row.grows ? ["rate#"] : []), ...(row.spreads ? ["p50#", "p99#"] : [])];
  return [el("h3", `In ${number(new Set(all.map(({ pid }) => pid)).size)} processes, ${number(all.length)} threads`), table("By process and thread", names, rows), more(all)];
}

/** A context; those that are not known yet are asked for, and `then` shows them. */
function learn(list, then) {
  const ids = [...new Set(list.map(({ context_id: id }) => id))].filter((id) => id && !contexts.has(id));
  for (const id of ids) contexts.set(id, `context ${id}`);
  if (ids.length) api.contexts(ids).then((texts) => Object.entries(texts).forEach(([id, text]) => contexts.set(id, text))).then(then, () => {});
}

const context = (id) => id !== "" && el("div.context", id ? contexts.get(id) : "its context is lost");

export function errors(stat, then) {
  const all = [...(stat.distinct ?? [])].sort((a, b) => b.last - a.last);
  const shown = all.slice(0, MOST);
  learn(shown, then);
  const rows = shown.map((one) => [number(one.count),
    [el("b", one.type ?? one.name), one.message && ` ${one.message}`, one.sources?.map((source) => muted(`because: ${source}`)), one.site && muted(`at ${one.site}`), context(one.context_id)],
    el("span", { title: `first ${moment(one.first)}` }, `${moment(one.last)}, ${ago(one.last)} ago`)]);
  const hidden = [["too many to tell apart", stat.overflow], ["evicted", stat.evicted], ["without a name", stat.unnamed]].filter(([, count]) => count);
  return [el("h3", `Errors: ${number(stat.all)}`), table("Errors", ["count#", "error", "last"], rows), more(all), muted(hidden.map(([name, count]) => `${number(count)} ${name}`).join(", "))];
}

export function entries({ stat, unit }, then) {
  const shown = stat.entries.slice(0, MOST);
  learn(shown, then);
  return [el("h3", "Last values"), table("Last values", ["time", "value#", "context"], shown.map((one) => [moment(one.timestamp), quantity(one.value, unit), context(one.context_id)])), more(stat.entries)];
}
