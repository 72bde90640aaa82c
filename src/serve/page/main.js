// The page: connects the stream, the overview, the table and the detail, and handles the user's input.

import * as api from "./api.js";
import * as detail from "./detail.js";
import { $, setText } from "./dom.js";
import * as download from "./download.js";
import { time } from "./format.js";
import { overview, processes } from "./overview.js";
import { apply as update, get, store } from "./store.js";
import * as stream from "./stream.js";
import * as table from "./table.js";
import { go, onView, span, view } from "./view.js";

const PROCESSES = 5000; // milliseconds between two requests for the processes
let [asked, typed] = [-Infinity, -Infinity];

function receive(snapshot) {
	update(snapshot);
	setText($("path"), snapshot.path);
	setText($("seen"), time(store.time));
	overview();
	table.tick();
	detail.tick();
	if (performance.now() - asked > PROCESSES) askProcesses();
}

function askProcesses() {
	asked = performance.now();
	api.processes().then((found) => processes(found.processes), () => {});
}

function tell(state) {
	const lost = state === "lost";
	setText($("status"), lost ? "no answer" : state);
	$("status").dataset.state = state;
	$("notice").hidden = !lost;
	setText($("notice"), lost ? `The agent does not answer. ${store.time ? `The values are those of ${time(store.time)}. ` : ""}Trying again …` : "");
}

function apply(before) {
	if ($("filter").value !== view.q) $("filter").value = view.q;
	$("range").value = view.range;
	$("compare").setAttribute("aria-pressed", view.compare === 1);
	$("pause").setAttribute("aria-pressed", view.paused > 0);
	$("download-png").disabled = !view.series;
	document.title = view.series ? `${view.series} · mmstats` : "mmstats";
	stream.want(!view.paused);
	if (view.paused) tell("paused");
	table.arrange();
	detail.update(before);
}

function close() {
	const row = get(view.model, view.series);
	go({ model: "", series: "", from: 0, to: 0 });
	table.focus(table.list.indexOf(row));
}

const togglePause = () => go({ paused: view.paused ? 0 : Math.floor(span()[1]) });
const zoomOut = () => go({ from: 0, to: 0 });

const actions = {
	pause: togglePause,
	compare: () => go({ compare: 1 - view.compare }),
	close,
	"zoom-out": zoomOut,
	"download-csv": download.csv,
	"download-json": download.json,
	"download-png": download.png,
};

document.addEventListener("click", ({ target }) => {
	const { id, dataset: { filter, model, label } } = target.closest("button, [data-label]") ?? target;
	if (filter) go({ q: filter });
	else if (label === undefined) actions[id]?.();
	else {
		go({ model, series: label, from: 0, to: 0 });
		$("detail-title").focus();
	}
});

$("range").addEventListener("change", ({ target }) => go({ range: Number(target.value), from: 0, to: 0 }));
$("filter").addEventListener("input", ({ target, timeStamp }) => {
	// The first key makes an entry in the history; keys that follow quickly change that entry.
	go({ q: target.value }, timeStamp - typed < 2000);
	typed = timeStamp;
});

document.addEventListener("keydown", (event) => {
	const { key, target } = event;
	const field = target.closest("input, select");
	const filter = $("filter");
	if (event.ctrlKey || event.metaKey || event.altKey) return;
	if (key === "Escape") {
		if (field === filter && filter.value) go({ q: "" });
		else if (view.from) zoomOut();
		else if (view.series) close();
	} else if (key === "p" && !field) togglePause();
	else if (key === "/" && !field) {
		filter.select();
		event.preventDefault();
	} else if (field === filter && (key === "ArrowDown" || key === "Enter")) {
		table.focus(0);
		event.preventDefault();
	}
});

stream.connect(receive, tell);
onView(apply);
apply();
// Loads values at once, without waiting for the first event of the stream.
api.snapshot().then((snapshot) => store.time || receive(snapshot), () => view.paused && tell("lost"));
