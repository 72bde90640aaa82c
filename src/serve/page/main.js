// The page: brings the stream, the table, the overview and the detail together, and listens to the operator.

import * as api from "./api.js";
import { Detail } from "./detail.js";
import { $, setText } from "./dom.js";
import * as download from "./download.js";
import { time } from "./format.js";
import { overview, processes } from "./overview.js";
import { Store } from "./store.js";
import { Stream } from "./stream.js";
import { Table } from "./table.js";
import { go, onView, span, view } from "./view.js";

const PROCESSES = 5000; // milliseconds from one look at the processes to the next
const store = new Store();
const table = new Table(store);
const detail = new Detail(store);
const stream = new Stream(receive, tell);
let allProcesses = false;
let askedProcesses = 0;

function receive(snapshot) {
  store.apply(snapshot);
  setText($("path"), store.path);
  setText($("seen"), time(store.time));
  overview(store);
  table.tick();
  detail.tick();
  if (performance.now() - askedProcesses > PROCESSES) askProcesses();
}

async function askProcesses() {
  askedProcesses = performance.now();
  const found = await api.processes().catch(() => null);
  if (found) processes(found.processes ?? [], allProcesses);
}

/** The state of the connection, in words. */
function tell(state) {
  const lost = state === "lost";
  setText($("status"), lost ? "no answer" : state);
  $("status").dataset.state = state;
  $("notice").hidden = !lost;
  if (lost) setText($("notice"), `The agent does not answer. ${store.time ? `The values are those of ${time(store.time)}. ` : ""}Trying again …`);
}

/** Brings the controls and the parts to what the view says. */
function apply(before) {
  if ($("filter").value !== view.q) $("filter").value = view.q;
  $("range").value = view.range;
  $("compare").setAttribute("aria-pressed", view.compare);
  $("pause").setAttribute("aria-pressed", Boolean(view.paused));
  setText($("pause"), view.paused ? "Resume" : "Pause");
  $("download-png").disabled = !view.series;
  document.title = view.series ? `${view.series} · mmstats` : "mmstats";
  stream.want(!view.paused);
  if (view.paused) tell("paused");
  table.arrange();
  detail.update(before);
}

function open(model, series) {
  const wide = innerWidth >= 1100;
  go({ model, series, from: null, to: null });
  if (!wide) scrollTo(0, 0);
  $("detail-title").focus({ preventScroll: true });
}

function close() {
  const row = store.get(view.model, view.series);
  go({ model: "", series: "", from: null, to: null });
  if (row) table.focusOn(row);
}

const togglePause = () => go({ paused: view.paused ? null : Math.floor(span()[1]) });

let typing = 0;
$("filter").addEventListener("input", ({ target }) => {
  // The first key makes an entry in the history, the others that follow it quickly change that one.
  const now = performance.now();
  go({ q: target.value }, { replace: now - typing < 2000 });
  typing = now;
});
$("range").addEventListener("change", ({ target }) => go({ range: Number(target.value), from: null, to: null }));
$("pause").addEventListener("click", togglePause);
$("compare").addEventListener("click", () => go({ compare: !view.compare }));
$("close").addEventListener("click", close);
$("zoom-out").addEventListener("click", () => go({ from: null, to: null }));
$("more-processes").addEventListener("click", () => {
  allProcesses = true;
  askProcesses();
});
$("download-csv").addEventListener("click", () => download.csv(table, detail));
$("download-json").addEventListener("click", () => download.json(table, detail));
$("download-png").addEventListener("click", () => download.png(detail));

document.addEventListener("click", ({ target }) => {
  const filter = target.closest("[data-filter]");
  if (filter) return go({ q: filter.dataset.filter });
  const series = target.closest("[data-label]");
  if (series) open(series.dataset.model, series.dataset.label);
});

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const field = event.target.closest("input, select, textarea");
  if (event.key === "Escape") {
    if (field?.id === "filter" && view.q) return go({ q: "" });
    if (view.from) return go({ from: null, to: null });
    if (view.series) return close();
    return field?.blur();
  }
  if (event.target.id === "filter" && (event.key === "ArrowDown" || event.key === "Enter")) {
    event.preventDefault();
    return table.focus(0);
  }
  if (field) return;
  if (event.key === "/") {
    event.preventDefault();
    $("filter").focus();
    $("filter").select();
  } else if (event.key === "p") togglePause();
});

onView(apply);
apply();
// Values at once, not only with the first event of the stream.
api.snapshot().then((snapshot) => store.time || receive(snapshot)).catch(() => view.paused && tell("lost"));
askProcesses();
