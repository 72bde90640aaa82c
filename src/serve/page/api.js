// The agent's HTTP interface. Addresses are relative, so that the page also works below a path.

async function answer(path, query, init) {
	const response = await fetch(`api/v1/${path}?${new URLSearchParams(query)}`, init);
	if (!response.ok) throw new Error(`the agent answered ${response.status} to ${path}`);
	return response.json();
}

export const snapshot = (query = {}) => answer("snapshot", query);
export const processes = () => answer("processes", {});
export const contexts = (ids) => answer("stat-contexts", {}, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(ids) });

/** Returns the past of the series whose labels match one of the globs. */
export const past = (globs, query, signal) => answer("series", [...globs.map((glob) => ["match", glob]), ...Object.entries(query)], { signal });
