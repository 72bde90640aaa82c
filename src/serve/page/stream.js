// The stream of snapshots. A browser allows an origin six connections, so the tabs share one: the tab that holds the
// lock leads, opens the stream and passes it on over a BroadcastChannel. A hidden or paused tab takes no part. Where
// there are no locks (plain HTTP from another machine) each visible tab has a stream of its own.

const NAME = `mmstats ${location.pathname}`;
const SILENCE = 4000; // milliseconds after which an open stream counts as lost: the agent hangs, or the leader does

export class Stream {
  /** `onState` takes "connecting", "live" or "lost". */
  constructor(onSnapshot, onState) {
    Object.assign(this, { onSnapshot, onState });
    this.channel = new BroadcastChannel(NAME);
    // The text as it came: parsing it in each tab is cheaper than cloning the object.
    this.channel.onmessage = ({ data }) => this.source || this.receive(data);
    document.addEventListener("visibilitychange", () => this.update());
  }

  want(wanted) {
    this.wanted = wanted;
    this.update();
  }

  update() {
    if (!this.wanted || document.hidden) this.stop();
    else if (!this.running) this.start();
  }

  start() {
    const { signal } = (this.running = new AbortController());
    this.state = null;
    this.tell("connecting");
    this.heard = performance.now();
    this.watch = setInterval(() => performance.now() - this.heard > SILENCE && this.tell("lost"), 1000);
    if (!navigator.locks) return this.lead(signal);
    // Held until this tab is hidden, paused or closed; then the next one leads.
    const hold = () => new Promise((free) => {
      signal.addEventListener("abort", free);
      this.lead(signal);
    });
    navigator.locks.request(NAME, { signal }, hold).catch(() => {});
  }

  stop() {
    this.running?.abort();
    this.source?.close();
    this.running = this.source = null;
    clearInterval(this.watch);
    clearTimeout(this.retry);
  }

  /** Opens the stream, and again whenever it breaks. */
  lead(signal, failures = 0) {
    if (signal.aborted) return;
    this.source = new EventSource("api/v1/stream");
    this.source.addEventListener("snapshot", ({ data }) => {
      failures = 0;
      this.channel.postMessage(data);
      this.receive(data);
    });
    this.source.onerror = () => {
      this.source.close();
      this.tell("lost");
      this.retry = setTimeout(() => this.lead(signal, failures + 1), Math.min(5000, 500 * 2 ** failures));
    };
  }

  receive(text) {
    if (!this.running) return;
    this.heard = performance.now();
    this.onSnapshot(JSON.parse(text));
    this.tell("live");
  }

  tell(state) {
    if (state !== this.state) this.onState((this.state = state));
  }
}
