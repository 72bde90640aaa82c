// The table of series. Only the rows on the screen are elements, so that 10,000 series cost no more than 60; empty rows
// take the space of the others. The elements are reused: each shows whichever series is at its place now.

import * as api from "./api.js";
import { $, setText } from "./dom.js";
import { number, quantity, rate } from "./format.js";
import { SPARK } from "./store.js";
import { go, view } from "./view.js";

const STEP = 16; // rows by which the window moves, and that are ready above and below it
const NUMBERS = /value|rate|p50|p99/;
const collator = new Intl.Collator("en", { numeric: true });

/** Whether a text matches a glob of `*` and `?`; the time that it takes is bounded whatever they are. */
function globMatches(glob, text) {
  let [g, t, star, mark] = [0, 0, -1, 0];
  while (t < text.length) {
    if (glob[g] === "*") [star, mark, g] = [g, t, g + 1];
    else if (glob[g] === "?" || glob[g] === text[t]) [g, t] = [g + 1, t + 1];
    else if (star >= 0) [g, t, mark] = [star + 1, mark + 1, mark + 1];
    else return false;
  }
  return /^\**$/.test(glob.slice(g));
}

/** The filter: with `*` or `?` a glob for the label, else words that the model and the label contain. */
function matcher(filter) {
  const text = filter.trim().toLowerCase();
  if (/[*?]/.test(text)) return (row) => globMatches(text, row.label.toLowerCase());
  const words = text.split(/\s+/);
  return (row) => words.every((word) => row.text.includes(word));
}

/** Numbers before texts, and what does not exist last, in both directions. */
function compare(a, b, sign) {
  if (typeof a === "number" && typeof b === "number") return sign * (a - b);
  if (typeof a === "string" && typeof b === "string") return sign * collator.compare(a, b);
  const rank = (value) => (typeof value === "number" ? 0 : value === null ? 2 : 1);
  return rank(a) - rank(b);
}

export class Table {
  list = [];
  slots = [];
  active = 0;
  first = 0;

  constructor(store) {
    this.store = store;
    [this.before, this.body, this.after] = $("series").tBodies;
    [this.head] = $("series").tHead.rows;
    this.height = parseFloat(getComputedStyle(document.body).getPropertyValue("--row"));
    this.body.addEventListener("keydown", (event) => this.onKey(event));
    this.head.addEventListener("click", ({ target }) => target.matches("button") && this.sortBy(target.parentNode.className));
    addEventListener("scroll", () => this.draw(), { passive: true });
    addEventListener("resize", () => this.draw());
  }

  sortBy(column) {
    const choices = NUMBERS.test(column) ? [`-${column}`, column] : [column, `-${column}`];
    go({ sort: choices[view.sort === choices[0] ? 1 : 0] });
  }

  /** After a snapshot. Under the pointer or the focus rows stay where they are, whatever their values do. */
  tick() {
    const held = this.body.matches(":hover") || this.body.contains(document.activeElement);
    if (this.generation !== this.store.generation || (NUMBERS.test(view.sort) && !held)) this.arrange();
    else this.draw();
  }

  /** Filters and sorts anew. */
  arrange() {
    if (this.generation !== this.store.generation) {
      this.generation = this.store.generation;
      this.all = [...this.store.rows.values()].sort((a, b) => collator.compare(a.label, b.label));
    }
    this.list = this.all.filter(matcher(view.q));
    const [column, sign] = view.sort[0] === "-" ? [view.sort.slice(1), -1] : [view.sort, 1];
    if (view.sort !== "label") this.list.sort((a, b) => compare(a[column], b[column], sign));
    this.active = Math.max(0, Math.min(this.active, this.list.length - 1));
    for (const th of this.head.cells) {
      if (th.firstElementChild) th.setAttribute("aria-sort", th.className !== column ? "none" : sign > 0 ? "ascending" : "descending");
    }
    const [found, all] = [this.list.length, this.store.rows.size];
    setText($("count"), `${found < all ? `${number(found)} of ` : ""}${number(all)} series`);
    setText($("empty"), found ? "" : all ? "No series matches the filter." : "No series yet. They appear as soon as a program keeps statistics here.");
    $("series").setAttribute("aria-rowcount", found + 1);
    this.draw();
  }

  /** Where the first row is on the screen, or would be. */
  get top() {
    return $("series").getBoundingClientRect().top + this.head.offsetHeight;
  }

