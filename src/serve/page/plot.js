// A plot over time on a canvas: axes, lines, a heat map below them, a cursor that reads the values, drag to zoom.

import { el, setText } from "./dom.js";
import { isBytes, shortTime, time as clock } from "./format.js";
import { logScale, paint } from "./heat.js";
import { go } from "./view.js";

const [LEFT, RIGHT, TOP, BOTTOM] = [66, 8, 10, 22];
const TIMES = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600];

/** A linear axis with round ticks; from zero unless the values are all far from it. */
function linearScale(values, unit) {
  let [low, high] = values.reduce(([a, b], one) => [Math.min(a, one), Math.max(b, one)], [Infinity, -Infinity]);
  if (low > high) [low, high] = [0, 1];
  if (low < (high - low) * 2) low = Math.min(0, low);
  if (high <= Math.max(low, 0)) high = low < 0 ? 0 : low + (low || 1);
  const base = isBytes(unit) ? 2 : 10;
  const raw = (high - low) / 4;
  const power = base ** Math.floor(Math.log(raw) / Math.log(base));
  const step = power * [1, 2, 5, 10].find((part) => part * power > raw * 0.999);
  [low, high] = [Math.floor(low / step), Math.ceil(high / step - 1e-9)];
  const ticks = Array.from({ length: high - low + 1 }, (_, i) => Number(((low + i) * step).toPrecision(12)));
  return { at: (value) => (value / step - low) / (high - low), ticks };
}

export class Plot {
  constructor(heat) {
    this.title = el("b");
    this.readout = el("span.readout");
    this.canvas = el("canvas", { role: "img" });
    this.figure = el("figure", el("figcaption", this.title, heat && el("span.muted", "few", el("span.few"), "many"), this.readout), this.canvas);
    this.canvas.addEventListener("pointermove", (event) => this.point(event));
    this.canvas.addEventListener("pointerleave", () => this.dragged === undefined && this.leave());
    this.canvas.addEventListener("pointerdown", (event) => this.grab(event));
    this.canvas.addEventListener("pointerup", () => this.release());
    this.canvas.addEventListener("pointercancel", () => this.leave());
  }

  /** `{title, span, unit, format, log, heat: {times, heat, interval}, lines: [{name, colour, points, interval, faint}]}` */
  draw(data) {
    this.data = data;
    this.paint();
  }

  paint() {
    const { data, canvas } = this;
    const [width, height, ratio] = [canvas.clientWidth, canvas.clientHeight, devicePixelRatio];
    if (!width) return;
    Object.assign(canvas, { width: width * ratio, height: height * ratio });
    const style = getComputedStyle(canvas);
    const context = canvas.getContext("2d");
    const [from, to] = data.span;
    this.colour = (name) => style.getPropertyValue(`--${name}`);
    this.width = width - LEFT - RIGHT;
    this.x = (at) => LEFT + ((at - from) / (to - from)) * this.width;
    this.y = (share) => height - BOTTOM - share * (height - BOTTOM - TOP);
    context.scale(ratio, ratio);
    context.font = `11px ${style.fontFamily}`;
    const values = data.lines.flatMap(({ points }) => points.filter(([at, value]) => value !== null && at >= from && at <= to).map(([, value]) => value));
    for (const list of data.heat?.heat ?? []) for (const [bound] of list ?? []) values.push(bound, 2 * bound);
    const scale = (data.log ? logScale : linearScale)(values, data.unit);
    this.axes(context, scale);
    context.save();
    context.beginPath();
    context.rect(LEFT, 0, this.width, height);
    context.clip();
    if (data.heat) paint(context, data.heat, data.span, scale, this.x, this.y);
    for (const one of data.lines) this.line(context, scale, one);
    this.mark(context);
    context.restore();
    this.read();
  }

