// The table of series. Only the rows that can be seen are elements, so that 10,000 series cost no more than 60; the
// space of the others is two empty rows. The rows are reused: a row element shows whichever series is there now.

import * as api from "./api.js";
import { $, el, setText } from "./dom.js";
import { NONE, number, quantity, rate } from "./format.js";
import { isDistribution, isGrowing, SPARK } from "./store.js";
import { go, view } from "./view.js";

const EDGE = 16; // rows kept ready above and below, and the step in which the window moves
const LIVE = new Set(["value", "rate", "p50", "p99"]);
const CELLS = ["model", "label", "value", "rate", "p50", "p99", "spark"];
const LONGEST_QUERY = 6000; // characters of an address that every server and proxy takes
const collator = new Intl.Collator("en", { numeric: true });

/** Whether a text matches a glob of `*` and `?`; takes time in proportion to both, whatever they are. */
export function globMatches(glob, text) {
  let [g, t, star, mark] = [0, 0, -1, 0];
  while (t < text.length) {
    if (glob[g] === "*") [star, mark, g] = [g, t, g + 1];
    else if (g < glob.length && (glob[g] === "?" || glob[g] === text[t])) [g, t] = [g + 1, t + 1];
    else if (star >= 0) [g, t, mark] = [star + 1, mark + 1, mark + 1];
    else return false;
  }
  return /^\**$/.test(glob.slice(g));
}

/** What the filter means: with `*` or `?` a glob for the label, else words that model and label contain. */
function matcher(filter) {
  const text = filter.trim().toLowerCase();
  if (/[*?]/.test(text)) return (row) => globMatches(text, row.label.toLowerCase());
  const words = text.split(/\s+/);
  return (row) => words.every((word) => row.text.includes(word));
}

export class Table {
  constructor(store) {
    this.store = store;
    this.list = [];
    this.active = 0;
    this.elements = [];
    [this.before, this.body, this.after] = $("series").tBodies;
    this.height = parseFloat(getComputedStyle(document.documentElement).getPropertyValue("--row"));
    this.body.addEventListener("keydown", (event) => this.onKey(event));
    this.body.addEventListener("pointerenter", () => (this.held = true));
    this.body.addEventListener("pointerleave", () => (this.held = false));
    $("series").tHead.addEventListener("click", ({ target }) => target.dataset.sort && this.sortBy(target.dataset.sort));
    let frame = 0;
    const later = () => (frame ||= requestAnimationFrame(() => ((frame = 0), this.draw())));
    addEventListener("scroll", later, { passive: true });
    new ResizeObserver(later).observe(document.body);
  }

  sortBy(column) {
    const numbers = LIVE.has(column);
    const first = numbers ? `-${column}` : column;
    const second = numbers ? column : `-${column}`;
    go({ sort: view.sort === first ? second : first });
  }

  /** After a snapshot. Rows stay where they are under the pointer or the focus, whatever their values do. */
  tick() {
    const held = this.held || this.body.contains(document.activeElement);
    if (this.generation !== this.store.generation || (LIVE.has(view.sort.replace("-", "")) && !held)) this.arrange();
    else this.draw();
  }

  /** Filters and sorts anew. */
  arrange() {
    if (this.generation !== this.store.generation) {
      this.generation = this.store.generation;
      this.all = [...this.store.rows.values()].sort((a, b) => collator.compare(a.label, b.label) || collator.compare(a.model, b.model));
    }
    const list = (this.all ?? []).filter(matcher(view.q));
    const column = view.sort.replace("-", "");
    const sign = view.sort.startsWith("-") ? -1 : 1;
    if (column === "label") this.list = sign > 0 ? list : list.reverse();
    else this.list = list.sort((a, b) => compare(a[column], b[column], sign));
    this.active = Math.min(this.active, Math.max(0, this.list.length - 1));
    this.draw();
  }

  /** Where the first row is, or would be, on the screen. */
  top() {
    return $("series").getBoundingClientRect().top + $("series").tHead.offsetHeight;
  }

  draw() {
    const { list, height } = this;
    const top = -this.top();
    const visible = Math.ceil(innerHeight / height);
    const most = visible + 2 * EDGE;
    let first = Math.floor(top / height / EDGE) * EDGE - EDGE / 2;
    first = Math.max(0, Math.min(first, list.length - most));
    const rows = list.slice(first, first + most);
    const focused = this.elements.findIndex((one) => one.button === document.activeElement);
    while (this.elements.length < rows.length) this.elements.push(new RowElement(this.body));
    this.elements.forEach((one, i) => one.show(rows[i], first + i, first + i === this.active));
    pad(this.before, first * height);
    pad(this.after, Math.max(0, list.length - first - rows.length) * height);
    // The focus stays with its row when the rows move through the elements.
    if (focused >= 0 && this.first !== first) this.elements[this.first + focused - first]?.button.focus({ preventScroll: true });
    this.first = first;
    for (const th of $("series").tHead.rows[0].cells) sorted(th);
    const total = this.store.rows.size;
    setText($("count"), list.length === total ? `${number(total)} series` : `${number(list.length)} of ${number(total)} series`);
    $("series").setAttribute("aria-rowcount", list.length + 1);
    $("empty").hidden = list.length > 0;
    setText($("empty"), total ? "No series matches the filter." : "No series yet. They appear as soon as a program keeps statistics here.");
    clearTimeout(this.asking);
    this.asking = setTimeout(() => this.ask(rows), 100);
  }

