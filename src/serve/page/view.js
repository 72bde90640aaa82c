// The view is the URL: the query string says what is shown, so a link shows the same, and back and forward work.

/** Defaults, which are not in the URL. Times are Unix seconds, 0 for none: from and to (zoom), paused (when). */
const USUAL = { q: "", sort: "label", model: "", series: "", range: 900, from: 0, to: 0, paused: 0, compare: 0 };
const SORTS = /^-?(model|label|value|rate|p50|p99)$/;
export const RANGES = [300, 900, 3600, 21600, 86400];
const listeners = [];

export const view = parse();

function parse() {
	const query = new URLSearchParams(location.search);
	const found = {};
	for (const [name, usual] of Object.entries(USUAL)) {
		found[name] = typeof usual === "number" ? Math.max(0, Number(query.get(name))) || usual : query.get(name) ?? usual;
	}
	if (!SORTS.test(found.sort)) found.sort = USUAL.sort;
	if (!RANGES.includes(found.range)) found.range = USUAL.range;
	if (!(found.from < found.to)) found.from = found.to = 0;
	return found;
}

function change(changes) {
	const before = { ...view };
	Object.assign(view, changes);
	for (const listener of listeners) listener(before);
}

/** Changes the view. `replace` makes no entry in the browser's history. */
export function go(changes, replace) {
	const query = new URLSearchParams();
	for (const [name, value] of Object.entries({ ...view, ...changes })) if (value !== USUAL[name]) query.set(name, value);
	history[replace ? "replaceState" : "pushState"](null, "", `?${query}`);
	change(changes);
}

/** Registers a callback, which is called after each change with the previous view. */
export const onView = (listener) => listeners.push(listener);

/** Returns the span of time that the plots show. */
export function span() {
	const end = view.paused || Date.now() / 1000;
	return view.from ? [view.from, view.to] : [end - view.range, end];
}

addEventListener("popstate", () => change(parse()));
