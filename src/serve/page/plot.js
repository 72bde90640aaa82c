// A plot over time on a canvas: axes, lines, a heat map below them, a cursor that reads the values, drag to zoom.

import { el, setText } from "./dom.js";
import { isBytes, shortTime, time as clock } from "./format.js";
import { logScale, paint } from "./heat.js";
import { go } from "./view.js";

const [LEFT, RIGHT, TOP, BOTTOM] = [66, 8, 10, 22];
const TIMES = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600];

/** Makes a linear axis with round ticks, from zero unless all values are far from it. */
function linearScale(values, unit) {
	let [low, high] = values.reduce(([a, b], one) => [Math.min(a, one), Math.max(b, one)], [Infinity, -Infinity]);
	if (low > high) [low, high] = [0, 1];
	if (low === high || low < (high - low) * 2) low = Math.min(0, low);
	if (low >= high) high = low < 0 ? 0 : 1;
	const base = isBytes(unit) ? 2 : 10;
	const raw = (high - low) / 4;
	const power = base ** Math.floor(Math.log(raw) / Math.log(base));
	const step = power * [1, 2, 5, 10].find((part) => part * power > raw * 0.999);
	[low, high] = [Math.floor(low / step), Math.ceil(high / step - 1e-9)];
	const ticks = Array.from({ length: high - low + 1 }, (_, i) => Number(((low + i) * step).toPrecision(12)));
	return { at: (value) => (value / step - low) / (high - low), ticks };
}

export function makePlot(withHeat) {
	const title = el("b");
	const readout = el("span.readout");
	const canvas = el("canvas", { role: "img" });
	const figure = el("figure", el("figcaption", title, withHeat && el("span.muted", "few", el("span.few"), "many"), readout), canvas);
	const context = canvas.getContext("2d");
	const style = getComputedStyle(canvas);
	const colour = (name) => style.getPropertyValue(`--${name}`);
	let data, scale, width, height, cursor, dragged;

	const x = (time) => LEFT + ((time - data.span[0]) / (data.span[1] - data.span[0])) * width;
	const y = (share) => TOP + (1 - share) * height;
	const timeAt = (place) => data.span[0] + ((place - LEFT) / width) * (data.span[1] - data.span[0]);

	/** `{title, span, unit, format, log, zero, heat: {times, heat, interval}, lines: [{name, colour, points, interval, faint}]}` */
	function draw(now = data) {
		data = now;
		const ratio = devicePixelRatio;
		width = canvas.clientWidth - LEFT - RIGHT;
		height = canvas.clientHeight - TOP - BOTTOM;
		if (width <= 0) return;
		Object.assign(canvas, { width: canvas.clientWidth * ratio, height: canvas.clientHeight * ratio });
		context.scale(ratio, ratio);
		context.font = `11px ${style.fontFamily}`;
		const [from, to] = data.span;
		const values = data.lines.flatMap(({ points }) => points.filter(([at]) => at >= from && at <= to).map(([, value]) => value));
		if (data.zero) values.push(0);
		for (const list of data.heat?.heat ?? []) for (const [bound] of list ?? []) values.push(bound, 2 * bound);
		scale = (data.log ? logScale : linearScale)(values, data.unit);
		axes(from, to);
		context.save();
		context.beginPath();
		context.rect(LEFT, 0, width, canvas.clientHeight);
		context.clip();
		if (data.heat) paint(context, data.heat, data.span, scale, x, y);
		data.lines.forEach(line);
		if (cursor) mark();
		context.restore();
		read(from, to);
	}

	function axes(from, to) {
		context.strokeStyle = colour("grid");
		context.fillStyle = colour("muted");
		context.textBaseline = "middle";
		context.textAlign = "right";
		let last = Infinity;
		for (const tick of scale.ticks) {
			const at = Math.round(y(scale.at(tick))) + 0.5;
			if (last - at < 12) continue;
			last = at;
			context.strokeRect(LEFT, at, width, 0);
			context.fillText(data.format(tick), LEFT - 8, at);
		}
		context.textBaseline = "top";
		context.textAlign = "center";
		const step = TIMES.find((one) => (to - from) / one <= Math.max(2, width / 80)) ?? 43200;
		const zone = new Date(from * 1000).getTimezoneOffset() * 60;
		for (let at = Math.ceil((from - zone) / step) * step + zone; at <= to; at += step) {
			context.strokeRect(Math.round(x(at)) + 0.5, y(0), 0, 4);
			context.fillText((step < 60 ? clock : shortTime)(at), x(at), y(0) + 7);
		}
	}

	function line({ points, colour: name, faint, interval }) {
		const path = new Path2D();
		let last = -Infinity;
		for (const [time, value] of points) {
			const [left, top] = [x(time), y(scale.at(value))];
			// No line is drawn where nothing was recorded for a while; a single point is a short dash.
			if (time - last > interval * 3.5) path.moveTo(left - 1, top);
			path.lineTo(left, top);
			last = time;
		}
		const stroke = (strokeStyle, lineWidth) => Object.assign(context, { strokeStyle, lineWidth, lineJoin: "round" }).stroke(path);
		// A casing in the colour of the background makes a line readable on every colour of the heat map.
		if (data.heat) stroke(colour("card"), faint ? 2.5 : 4);
		context.setLineDash(faint ? [3, 4] : []);
		stroke(colour(name), faint ? 1.25 : 1.75);
		context.setLineDash([]);
	}

	function mark() {
		context.fillStyle = `color-mix(in srgb, ${colour("accent")} 25%, transparent)`;
		if (dragged) context.fillRect(dragged, TOP, cursor - dragged, height);
		context.fillStyle = colour("ink");
		context.fillRect(cursor, TOP, 1, height);
	}

	/** Shows the values at the cursor, or the last ones. */
	function read(from, to) {
		const at = cursor ? timeAt(cursor) : to;
		const values = data.lines.filter(({ faint }) => !faint).map((one) => {
			const found = one.points.findLast(([time]) => time <= at);
			const value = el("span", `${one.name} ${data.format(found && at - found[0] < one.interval * 4 ? found[1] : null)}`);
			value.style.color = `var(--${one.colour})`;
			return value;
		});
		readout.replaceChildren(cursor ? clock(at) : "", ...values);
		setText(title, data.title + (data.lines.some(({ faint, points }) => faint && points.length) ? " · dashed: an hour earlier" : ""));
		canvas.setAttribute("aria-label", `${data.title}, from ${clock(from)} to ${clock(to)}. The table below has the same data.`);
	}

	function leave() {
		cursor = dragged = 0;
		draw();
	}

	canvas.onpointermove = ({ offsetX }) => {
		cursor = Math.max(LEFT, Math.min(LEFT + width, offsetX));
		draw();
	};
	canvas.onpointerdown = (event) => {
		if (event.button || event.pointerType === "touch") return;
		canvas.setPointerCapture(event.pointerId);
		dragged = cursor;
	};
	canvas.onpointerup = () => {
		const [from, to] = [dragged, cursor].sort((a, b) => a - b).map((place) => Math.round(timeAt(place)));
		const zoomed = dragged && to - from >= 2;
		leave();
		if (zoomed) go({ from, to });
	};
	canvas.onpointercancel = leave;
	canvas.onpointerleave = () => dragged || leave();
	return { figure, canvas, title, colour, draw };
}
