// The view is the address: what the query string says is what is shown, so that a link shows the same and the
// browser's back and forward work.

export const RANGES = [300, 900, 3600, 21600, 86400];
const SORTS = ["model", "label", "value", "rate", "p50", "p99"];
const listeners = [];

/**
 * q: filter; sort: column, `-` before it for descending; model and series: the series that is open;
 * range: seconds; from and to: zoom; paused: the time at which; compare: with an hour ago.
 */
export const view = parse(location.search);

function parse(search) {
  const query = new URLSearchParams(search);
  const unix = (name) => (Number(query.get(name)) > 0 ? Number(query.get(name)) : null);
  const sort = query.get("sort") ?? "label";
  const [from, to] = [unix("from"), unix("to")];
  return {
    q: query.get("q") ?? "",
    sort: SORTS.includes(sort.replace(/^-/, "")) ? sort : "label",
    model: query.get("model") ?? "",
    series: query.get("series") ?? "",
    range: RANGES.find((range) => range === Number(query.get("range"))) ?? 900,
    from: from < to ? from : null,
    to: from < to ? to : null,
    paused: unix("paused"),
    compare: query.get("compare") === "1",
  };
}

function href() {
  const query = new URLSearchParams();
  const put = (name, value, otherwise) => value && value !== otherwise && query.set(name, value);
  put("q", view.q);
  put("sort", view.sort, "label");
  put("model", view.model);
  put("series", view.series);
  put("range", view.range, 900);
  put("from", view.from);
  put("to", view.to);
  put("paused", view.paused);
  put("compare", view.compare ? "1" : "");
  return `?${query}`;
}

/** Changes the view. Small steps of one change (typing) replace the address and make no history. */
export function go(changes, { replace = false } = {}) {
  const before = { ...view };
  Object.assign(view, changes);
  history[replace ? "replaceState" : "pushState"](null, "", href());
  for (const listener of listeners) listener(before);
}

/** Calls back after each change with the view before. */
export function onView(listener) {
  listeners.push(listener);
}

/** The times that the plots show. */
export function span() {
  if (view.from) return [view.from, view.to];
  const end = view.paused ?? Date.now() / 1000;
  return [end - view.range, end];
}

addEventListener("popstate", () => {
  const before = { ...view };
  Object.assign(view, parse(location.search));
  for (const listener of listeners) listener(before);
});
