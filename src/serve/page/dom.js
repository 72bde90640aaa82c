// Elements. All data from the agent is untrusted: it becomes text nodes and attributes, never markup.

export const $ = (id) => document.getElementById(id);

/** Makes an element: `el("td.number", { title }, "text", otherElement)`. False and null parts are left out. */
export function el(what, ...parts) {
	const [tag, ...classes] = what.split(".");
	const node = document.createElement(tag);
	if (classes.length) node.className = classes.join(" ");
	for (const part of parts.flat(Infinity)) {
		if (part instanceof Node || typeof part === "string") node.append(part);
		else if (part) for (const [name, value] of Object.entries(part)) node.setAttribute(name, value);
	}
	return node;
}

/** Sets a text only if it differs, so that nothing is laid out or read aloud twice. */
export function setText(node, text) {
	if (node.textContent !== text) node.textContent = text;
}

/**
 * Makes `old` look like `fresh` but keeps its nodes, so the focus, the selection and the scroll position survive the
 * update each second. Listeners therefore belong on an ancestor that stays.
 */
function morph(old, fresh) {
	if (old.nodeName !== fresh.nodeName) return old.replaceWith(fresh);
	if (old.nodeType === Node.TEXT_NODE) return setText(old, fresh.data);
	for (const { name, value } of fresh.attributes) if (old.getAttribute(name) !== value) old.setAttribute(name, value);
	for (const { name } of [...old.attributes]) if (!fresh.hasAttribute(name)) old.removeAttribute(name);
	while (old.childNodes.length > fresh.childNodes.length) old.lastChild.remove();
	[...fresh.childNodes].forEach((child, i) => (i < old.childNodes.length ? morph(old.childNodes[i], child) : old.append(child)));
}

export function show(container, ...parts) {
	const fresh = container.cloneNode(false);
	fresh.append(...el("div", parts).childNodes);
	morph(container, fresh);
}

/** Makes a small table; a column whose name ends with `#` has numbers. */
export function table(caption, columns, rows) {
	const kinds = columns.map((name) => (name.endsWith("#") ? ".number" : ""));
	return el("div.scroll", { tabindex: 0, role: "group", "aria-label": caption }, el("table",
		el("thead", el("tr", columns.map((name, i) => el(`th${kinds[i]}`, { scope: "col" }, name.replace("#", ""))))),
		el("tbody", rows.map((cells) => el("tr", cells.map((cell, i) => el(`td${kinds[i]}`, cell)))))));
}

export const muted = (text) => el("p.muted", text);

/** Makes a button that opens a series; main.js listens to all of them. */
export function seriesButton({ model, label }) {
	return el("button.link", { "data-model": model, "data-label": label, title: `${model} · ${label}` }, label);
}
