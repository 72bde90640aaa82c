// The agent's HTTP interface. All addresses are relative, so that the page also works below a path.

async function answer(path, init) {
  const response = await fetch(`api/v1/${path}`, init);
  if (!response.ok) throw new Error(`the agent answered ${response.status} to ${path.split("?")[0]}`);
  return response.json();
}

export function snapshot(query = {}) {
  return answer(`snapshot?${new URLSearchParams(query)}`);
}

export function processes() {
  return answer("processes");
}

/** The agent's past of the series whose labels match one of the globs. */
export function past(globs, query, signal) {
  const all = new URLSearchParams(query);
  for (const glob of globs) all.append("match", glob);
  return answer(`series?${all}`, { signal });
}

export function contexts(ids) {
  return answer("stat-contexts", { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(ids) });
}