  axes(context, scale) {
    const [from, to] = this.data.span;
    const bottom = this.y(0);
    context.strokeStyle = this.colour("grid");
    context.fillStyle = this.colour("muted");
    context.textBaseline = "middle";
    context.textAlign = "right";
    let last = Infinity;
    for (const tick of scale.ticks) {
      const y = Math.round(this.y(scale.at(tick))) + 0.5;
      if (last - y < 12) continue;
      last = y;
      context.strokeRect(LEFT, y, this.width, 0);
      context.fillText(this.data.format(tick), LEFT - 8, y);
    }
    context.textBaseline = "top";
    context.textAlign = "center";
    const step = TIMES.find((one) => (to - from) / one <= Math.max(2, this.width / 80)) ?? 43200;
    const zone = new Date(from * 1000).getTimezoneOffset() * 60;
    for (let at = Math.ceil((from - zone) / step) * step + zone; at <= to; at += step) {
      context.strokeRect(Math.round(this.x(at)) + 0.5, bottom, 0, 4);
      context.fillText((step < 60 ? clock : shortTime)(at), this.x(at), bottom + 7);
    }
  }

  line(context, scale, { points, colour, faint, interval }) {
    const path = new Path2D();
    let last = -Infinity;
    for (const [at, value] of points) {
      if (value === null) continue;
      const [x, y] = [this.x(at), this.y(scale.at(value))];
      // Where nothing was recorded for a while there is no line; a point alone is a short dash.
      if (at - last > interval * 3.5) path.moveTo(x - 1, y);
      path.lineTo(x, y);
      last = at;
    }
    const stroke = (name, width) => Object.assign(context, { strokeStyle: this.colour(name), lineWidth: width, lineJoin: "round" }).stroke(path);
    // A casing in the colour of the background: a line is readable on every colour of the heat map.
    if (this.data.heat) stroke("card", faint ? 2.5 : 4);
    context.setLineDash(faint ? [3, 4] : []);
    stroke(colour, faint ? 1.25 : 1.75);
    context.setLineDash([]);
  }

  mark(context) {
    if (this.cursor === undefined) return;
    const height = this.y(0) - TOP;
    context.fillStyle = `color-mix(in srgb, ${this.colour("accent")} 25%, transparent)`;
    if (this.dragged !== undefined) context.fillRect(this.dragged, TOP, this.cursor - this.dragged, height);
    context.fillStyle = this.colour("ink");
    context.fillRect(this.cursor, TOP, 1, height);
  }

  /** Says the values at the cursor, else the last ones. */
  read() {
    const { title, span: [from, to], lines, format } = this.data;
    const at = this.cursor === undefined ? to : this.timeAt(this.cursor);
    const values = lines.filter(({ faint }) => !faint).map(({ name, colour, points, interval }) => {
      const found = points.findLast(([when]) => when <= at);
      const value = el("span", `${name} ${format(found && at - found[0] < interval * 4 ? found[1] : null)}`);
      value.style.color = `var(--${colour})`;
      return value;
    });
    this.readout.replaceChildren(this.cursor === undefined ? "" : clock(at), ...values);
    setText(this.title, title + (lines.some(({ faint }) => faint) ? " · dashed: an hour earlier" : ""));
    this.canvas.setAttribute("aria-label", `${title}, from ${clock(from)} to ${clock(to)}. The tables below have the same data.`);
  }

  timeAt(x) {
    const [from, to] = this.data.span;
    return from + ((x - LEFT) / this.width) * (to - from);
  }

  point({ offsetX }) {
    this.cursor = Math.max(LEFT, Math.min(LEFT + this.width, offsetX));
    this.paint();
  }

  grab(event) {
    if (event.button || event.pointerType === "touch") return;
    this.canvas.setPointerCapture(event.pointerId);
    this.point(event);
    this.dragged = this.cursor;
  }

  release() {
    if (this.dragged === undefined) return;
    const [from, to] = [this.dragged, this.cursor].sort((a, b) => a - b).map((x) => Math.round(this.timeAt(x)));
    this.leave();
    if (to - from >= 2) go({ from, to });
  }

  leave() {
    this.cursor = this.dragged = undefined;
    this.paint();
  }
}
