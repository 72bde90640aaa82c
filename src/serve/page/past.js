// The past of the open series: asked from the agent once, then continued point by point.

import * as api from "./api.js";
import { span, view } from "./view.js";

const HOUR = 3600;
const AHEAD = 300; // how much more of the hour before is asked for, so that it lasts a while

export class Past {
  constructor(row, onData) {
    this.row = row;
    this.onData = onData;
    this.series = [];
    this.earlier = [];
    this.interval = 1;
    this.load();
  }

  close() {
    this.stopped?.abort();
  }

  async load() {
    this.stopped?.abort();
    const { signal } = (this.stopped = new AbortController());
    const [from, to] = span();
    const last = Math.ceil(to - from) + 2;
    this.loaded = to;
    this.busy = true;
    try {
      const [now, earlier] = await Promise.all([
        this.ask({ last, heat: 1, ...(view.from || view.paused ? { until: Math.ceil(to) } : {}) }, signal),
        view.compare ? this.ask({ last: last + AHEAD, until: Math.ceil(to - HOUR + AHEAD) }, signal) : null,
      ]);
      this.series = now.series;
      this.interval = now.interval || 1;
      this.earlier = earlier?.series ?? [];
      this.error = null;
    } catch (error) {
      if (signal.aborted) return;
      this.error = error;
    }
    this.busy = false;
    this.onData();
  }

  /** With each snapshot: what came since the last point. */
  async tick() {
    if (this.busy || view.from || view.paused) return;
    const [from, to] = span();
    if (this.error || this.series.length === 0 || to - this.loaded > (this.interval > 1 ? 30 : AHEAD)) return this.load();
    const { signal } = this.stopped;
    this.busy = true;
    try {
      const last = Math.max(...this.series.map(({ points }) => points.at(-1)?.[0] ?? from));
      if (this.interval === 1) this.append(await this.ask({ last: Math.ceil(to - last) + 2, heat: 1 }, signal), from);
    } catch {
      // The stream says that the agent is gone; the next snapshot after it comes here again.
    }
    if (signal.aborted) return;
    this.busy = false;
    this.onData();
  }

  append({ series }, from) {
    for (const fresh of series) {
      const one = this.series.find(({ label, part }) => label === fresh.label && part === fresh.part);
      if (!one) continue;
      const last = one.points.at(-1)?.[0] ?? 0;
      const start = fresh.points.findIndex(([time]) => time > last);
      if (start >= 0) {
        one.points.push(...fresh.points.slice(start));
        one.heat?.push(...(fresh.heat ?? []).slice(start));
      }
      const old = one.points.findIndex(([time]) => time >= from - 2);
      one.points.splice(0, old);
      one.heat?.splice(0, old);
    }
  }

  async ask(query, signal) {
    const { model, label, kind } = this.row;
    const globs = kind === "compound" ? [label, `${label}.*`] : [label];
    const answer = await api.past(globs, { ...query, model }, signal);
    // A label may hold the signs of a glob, and then matches others, too.
    const mine = (one) => one.model === model && (one.label === label || (one.part && one.label === `${label}.${one.part}`));
    return { ...answer, series: answer.series.filter(mine) };
  }
}
