// Heat maps: how many values fell into each octave, over time. Colour-blind people can read Cividis. The counts are
// logarithmic, and where nothing was recorded the background shows.

import { isBytes } from "./format.js";

const CIVIDIS = ["00224e", "123570", "3b496c", "575d6d", "707173", "8a8678", "a59c74", "c3b369", "e1cc55", "fee838"]
  .map((hex) => [0, 2, 4].map((at) => parseInt(hex.slice(at, at + 2), 16)));
const CELL = 4; // pixels: the narrowest column

/** The colour of a share from 0 to 1. */
function cividis(share) {
  const at = share * (CIVIDIS.length - 1);
  const [low, high] = [CIVIDIS[Math.floor(at)], CIVIDIS[Math.ceil(at)]];
  return `rgb(${low.map((value, i) => Math.round(value + (high[i] - value) * (at % 1)))})`;
}

/** The ends of an octave by its bound as the agent gives it: `[low, 2·low)`, below zero mirrored. */
export const octave = (low) => (low < 0 ? [2 * low, low] : [low, 2 * low]);

/** A logarithmic axis for any numbers: negative ones, one band for zeros, positive ones. `at` is from 0 to 1. */
export function logScale(values, unit) {
  const sizes = [values.filter((value) => value < 0).map((value) => -value), values.filter((value) => value > 0)];
  const [[least, most], [low, high]] = sizes.map((all) => (all.length ? all.reduce(([a, b], one) => [Math.min(a, one), Math.max(b, one)], [Infinity, 0]) : [1, 1]));
  const [below, zero, above] = [Math.log2(most / least), Number(values.includes(0)), Math.log2(high / low)];
  const all = below + zero + above || 1;
  const at = (value) => (below + (value < 0 ? -Math.log2(-value / least) : value > 0 ? zero + Math.log2(value / low) : zero / 2)) / all;
  const ticks = [...powers(least, most, unit).map((tick) => -tick), ...(zero ? [0] : []), ...powers(low, high, unit)];
  return { at, ticks, ends: (bound) => (bound ? octave(bound).map(at) : [below / all, (below + zero) / all]) };
}

/** Round numbers, about five, on a logarithmic axis. */
function powers(low, high, unit) {
  if (low === high) return [];
  const base = isBytes(unit) ? 2 : 10;
  const [start, end] = [low, high].map((value) => Math.log(value) / Math.log(base));
  const step = Math.ceil((end - start) / 6) || 1;
  const parts = base === 2 || end - start > 2.5 ? [1] : end - start > 1.2 ? [1, 3] : [1, 2, 5];
  const ticks = [];
  for (let power = Math.floor(start / step) * step; power <= end; power += step) ticks.push(...parts.map((part) => part * base ** power));
  return ticks.filter((tick) => tick > low * 0.999 && tick < high * 1.001);
}

/** Adds up the counts by columns of time, at most so many: `[{start, end, counts: Map(bound → count)}]`. */
export function columns({ times, heat, interval }, from, to, most) {
  const width = interval * Math.max(1, Math.ceil((to - from) / interval / most));
  const found = new Map();
  times.forEach((time, i) => {
    if (time < from || time > to + interval || !heat[i]?.length) return;
    const end = Math.ceil(time / width) * width;
    if (!found.has(end)) found.set(end, { start: end - width, end, counts: new Map() });
    const { counts } = found.get(end);
    for (const [bound, count] of heat[i]) counts.set(bound, (counts.get(bound) ?? 0) + count);
  });
  return [...found.values()];
}

/** Paints a heat map; `x` and `y` turn a time and a share of the axis into pixels. */
export function paint(context, data, [from, to], scale, x, y) {
  const cells = columns(data, from, to, Math.max(1, Math.floor((x(to) - x(from)) / CELL)));
  const most = Math.log1p(Math.max(1, ...cells.map(({ counts }) => Math.max(...counts.values()))));
  for (const { start, end, counts } of cells) {
    const left = Math.floor(Math.max(x(from), x(start)));
    const width = Math.ceil(Math.min(x(to), x(end))) - left;
    for (const [bound, count] of counts) {
      const [bottom, top] = scale.ends(bound).map(y);
      context.fillStyle = cividis(Math.log1p(count) / most);
      context.fillRect(left, Math.floor(top), width, Math.max(1, Math.ceil(bottom) - Math.floor(top)));
    }
  }
}