  /** Asks the agent for the last minute of the rows that are shown, a few addresses' worth of labels at a time. */
  ask(rows) {
    const wanted = rows.filter((row) => !row.asked && row.spark.length > 0 && row.spark.length < SPARK && row.label.length < 1000);
    for (let labels = [], size = 0, i = 0; i < wanted.length; i += 1) {
      wanted[i].asked = true;
      labels.push(wanted[i].label);
      size += encodeURIComponent(wanted[i].label).length + 7;
      if (size < LONGEST_QUERY && i < wanted.length - 1) continue;
      // Without the past the sparklines fill by themselves: no reason to disturb anybody.
      api.past(labels, { last: SPARK }).then(({ series }) => this.seed(series)).catch(() => {});
      [labels, size] = [[], 0];
    }
  }

  seed(all) {
    for (const { model, label, columns, points } of all) {
      const row = this.store.get(model, label);
      if (!row?.asked || row.seeded) continue;
      row.seeded = true;
      const column = columns.indexOf(isGrowing(row) ? "rate" : "value");
      row.seed(points.map((point) => [point[0], point[column]]));
    }
    this.draw();
  }

  onKey(event) {
    const page = Math.floor(innerHeight / this.height) - 3;
    const steps = { ArrowDown: 1, ArrowUp: -1, PageDown: page, PageUp: -page, Home: -Infinity, End: Infinity };
    if (!(event.key in steps)) return;
    event.preventDefault();
    this.focus(Math.max(0, Math.min(this.list.length - 1, this.active + steps[event.key])));
  }

  /** Moves the focus to a row, and scrolls as far as that takes. */
  focus(index) {
    if (!this.list.length) return;
    this.active = index;
    const y = this.top() + index * this.height;
    const low = $("series").tHead.offsetHeight;
    if (y < low) scrollBy(0, y - low);
    else if (y > innerHeight - 2 * this.height) scrollBy(0, y - innerHeight + 2 * this.height);
    this.draw();
    this.elements[index - this.first]?.button.focus({ preventScroll: true });
  }

  focusOn(row) {
    this.focus(Math.max(0, this.list.indexOf(row)));
  }
}

/** What does not exist comes last, whichever way it is sorted; texts come after numbers. */
function compare(a, b, sign) {
  const [none, other] = [a === null || a === undefined, b === null || b === undefined];
  if (none || other) return none - other;
  if (typeof a === "number" && typeof b === "number") return sign * (a - b);
  if (typeof a === "string" && typeof b === "string") return sign * collator.compare(a, b);
  return (typeof b === "number") - (typeof a === "number");
}

function sorted(th) {
  const column = th.firstElementChild?.dataset.sort;
  if (!column) return;
  const order = view.sort === column ? "ascending" : view.sort === `-${column}` ? "descending" : "none";
  if (th.getAttribute("aria-sort") !== order) th.setAttribute("aria-sort", order);
}

function pad(body, height) {
  body.hidden = height === 0;
  body.rows[0].cells[0].style.height = `${height}px`;
}

class RowElement {
  constructor(body) {
    this.cells = Object.fromEntries(CELLS.map((name) => [name, el(name === "label" ? "th" : "td", { class: name, scope: name === "label" && "row" })]));
    this.button = el("button", { type: "button", class: "link" });
    this.cells.label.append(this.button);
    const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
    this.path = document.createElementNS("http://www.w3.org/2000/svg", "path");
    svg.setAttribute("viewBox", "0 0 120 22");
    svg.setAttribute("preserveAspectRatio", "none");
    svg.setAttribute("aria-hidden", "true");
    svg.append(this.path);
    this.cells.spark.append(svg);
    this.tr = el("tr", {}, Object.values(this.cells));
    body.append(this.tr);
  }

  show(row, index, active) {
    this.tr.hidden = !row;
    if (!row) return;
    if (this.row !== row) this.name(row);
    this.tr.setAttribute("aria-rowindex", index + 2);
    this.button.tabIndex = active ? 0 : -1;
    const open = view.series === row.label && view.model === row.model;
    this.tr.classList.toggle("open", open);
    this.button.setAttribute("aria-current", open);
    if (this.time === row.time && this.length === row.spark.length) return;
    this.time = row.time;
    this.length = row.spark.length;
    const unit = isDistribution(row) || row.kind === "summary" ? "" : row.unit;
    setText(this.cells.value, row.stat.busy ? "busy" : quantity(row.value, unit));
    this.cells.value.classList.toggle("text", typeof row.value !== "number");
    setText(this.cells.rate, row.total === null ? "" : row.rate === null ? NONE : rate(row.rate, unit));
    setText(this.cells.p50, isDistribution(row) ? quantity(row.p50, row.unit) : "");
    setText(this.cells.p99, isDistribution(row) ? quantity(row.p99, row.unit) : "");
    this.path.setAttribute("d", sparkline(row.spark));
  }

  name(row) {
    this.row = row;
    this.time = null;
    this.tr.dataset.model = this.button.dataset.model = row.model;
    this.tr.dataset.label = this.button.dataset.label = row.label;
    setText(this.cells.model, row.model);
    setText(this.button, row.label);
    this.button.title = row.label;
  }
}

function sparkline(signals) {
  if (signals.length < 2) return "";
  const low = Math.min(0, ...signals);
  const high = Math.max(low + 1e-12, ...signals);
  const step = 120 / (SPARK - 1);
  const start = 120 - (signals.length - 1) * step;
  return signals.map((signal, i) => `${i ? "L" : "M"}${(start + i * step).toFixed(1)} ${(20 - ((signal - low) / (high - low)) * 18).toFixed(1)}`).join("");
}
