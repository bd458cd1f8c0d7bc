// Make an element equal to newer HTML while keeping the nodes that a person is using: focus,
// selection, scroll positions, typed values and unfolded <details> survive.
const MINE = new Set(["open", "data-htmx-powered", "data-current"]); // set here, not by the server

/** Parse HTML of any kind, table rows too. */
export function parse(html) {
  const template = document.createElement("template");
  template.innerHTML = html.trim();
  return template.content.firstElementChild;
}

/**
 * @param {Element} old stays in the page
 * @param {Element} fresh is used up
 */
export function morph(old, fresh) {
  if (old.tagName !== fresh.tagName) return old.replaceWith(fresh);
  if (old.isEqualNode(fresh)) return;
  morphAttributes(old, fresh);
  morphChildren(old, fresh);
}

function morphAttributes(old, fresh) {
  for (const { name, value } of fresh.attributes) {
    if (!MINE.has(name) && old.getAttribute(name) !== value) old.setAttribute(name, value);
  }
  for (const { name } of [...old.attributes]) {
    if (!MINE.has(name) && !fresh.hasAttribute(name)) old.removeAttribute(name);
  }
}

function morphChildren(old, fresh) {
  let place = old.firstChild;
  for (const node of [...fresh.childNodes]) {
    const match = matching(place, node);
    if (match) {
      while (place !== match) place = removed(place);
      if (node.nodeType === Node.ELEMENT_NODE) morph(match, node);
      else if (match.data !== node.data) match.data = node.data;
      place = match.isConnected ? match.nextSibling : place;
    } else {
      old.insertBefore(node, place);
    }
  }
  while (place) place = removed(place);
}

// The next sibling of the same kind and id. Elements are looked for further on, text only here.
function matching(place, node) {
  if (node.nodeType !== Node.ELEMENT_NODE) return place?.nodeType === node.nodeType ? place : null;
  for (let old = place; old; old = old.nextSibling) {
    if (old.nodeName === node.nodeName && (old.id ?? "") === node.id) return old;
  }
  return null;
}

function removed(node) {
  const next = node.nextSibling;
  node.remove();
  return next;
}

/**
 * Give a container exactly these children, in this order, touching only what differs.
 * @param {Element} container
 * @param {{order: string[], html: Object<string, string>}} list
 */
export function reconcile(container, { order, html }) {
  const known = new Map([...container.children].map((child) => [child.id, child]));
  let place = container.firstElementChild;
  for (const id of order) {
    const row = updated(known.get(id), html[id]);
    if (!row) continue;
    known.delete(id);
    if (row === place) place = place.nextElementSibling;
    else container.insertBefore(row, place);
  }
  for (const row of known.values()) row.remove();
}

function updated(row, html) {
  if (html === undefined) return row;
  const fresh = parse(html);
  if (!row) return fresh;
  morph(row, fresh);
  return row;
}
