// Heat maps: how many values fell into each octave, over time. Cividis can be read by colour-blind people and in
// print; the counts are logarithmic, and where nothing was recorded the background shows.

import { isBytes } from "./format.js";

const STOPS = ["00224e", "123570", "3b496c", "575d6d", "707173", "8a8678", "a59c74", "c3b369", "e1cc55", "fee838"]
  .map((hex) => [0, 2, 4].map((at) => parseInt(hex.slice(at, at + 2), 16)));
const CELL = 4; // pixels: the narrowest column

const COLOURS = Array.from({ length: 64 }, (_, i) => {
  const at = (i / 63) * (STOPS.length - 1);
  const [low, part] = [Math.min(Math.floor(at), STOPS.length - 2), at - Math.min(Math.floor(at), STOPS.length - 2)];
  return `rgb(${STOPS[low].map((value, c) => Math.round(value + (STOPS[low + 1][c] - value) * part)).join()})`;
});

/** The colour of a share from 0 to 1. */
export const cividis = (share) => COLOURS[Math.round(Math.max(0, Math.min(1, share)) * 63)];

/** The ends of an octave by its lower bound as the agent gives it: `[low, 2·low)`, mirrored below zero. */
export const octave = (low) => (low < 0 ? [2 * low, low] : [low, 2 * low]);

/** A logarithmic axis for any numbers: negatives, one band for zeros, positives. `at` is from 0 (low) to 1. */
export function logScale(values, unit) {
  let [low, high, least, most, zero] = [Infinity, 0, Infinity, 0, 0];
  for (const value of values) {
    if (value > 0) [low, high] = [Math.min(low, value), Math.max(high, value)];
    else if (value < 0) [least, most] = [Math.min(least, -value), Math.max(most, -value)];
    else if (value === 0) zero = 1;
  }
  const below = most ? Math.max(0.5, Math.log2(most / least)) : 0;
  const above = high ? Math.max(0.5, Math.log2(high / low)) : 0;
  const all = below + zero + above || 1;
  const at = (value) => {
    if (value > 0) return (below + zero + Math.log2(value / low)) / all;
    if (value < 0) return (below - Math.log2(-value / least)) / all;
    return (below + zero / 2) / all;
  };
  const ticks = [...powers(least, most, unit).map((tick) => -tick), ...(zero ? [0] : []), ...powers(low, high, unit)];
  return { at, ticks, ends: (from) => (from === 0 ? [below / all, (below + zero) / all] : octave(from).map(at)) };
}

/** Round numbers on a logarithmic axis, about five. */
function powers(low, high, unit) {
  if (!(high > low)) return high ? [high] : [];
  const base = isBytes(unit) ? 2 : 10;
  const log = (value) => Math.log(value) / Math.log(base);
  const span = log(high) - log(low);
  const step = Math.max(1, Math.ceil(span / 6));
  const parts = base === 10 && span < 1.2 ? [1, 2, 5] : base === 10 && span < 2.5 ? [1, 3] : [1];
  const ticks = [];
  for (let power = Math.floor(log(low) / step) * step; power <= log(high); power += step) {
    for (const part of parts) ticks.push(part * base ** power);
  }
  return ticks.filter((tick) => tick >= low * 0.999 && tick <= high * 1.001);
}

/** Adds up octave counts by columns of time: `[{from, to, counts: Map(low → count)}]`. */
export function columns(times, heat, interval, from, to, most) {
  const width = interval * Math.max(1, Math.ceil((to - from) / interval / most));
  const found = new Map();
  times.forEach((time, i) => {
    if (time < from || time > to + interval || !heat[i]?.length) return;
    const index = Math.ceil(time / width);
    if (!found.has(index)) found.set(index, { from: (index - 1) * width, to: index * width, counts: new Map() });
    const { counts } = found.get(index);
    for (const [low, count] of heat[i]) counts.set(low, (counts.get(low) ?? 0) + count);
  });
  return [...found.values()].sort((a, b) => a.from - b.from);
}

/** Paints a heat map; `x` and `y` turn a time and a share of the axis into pixels. */
export function paint(context, { times, heat, interval, from, to }, scale, x, y) {
  const cells = columns(times, heat, interval, from, to, Math.max(1, Math.floor((x(to) - x(from)) / CELL)));
  const most = Math.max(1, ...cells.map(({ counts }) => Math.max(...counts.values())));
  for (const cell of cells) {
    const left = Math.floor(Math.max(x(from), x(cell.from)));
    const right = Math.ceil(Math.min(x(to), x(cell.to)));
    for (const [low, count] of cell.counts) {
      const [bottom, top] = scale.ends(low).map(y);
      context.fillStyle = cividis(Math.log1p(count) / Math.log1p(most));
      context.fillRect(left, Math.floor(top), right - left, Math.max(1, Math.ceil(bottom) - Math.floor(top)));
    }
  }
}
