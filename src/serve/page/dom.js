// Elements. Everything from the agent is untrusted and becomes text nodes and attributes, never markup.

export const $ = (id) => document.getElementById(id);

/** Makes an element; attributes that are null or false are left out. */
export function el(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return node;
}

/** Sets a text only where it differs, so that nothing is laid out (or read aloud) twice. */
export function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

/**
 * Makes `old` look like `fresh` and keeps the nodes that are there: with them the focus, the selection and the
 * scroll position survive an update each second. Listeners therefore belong on an ancestor that stays.
 */
export function morph(old, fresh) {
  if (old.nodeName !== fresh.nodeName) return old.replaceWith(fresh);
  if (old.nodeType === Node.TEXT_NODE) {
    if (old.data !== fresh.data) old.data = fresh.data;
    return;
  }
  for (const { name, value } of [...fresh.attributes]) {
    if (old.getAttribute(name) !== value) old.setAttribute(name, value);
  }
  for (const { name } of [...old.attributes]) {
    if (!fresh.hasAttribute(name) && name !== "open" && name !== "style") old.removeAttribute(name);
  }
  const children = [...fresh.childNodes];
  while (old.childNodes.length > children.length) old.lastChild.remove();
  children.forEach((child, i) => {
    if (i < old.childNodes.length) morph(old.childNodes[i], child);
    else old.append(child);
  });
}

/** Replaces what a container shows. */
export function show(container, ...children) {
  const fresh = container.cloneNode(false);
  fresh.append(...children.flat().filter(Boolean));
  morph(container, fresh);
}

/** A small table. A column is `[text, class]`; a cell is a text or a node. */
export function table(caption, columns, rows) {
  return el("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": caption },
    el("table", {},
      el("caption", { class: "unseen" }, caption),
      el("thead", {}, el("tr", {}, columns.map(([text, kind]) => el("th", { scope: "col", class: kind }, text)))),
      el("tbody", {}, rows.map((cells) => el("tr", {}, cells.map((cell, i) => el("td", { class: columns[i][1] }, cell)))))));
}

/** A button that opens a series; main.js listens for all of them. */
export function seriesButton(row) {
  return el("button", { type: "button", class: "link", "data-model": row.model, "data-label": row.label, title: `${row.model} · ${row.label}` }, row.label);
}