  draw() {
    const most = Math.ceil(innerHeight / this.height) + 2 * STEP;
    const above = Math.floor(-this.top / this.height / STEP) * STEP - STEP / 2;
    const first = Math.max(0, Math.min(above, this.list.length - most));
    const rows = this.list.slice(first, first + most);
    const focused = this.slots.findIndex(({ button }) => button === document.activeElement);
    while (this.slots.length < rows.length) this.slots.push(new Slot(this.body));
    this.slots.forEach((slot, i) => slot.show(rows[i], first + i, first + i === this.active));
    pad(this.before, first * this.height);
    pad(this.after, (this.list.length - first - rows.length) * this.height);
    // The focus stays with its row when the rows move through the elements.
    if (focused >= 0 && this.first !== first) this.slots[this.first + focused - first]?.button.focus({ preventScroll: true });
    this.first = first;
    clearTimeout(this.asking);
    this.asking = setTimeout(() => this.ask(rows), 100);
  }

  /** Asks for the last minute of the rows on the screen, some labels at a time: an address has its limits. */
  ask(rows) {
    const wanted = rows.filter((row) => !row.asked && row.spark.length && row.spark.length < SPARK && row.label.length < 200);
    for (const row of wanted) row.asked = true;
    while (wanted.length) {
      const labels = wanted.splice(0, 25).map(({ label }) => label);
      // Without the past the sparklines fill by themselves: no reason to disturb anybody.
      api.past(labels, { last: SPARK }).then(({ series }) => this.seed(series), () => {});
    }
  }

  seed(all) {
    for (const { model, label, columns, points } of all) {
      const row = this.store.get(model, label);
      if (!row?.asked || row.seeded) continue;
      row.seeded = true;
      const column = columns.indexOf(row.grows ? "rate" : "value");
      row.seed(points.map((point) => [point[0], point[column]]));
    }
    this.draw();
  }

  onKey(event) {
    const page = Math.floor(innerHeight / this.height) - 3;
    const by = { ArrowDown: 1, ArrowUp: -1, PageDown: page, PageUp: -page, Home: -Infinity, End: Infinity }[event.key];
    if (!by) return;
    event.preventDefault();
    this.focus(Math.max(0, Math.min(this.list.length - 1, this.active + by)));
  }

  /** Moves the focus to a row, and scrolls as far as that takes. */
  focus(index) {
    this.active = Math.max(0, index);
    const y = this.top + index * this.height;
    const [low, high] = [this.head.offsetHeight, innerHeight - 2 * this.height];
    if (y < low || y > high) scrollBy(0, y - Math.max(low, Math.min(high, y)));
    this.draw();
    this.slots[index - this.first]?.button.focus({ preventScroll: true });
  }
}

function pad(body, height) {
  body.hidden = height <= 0;
  body.rows[0].cells[0].style.height = `${height}px`;
}

/** A row element. */
class Slot {
  constructor(body) {
    this.tr = $("row").content.firstElementChild.cloneNode(true);
    [this.model, this.label, this.value, this.rate, this.p50, this.p99] = this.tr.cells;
    this.button = this.label.firstElementChild;
    this.path = this.tr.querySelector("path");
    body.append(this.tr);
  }

  show(row, index, active) {
    this.tr.hidden = !row;
    if (!row) return;
    const open = view.series === row.label && view.model === row.model;
    this.tr.setAttribute("aria-rowindex", index + 2);
    this.tr.classList.toggle("open", open);
    this.button.setAttribute("aria-current", open);
    this.button.tabIndex = active ? 0 : -1;
    if (this.row === row && this.time === row.time && this.seeded === row.seeded) return;
    Object.assign(this, { row, time: row.time, seeded: row.seeded });
    Object.assign(this.tr.dataset, { model: row.model, label: row.label });
    setText(this.model, row.model);
    setText(this.button, row.label);
    this.button.title = row.label;
    setText(this.value, row.stat.busy ? "busy" : quantity(row.value, row.valueUnit));
    this.value.classList.toggle("text", typeof row.value !== "number");
    setText(this.rate, row.grows ? rate(row.rate, row.valueUnit) : "");
    setText(this.p50, row.spreads ? quantity(row.p50, row.unit) : "");
    setText(this.p99, row.spreads ? quantity(row.p99, row.unit) : "");
    const [low, high] = [Math.min(0, ...row.spark), Math.max(1e-12, ...row.spark)];
    const points = row.spark.map((one, i) => `${(i + SPARK - row.spark.length) * 2} ${(20 - ((one - low) / (high - low)) * 18).toFixed(1)}`);
    this.path.setAttribute("d", points.length > 1 ? `M${points.join("L")}` : "");
  }
}
