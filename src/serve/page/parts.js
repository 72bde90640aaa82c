// Parts of a series that are tables: its value in each process and thread, its errors, the entries of a history.

import * as api from "./api.js";
import { el, table } from "./dom.js";
import { ago, moment, NONE, number, quantity, rate } from "./format.js";
import { isDistribution, isGrowing } from "./store.js";

const MOST = 100;
const known = new Map(); // contexts by id; they never change

/** One row for each file, that is for each thread: `files` now and the answer before it, for rates. */
export function threads(row, files, before) {
  const had = files.list.filter(({ stats }) => stats?.[row.label]);
  if (!had.length) return [];
  const old = new Map(before?.list.map((file) => [file.path, file.stats?.[row.label]]));
  const amount = (stat) => stat?.count ?? stat?.all ?? stat?.value;
  const unit = isDistribution(row) || row.kind === "summary" ? "" : row.unit;
  const columns = [["pid", "number"], ["tid", "number"], ["state", ""], [isGrowing(row) ? "count" : "value", "number"]];
  if (isGrowing(row)) columns.push(["rate", "number"]);
  if (isDistribution(row)) columns.push(["p50", "number"], ["p99", "number"]);
  const rows = had.slice(0, MOST).map((file) => {
    const stat = file.stats[row.label];
    const value = row.kind === "history" ? `${stat.entries.length} entries` : amount(stat);
    const cells = [String(file.pid ?? NONE), String(file.tid ?? NONE), el("span", { class: `state ${file.state}` }, file.state), quantity(value, unit)];
    const earlier = amount(old.get(file.path));
    if (isGrowing(row)) cells.push(rate(earlier === undefined ? null : Math.max(0, (value - earlier) / (files.time - before.time)), unit));
    if (isDistribution(row)) cells.push(quantity(stat.percentiles["50"], row.unit), quantity(stat.percentiles["99"], row.unit));
    return cells;
  });
  const processes = new Set(had.map(({ pid }) => pid)).size;
  return [el("h3", {}, `By thread: ${number(had.length)} in ${number(processes)} process${processes === 1 ? "" : "es"}`), table("By process and thread", columns, rows), more(had)];
}

const more = (all) => all.length > MOST && el("p", { class: "muted" }, `The first ${MOST} of ${number(all.length)}.`);

/** Asks for the contexts that are not known yet; `then` shows them. */
async function learn(ids, then) {
  const fresh = [...new Set(ids)].filter((id) => id && !known.has(id)).slice(0, MOST);
  if (!fresh.length) return;
  for (const id of fresh) known.set(id, null);
  const texts = await api.contexts(fresh).catch(() => ({}));
  for (const id of fresh) known.set(id, texts[id] ?? null);
  if (Object.keys(texts).length) then();
}

function context(id) {
  if (id === "") return null;
  return el("div", { class: "context" }, known.get(id) ?? (id === null ? "context lost" : `context ${id}`));
}

export function errors(stat, then) {
  const distinct = [...(stat.distinct ?? [])].sort((a, b) => b.last - a.last);
  const shown = distinct.slice(0, MOST);
  learn(shown.map(({ context_id }) => context_id), then);
  const hidden = [["not kept one by one", stat.overflow], ["evicted", stat.evicted], ["without a name", stat.unnamed]].filter(([, count]) => count > 0);
  const rows = shown.map((one) => [
    number(one.count),
    el("div", {}, el("strong", {}, one.type ?? one.name), one.message ? ` ${one.message}` : "", (one.sources ?? []).map((source) => el("div", { class: "muted" }, `because: ${source}`)),
      one.site && el("div", { class: "muted" }, `at ${one.site}`), context(one.context_id)),
    el("span", { title: `first ${moment(one.first)}` }, `${moment(one.last)} (${ago(one.last)} ago)`),
  ]);
  return [el("h3", {}, `Errors: ${number(stat.all)}`), table("Errors", [["count", "number"], ["error", ""], ["last", ""]], rows), more(distinct),
    hidden.length > 0 && el("p", { class: "muted" }, hidden.map(([name, count]) => `${number(count)} ${name}`).join(", "))];
}

export function entries(row, then) {
  const all = row.stat.entries ?? [];
  const shown = all.slice(0, MOST);
  learn(shown.map(({ context_id }) => context_id), then);
  const rows = shown.map((one) => [moment(one.timestamp), quantity(one.value, row.unit), context(one.context_id) ?? ""]);
  return [el("h3", {}, "Last values"), table("Last values", [["time", ""], ["value", "number"], ["context", ""]], rows), more(all)];
}
