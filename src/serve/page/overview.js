// What an operator looks for first: what goes wrong, what changed, which models and processes there are.

import { $, el, seriesButton, setText, show, table } from "./dom.js";
import { ago, moment, NONE, number, quantity, rate } from "./format.js";

const FEW = 5;
const fill = (id, ...children) => show($(id).querySelector(".body"), ...children);
const muted = (text) => el("p", { class: "muted" }, text);

export function overview(store) {
  wrong(store);
  changes(store);
  models(store);
}

function wrong(store) {
  const rows = store.wrong().filter(({ value }) => value > 0);
  const sum = rows.reduce((all, row) => all + (row.rate ?? 0), 0);
  const problems = store.problems;
  $("errors").classList.toggle("bad", sum > 0 || problems.length > 0);
  fill("errors",
    el("p", { class: "big" }, rate(sum)),
    rows.length === 0 && muted("Nothing has been counted as an error."),
    rows.length > 0 && el("ul", { class: "pairs" }, rows.slice(0, FEW).map((row) => el("li", {}, seriesButton(row), el("span", { class: "number" }, `${number(row.value)} · ${rate(row.rate)}`)))),
    problems.length > 0 && el("h3", {}, `${number(problems.length)} unreadable file${problems.length === 1 ? "" : "s"}`),
    problems.length > 0 && el("ul", {}, problems.slice(0, FEW).map(({ path, error }) => el("li", {}, el("code", {}, path), ` ${error}`))),
    problems.length > FEW && muted(`and ${number(problems.length - FEW)} more`));
}

function changes(store) {
  const found = store.changes(FEW);
  const items = found.map(({ row, of, from, to }) => {
    const text = (value) => (of === "rate" ? rate(value) : quantity(Number(value.toPrecision(3)), row.unit));
    return el("li", {}, el("span", { class: "arrow", "aria-label": to > from ? "up" : "down", role: "img" }, to > from ? "▲" : "▼"), seriesButton(row),
      el("span", { class: "number", title: of }, `${text(from)} → ${text(to)}`));
  });
  fill("changes", items.length ? el("ul", { class: "pairs" }, items) : muted("All series are as they were in the last minute."));
}

function models(store) {
  const all = Object.entries(store.models);
  const rows = all.map(([name, { processes, files, stats }]) => [
    el("button", { type: "button", class: "link", "data-filter": name, title: `filter by ${name}` }, name),
    number(processes), number(files.length), number(Object.keys(stats).length)]);
  fill("models", rows.length ? table("Models", [["model", ""], ["processes", "number"], ["files", "number"], ["series", "number"]], rows) : muted("No program keeps statistics here yet."));
}

/** How a process ended, or how long it lives. */
function state({ state: now, started, ended, ending }) {
  if (now === "live") return el("span", { class: "state live" }, started ? `live for ${ago(started)}` : "live");
  const how = ending ?? (now === "dead" ? "ended" : now);
  return el("span", { class: /normal/.test(how) ? "muted" : `state ${now}`, title: ended ? moment(ended) : "" }, ended ? `${how}, ${ago(ended)} ago` : how);
}

let cpuBefore = { at: 0, by: new Map() };

/** Live processes by their load, then those that ended, the latest first. `all`: not only the first few. */
export function processes(list, all) {
  const at = performance.now() / 1000;
  const load = new Map(list.map((one) => [one, (one.cpu_seconds - (cpuBefore.by.get(one.pid) ?? NaN)) / (at - cpuBefore.at)]));
  cpuBefore = { at, by: new Map(list.map((one) => [one.pid, one.cpu_seconds ?? NaN])) };
  const live = list.filter(({ state: now }) => now === "live").sort((a, b) => (load.get(b) || 0) - (load.get(a) || 0));
  const gone = list.filter(({ state: now }) => now !== "live").sort((a, b) => (b.ended ?? 0) - (a.ended ?? 0));
  const shown = all ? [...live, ...gone].slice(0, 1000) : [...live.slice(0, FEW), ...gone.slice(0, FEW)];
  const rows = shown.map((one) => [
    String(one.pid),
    el("span", { title: `${one.exe ?? ""} ${(one.models ?? []).join(", ")}` }, (one.exe ?? NONE).split("/").at(-1)),
    state(one),
    Number.isFinite(load.get(one)) ? `${(load.get(one) * 100).toFixed(0)} %` : NONE,
    one.resident_bytes === null ? NONE : quantity(one.resident_bytes, "bytes"),
    number(one.open_fds)]);
  setText($("process-count"), `${number(live.length)} live, ${number(gone.length)} ended`);
  fill("processes", table("Processes", [["pid", "number"], ["program", ""], ["state", ""], ["cpu", "number"], ["memory", "number"], ["fds", "number"]], rows));
  $("more-processes").hidden = all || shown.length === list.length;
}
