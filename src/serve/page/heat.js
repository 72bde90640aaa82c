// Heat maps: how many values fell into each octave, over time. Colour-blind people can read Cividis. The colours
// show the logarithm of the counts. Where nothing was recorded, the background is visible.

import { isBytes } from "./format.js";

const CIVIDIS = ["00224e", "123570", "3b496c", "575d6d", "707173", "8a8678", "a59c74", "c3b369", "e1cc55", "fee838"]
	.map((hex) => [0, 2, 4].map((at) => parseInt(hex.slice(at, at + 2), 16)));
const CELL = 4; // pixels: the narrowest column

function cividis(share) {
	const at = share * (CIVIDIS.length - 1);
	const [low, high] = [CIVIDIS[Math.floor(at)], CIVIDIS[Math.ceil(at)]];
	return `rgb(${low.map((value, i) => Math.round(value + (high[i] - value) * (at % 1)))})`;
}

/** Returns the ends of an octave from its bound in the agent's answer: `[low, 2·low)`, mirrored below zero. */
export const octave = (low) => (low < 0 ? [2 * low, low] : [low, 2 * low]);

/** Adds up lists of `[bound, count]`. */
export function add(lists = []) {
	const counts = new Map();
	for (const list of lists) for (const [bound, count] of list ?? []) counts.set(bound, (counts.get(bound) ?? 0) + count);
	return counts;
}

/** Makes a logarithmic axis for any numbers: negative ones, one band for zeros, positive ones. `at` is from 0 to 1. */
export function logScale(values, unit) {
	const ends = (sizes) => sizes.reduce(([a, b], one) => [Math.min(a, one), Math.max(b, one)], [sizes[0] ?? 1, sizes[0] ?? 1]);
	const [least, most] = ends(values.filter((value) => value < 0).map((value) => -value));
	const [low, high] = ends(values.filter((value) => value > 0));
	const [below, zero, above] = [Math.log2(most / least), Number(values.includes(0)), Math.log2(high / low)];
	const all = below + zero + above || 1;
	const at = (value) => (below + (value < 0 ? -Math.log2(-value / least) : value > 0 ? zero + Math.log2(value / low) : zero / 2)) / all;
	const ticks = [...powers(least, most, unit).map((tick) => -tick), ...(zero ? [0] : []), ...powers(low, high, unit)];
	return { at, ticks, ends: (bound) => (bound ? octave(bound).map(at) : [below / all, (below + zero) / all]) };
}

/** Returns about five round numbers on a logarithmic axis. */
function powers(low, high, unit) {
	if (low === high) return [];
	const base = isBytes(unit) ? 2 : 10;
	const [start, end] = [low, high].map((value) => Math.log(value) / Math.log(base));
	const step = Math.ceil((end - start) / 6);
	const parts = base === 2 || end - start > 2.5 ? [1] : end - start > 1.2 ? [1, 3] : [1, 2, 5];
	const ticks = [];
	for (let power = Math.floor(start / step) * step; power <= end; power += step) ticks.push(...parts.map((part) => part * base ** power));
	return ticks.filter((tick) => tick > low * 0.999 && tick < high * 1.001);
}

/** Paints a heat map; `x` and `y` convert a time and a share of the axis to pixels. */
export function paint(context, { times, heat, interval }, [from, to], scale, x, y) {
	const width = interval * Math.max(1, Math.ceil(((to - from) / interval / (x(to) - x(from))) * CELL));
	const lists = new Map();
	times.forEach((time, i) => {
		const end = Math.ceil(time / width) * width;
		if (time >= from && time < to + interval) lists.set(end, [...(lists.get(end) ?? []), heat[i]]);
	});
	const columns = [...lists].map(([end, all]) => [end, add(all)]);
	const most = Math.log1p(Math.max(1, ...columns.flatMap(([, counts]) => [...counts.values()])));
	for (const [end, counts] of columns) {
		const left = Math.floor(x(end - width));
		for (const [bound, count] of counts) {
			const [bottom, top] = scale.ends(bound).map(y);
			context.fillStyle = cividis(Math.log1p(count) / most);
			context.fillRect(left, Math.floor(top), Math.ceil(x(end)) - left, Math.max(1, Math.ceil(bottom) - Math.floor(top)));
		}
	}
}
