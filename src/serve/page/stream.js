// The stream of snapshots. A browser allows an origin six connections, so the tabs share one: the tab that has the
// lock is the leader, opens the stream and passes each snapshot on over a BroadcastChannel. A hidden or paused tab
// takes no part; where there are no locks (plain HTTP from another machine) each visible tab has its own stream.

const NAME = `mmstats ${location.pathname}`;
const RETRY = [500, 1000, 2000, 5000];
const SILENCE = 4000;

export class Stream {
  /** `onSnapshot(object)` for each snapshot; `onState("connecting" | "live" | "lost")`. */
  constructor(onSnapshot, onState) {
    this.onSnapshot = onSnapshot;
    this.onState = onState;
    this.wanted = false;
    this.channel = "BroadcastChannel" in window ? new BroadcastChannel(NAME) : null;
    // A follower takes the text as it came: each tab parses for itself, which is cheaper than cloning the object.
    if (this.channel) this.channel.onmessage = ({ data }) => this.wanted && !this.source && this.receive(data);
    document.addEventListener("visibilitychange", () => this.update());
    addEventListener("pagehide", () => this.stop());
    addEventListener("pageshow", () => this.update());
  }

  /** Whether snapshots are wanted at all (not while paused). */
  want(wanted) {
    this.wanted = wanted;
    this.update();
  }

  update() {
    const run = this.wanted && !document.hidden;
    if (run === Boolean(this.running)) return;
    if (run) this.start();
    else this.stop();
  }

  start() {
    this.running = new AbortController();
    this.failures = 0;
    this.state = null;
    this.tell("connecting");
    this.heard = performance.now();
    this.watch = setInterval(() => this.listen(), 1000);
    const { signal } = this.running;
    if (!this.channel || !navigator.locks) return this.lead(signal);
    // Held until this tab is hidden or paused: then the promise ends and the next tab leads.
    const held = () => new Promise((free) => {
      signal.addEventListener("abort", free);
      if (signal.aborted) free();
      else this.lead(signal);
    });
    navigator.locks.request(NAME, { signal }, held).catch(() => {});
  }

  stop() {
    this.running?.abort();
    this.running = null;
    clearInterval(this.watch);
    clearTimeout(this.retry);
    this.source?.close();
    this.source = null;
  }

  /** Opens the stream and opens it again whenever it breaks. */
  lead(signal) {
    if (signal.aborted) return;
    const source = new EventSource("api/v1/stream");
    this.source = source;
    source.addEventListener("snapshot", ({ data }) => {
      this.failures = 0;
      this.channel?.postMessage(data);
      this.receive(data);
    });
    source.onerror = () => {
      source.close();
      this.tell("lost");
      const wait = RETRY[Math.min(this.failures++, RETRY.length - 1)];
      this.retry = setTimeout(() => this.lead(signal), wait);
    };
  }

  receive(text) {
    if (!this.running) return;
    this.heard = performance.now();
    this.onSnapshot(JSON.parse(text));
    this.tell("live");
  }

  /** A stream that is open and silent is lost too: the agent hangs, or the leading tab does. */
  listen() {
    if (performance.now() - this.heard > SILENCE) this.tell("lost");
  }

  tell(state) {
    if (state === this.state) return;
    this.state = state;
    this.onState(state);
  }
}
