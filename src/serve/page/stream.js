// The stream of snapshots. A browser allows an origin six connections, so the tabs share one: the tab that holds the
// lock leads, opens the stream and passes it on over a BroadcastChannel. A hidden or paused tab takes no part. Where
// there are no locks (plain HTTP from another machine) each visible tab has a stream of its own.

const NAME = `mmstats ${location.pathname}`;
const SILENCE = 4000; // milliseconds after which an open stream counts as lost: the agent hangs, or the leader does
const channel = new BroadcastChannel(NAME);
let wanted, running, source, heard, state, watch, retry, onSnapshot, onState;

// The text as received: parsing it in each tab is cheaper than cloning the object.
channel.onmessage = ({ data }) => source || receive(data);
document.addEventListener("visibilitychange", update);

/** `onState` takes "connecting", "live" or "lost". */
export function connect(...callbacks) {
	[onSnapshot, onState] = callbacks;
}

export function want(now) {
	wanted = now;
	update();
}

function update() {
	if (wanted && !document.hidden) running ?? start();
	else stop();
}

function start() {
	const { signal } = (running = new AbortController());
	tell("connecting");
	heard = performance.now();
	watch = setInterval(() => performance.now() - heard > SILENCE && tell("lost"), 1000);
	if (!navigator.locks) return lead(signal);
	// The lock is held until this tab is hidden, paused or closed; then the next tab leads.
	const hold = () => new Promise((free) => {
		signal.addEventListener("abort", free);
		lead(signal);
	});
	navigator.locks.request(NAME, { signal }, hold).catch(() => {});
}

function stop() {
	running?.abort();
	source?.close();
	running = source = state = null;
	clearInterval(watch);
	clearTimeout(retry);
}

/** Opens the stream, and reopens it whenever it breaks. */
function lead(signal, failures = 0) {
	if (signal.aborted) return;
	source = new EventSource("api/v1/stream");
	source.addEventListener("snapshot", ({ data }) => {
		failures = 0;
		channel.postMessage(data);
		receive(data);
	});
	source.onerror = () => {
		source.close();
		tell("lost");
		retry = setTimeout(lead, Math.min(5000, 500 * 2 ** failures), signal, failures + 1);
	};
}

function receive(text) {
	if (!running) return;
	heard = performance.now();
	onSnapshot(JSON.parse(text));
	tell("live");
}

function tell(now) {
	if (now !== state) onState((state = now));
}
