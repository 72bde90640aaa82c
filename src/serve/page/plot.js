// A plot over time on a canvas: axes, lines, a heat map below them, a cursor that reads the values, drag to zoom.

import { el, setText } from "./dom.js";
import { isBytes, NONE, shortTime, time as clock } from "./format.js";
import { logScale, paint } from "./heat.js";

const MARGIN = { left: 66, right: 42, top: 10, bottom: 22 };
const STEPS = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600];

/** A linear axis with round ticks; from zero unless the values are all far from it. */
function linearScale(values, unit, fromZero) {
  let [low, high] = [Infinity, -Infinity];
  for (const value of values) [low, high] = [Math.min(low, value), Math.max(high, value)];
  if (low > high) [low, high] = [0, 1];
  if (fromZero || low < (high - low) * 2) low = Math.min(0, low);
  if (low === high) high = low + (Math.abs(low) || 1);
  const raw = (high - low) / 4;
  const base = isBytes(unit) ? 2 : 10;
  const power = base ** Math.floor(Math.log(raw) / Math.log(base) + 1e-9);
  const step = (base === 2 ? [1, 2] : [1, 2, 5, 10]).find((part) => part * power >= raw * 0.999) * power;
  [low, high] = [Math.floor(low / step + 1e-9) * step, Math.ceil(high / step - 1e-9) * step];
  const ticks = Array.from({ length: Math.round((high - low) / step) + 1 }, (_, i) => Number((low + i * step).toPrecision(12)));
  return { at: (value) => (value - low) / (high - low), ticks };
}

export class Plot {
  /** `onZoom(from, to)` when a span was dragged. */
  constructor(onZoom, legend) {
    this.title = el("span", { class: "title" });
    this.readout = el("span", { class: "readout" });
    this.canvas = el("canvas", { role: "img" });
    this.figure = el("figure", {}, el("figcaption", {}, this.title, legend && el("span", { class: "muted" }, "few", el("span", { class: "few" }), "many"), this.readout), this.canvas);
    this.onZoom = onZoom;
    this.canvas.addEventListener("pointermove", (event) => this.point(event));
    this.canvas.addEventListener("pointerleave", () => this.dragged === undefined && this.leave());
    this.canvas.addEventListener("pointerdown", (event) => this.grab(event));
    this.canvas.addEventListener("pointerup", () => this.release());
    this.canvas.addEventListener("pointercancel", () => this.leave());
  }

  /**
   * `{title, from, to, interval, unit, lines: [{name, colour, points: [[time, value]], faint}], heat, log, fromZero, format}`
   */
  draw(data) {
    this.data = data;
    setText(this.title, data.title);
    this.paint();
  }

  paint() {
    const { data, canvas } = this;
    const ratio = devicePixelRatio || 1;
    [this.width, this.height] = [canvas.clientWidth, canvas.clientHeight];
    if (!this.width || !data) return;
    [canvas.width, canvas.height] = [Math.round(this.width * ratio), Math.round(this.height * ratio)];
    const style = getComputedStyle(canvas);
    this.colour = (name) => style.getPropertyValue(`--${name}`);
    const context = (this.context = canvas.getContext("2d"));
    context.scale(ratio, ratio);
    context.font = `11px ${style.fontFamily}`;
    const values = data.lines.flatMap(({ points }) => points.filter(([at, value]) => value !== null && at >= data.from).map(([, value]) => value));
    if (data.heat) for (const list of data.heat.heat) for (const [low] of list ?? []) values.push(low, 2 * low);
    const scale = data.log ? logScale(values, data.unit) : linearScale(values, data.unit, data.fromZero);
    const bottom = this.height - MARGIN.bottom;
    this.x = (at) => MARGIN.left + ((at - data.from) / (data.to - data.from)) * (this.width - MARGIN.left - MARGIN.right);
    this.y = (share) => bottom - share * (bottom - MARGIN.top);
    this.axes(context, scale);
    if (data.heat) paint(context, { ...data.heat, from: data.from, to: data.to, interval: data.interval }, scale, this.x, this.y);
    this.lines(context, scale);
    this.overlay(context);
    this.read();
  }

  axes(context, scale) {
    const { data, width } = this;
    context.strokeStyle = this.colour("grid");
    context.fillStyle = this.colour("muted");
    context.lineWidth = 1;
    context.textBaseline = "middle";
    context.textAlign = "right";
    for (const tick of scale.ticks) {
      const y = Math.round(this.y(scale.at(tick))) + 0.5;
      line(context, MARGIN.left, y, width - MARGIN.right, y);
      context.fillText(data.format(tick), MARGIN.left - 8, y);
    }
    context.textBaseline = "top";
    context.textAlign = "center";
    const room = Math.max(2, (width - MARGIN.left - MARGIN.right) / 80);
    const step = STEPS.find((one) => (data.to - data.from) / one <= room) ?? 43200;
    const shift = new Date(data.from * 1000).getTimezoneOffset() * 60;
    for (let at = Math.ceil((data.from - shift) / step) * step + shift; at <= data.to; at += step) {
      const x = Math.round(this.x(at)) + 0.5;
      line(context, x, this.y(0), x, this.y(0) + 4);
      context.fillText(step < 60 ? clock(at) : shortTime(at), x, this.y(0) + 7);
    }
  }

