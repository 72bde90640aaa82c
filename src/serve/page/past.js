// The past of the open series: asked from the agent once, then continued with every snapshot.

import * as api from "./api.js";
import { span, view } from "./view.js";

export const HOUR = 3600;
const AHEAD = 300; // seconds of the hour before that are asked for in advance; after them all is asked again

export class Past {
  series = [];
  earlier = [];
  interval = 1;

  constructor(row, onData) {
    Object.assign(this, { row, onData });
    this.load();
  }

  close() {
    this.stopped?.abort();
  }

  load() {
    const [from, to] = span();
    const last = Math.ceil(to - from) + 2;
    this.close();
    this.stopped = new AbortController();
    this.loaded = to;
    return this.work(async () => {
      const [now, earlier] = await Promise.all([
        this.ask({ last, heat: 1, ...((view.from || view.paused) && { until: Math.ceil(to) }) }),
        view.compare && this.ask({ last: last + AHEAD, until: Math.ceil(to - HOUR + AHEAD) }),
      ]);
      this.series = now.series;
      this.interval = now.interval;
      this.earlier = earlier ? earlier.series : [];
      this.earlierInterval = earlier?.interval;
    });
  }

  /** With each snapshot: what came since the last point. */
  tick() {
    if (this.busy || view.from || view.paused) return;
    const [from, to] = span();
    const age = to - this.loaded;
    if (this.error || age > AHEAD || ((this.interval > 1 || !this.series.length) && age > 30)) return this.load();
    if (this.interval > 1 || !this.series.length) return;
    const last = Math.max(...this.series.map(({ points }) => points.at(-1)?.[0] ?? from));
    return this.work(async () => this.append((await this.ask({ last: Math.ceil(to - last) + 2, heat: 1 })).series, from));
  }

  /** One request at a time; a later one of `load` ends those before it. */
  async work(what) {
    const { signal } = this.stopped;
    this.busy = true;
    this.error = await what().catch((error) => error);
    if (signal.aborted) return;
    this.busy = false;
    this.onData();
  }

  append(all, from) {
    for (const one of this.series) {
      const fresh = all.find(({ label }) => label === one.label);
      if (!fresh) continue;
      const last = one.points.at(-1)?.[0] ?? 0;
      const [known, old] = [fresh.points.filter(([time]) => time <= last).length, one.points.filter(([time]) => time < from - 2).length];
      for (const list of ["points", "heat"]) if (one[list]) one[list] = [...one[list].slice(old), ...fresh[list].slice(known)];
    }
  }

  async ask(query) {
    const { model, label, kind } = this.row;
    const answer = await api.past(kind === "compound" ? [label, `${label}.*`] : [label], { ...query, model }, this.stopped.signal);
    // A label may hold the signs of a glob, and match others, too.
    return { ...answer, series: answer.series.filter((one) => one.model === model && (one.label === label || (one.part && one.label === `${label}.${one.part}`))) };
  }
}