  lines(context, scale) {
    const { data } = this;
    context.save();
    context.beginPath();
    context.rect(MARGIN.left, 0, this.width - MARGIN.left - MARGIN.right, this.height);
    context.clip();
    context.lineJoin = "round";
    for (const one of data.lines) {
      const path = new Path2D();
      let last = null;
      for (const [at, value] of one.points) {
        if (value === null) continue;
        const [x, y] = [this.x(at), this.y(scale.at(value))];
        // Where nothing was recorded for a while there is no line; a point alone is a short dash.
        if (last !== null && at - last <= data.interval * 3.5) path.lineTo(x, y);
        else {
          path.moveTo(x - 1, y);
          path.lineTo(x, y);
        }
        last = at;
      }
      context.setLineDash(one.faint ? [4, 4] : []);
      // A casing in the colour of the background keeps a line readable on every colour of the heat map.
      if (data.heat && !one.faint) stroke(context, path, this.colour("card"), 4);
      context.globalAlpha = one.faint ? 0.6 : 1;
      stroke(context, path, this.colour(one.colour), one.faint ? 1.25 : 1.75);
      context.globalAlpha = 1;
    }
    context.restore();
    this.names(context, scale);
  }

  /** The names at the ends of the lines, moved apart where they would lie on each other. */
  names(context, scale) {
    if (this.data.lines.filter(({ faint }) => !faint).length < 2) return;
    const ends = this.data.lines.filter(({ faint }) => !faint)
      .map((one) => ({ one, last: one.points.findLast(([, value]) => value !== null) }))
      .filter(({ last }) => last)
      .map(({ one, last }) => ({ one, y: this.y(scale.at(last[1])) }))
      .sort((a, b) => b.y - a.y);
    context.textAlign = "left";
    context.textBaseline = "middle";
    let above = Infinity;
    for (const { one, y } of ends) {
      above = Math.min(y, above - 12);
      context.fillStyle = this.colour(one.colour);
      context.fillText(one.name, this.width - MARGIN.right + 6, above);
    }
  }

  overlay(context) {
    if (this.cursor === undefined) return;
    const top = MARGIN.top;
    const height = this.y(0) - top;
    if (this.dragged !== undefined) {
      context.fillStyle = this.colour("accent");
      context.globalAlpha = 0.2;
      context.fillRect(Math.min(this.dragged, this.cursor), top, Math.abs(this.cursor - this.dragged), height);
      context.globalAlpha = 1;
    }
    context.strokeStyle = this.colour("ink");
    context.setLineDash([2, 2]);
    line(context, this.cursor + 0.5, top, this.cursor + 0.5, top + height);
    context.setLineDash([]);
  }

  /** Says the values at the cursor, else the last ones. */
  read() {
    const { data } = this;
    const at = this.cursor === undefined ? data.to : this.timeAt(this.cursor);
    const values = data.lines.map((one) => `${one.name} ${data.format(nearest(one.points, at, data.interval * 3))}`);
    setText(this.readout, `${this.cursor === undefined ? "now" : clock(at)}   ${values.join("   ")}`);
    this.canvas.setAttribute("aria-label", `${data.title}, from ${clock(data.from)} to ${clock(data.to)}. The table below has the same data.`);
  }

  timeAt(x) {
    const { from, to } = this.data;
    return from + ((x - MARGIN.left) / (this.width - MARGIN.left - MARGIN.right)) * (to - from);
  }

  point(event) {
    this.cursor = Math.round(Math.max(MARGIN.left, Math.min(this.width - MARGIN.right, event.offsetX)));
    this.paint();
  }

  grab(event) {
    if (event.button !== 0 || event.pointerType === "touch") return;
    this.canvas.setPointerCapture(event.pointerId);
    this.point(event);
    this.dragged = this.cursor;
  }

  release() {
    if (this.dragged === undefined) return;
    const ends = [this.timeAt(this.dragged), this.timeAt(this.cursor)].sort((a, b) => a - b).map(Math.round);
    const far = Math.abs(this.cursor - this.dragged) > 6 && ends[1] - ends[0] >= 2;
    this.leave();
    if (far) this.onZoom(...ends);
  }

  leave() {
    this.cursor = this.dragged = undefined;
    this.paint();
  }
}

function line(context, x1, y1, x2, y2) {
  context.beginPath();
  context.moveTo(x1, y1);
  context.lineTo(x2, y2);
  context.stroke();
}

function stroke(context, path, colour, width) {
  context.strokeStyle = colour;
  context.lineWidth = width;
  context.stroke(path);
}

/** The last value that is not after a time and no further from it than `reach`. */
function nearest(points, at, reach) {
  const found = points.findLast(([when]) => when <= at + reach / 6);
  return found && at - found[0] <= reach ? found[1] : null;
}
