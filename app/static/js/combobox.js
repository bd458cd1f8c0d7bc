// A text field that offers: what is typed is searched for on the server, arrow keys choose.
// <input role="combobox" data-options="/jobs/options?column=started_by">; without a script it is a
// plain field that takes a name.
const WAIT = 150;

let open = null; // { input, list }
let timer = 0;
let asked = null; // the request that is under way

export function watchComboboxes() {
  // While somebody types, the form around must not send what is half a name.
  document.addEventListener("input", (event) => {
    if (!isCombobox(event.target) || !event.isTrusted) return;
    if (event.target.value) event.stopPropagation();
    clearTimeout(timer);
    timer = setTimeout(offer, WAIT, event.target);
  }, true);
  document.addEventListener("keydown", (event) => isCombobox(event.target) && press(event), true);
  document.addEventListener("focusout", ({ target }) => target === open?.input && close());
  document.addEventListener("mousedown", (event) => {
    if (event.target.closest?.("[role=listbox]")) event.preventDefault(); // the field keeps the focus
    else if (isCombobox(event.target) && !open) offer(event.target);
  });
  document.addEventListener("click", ({ target }) => {
    const option = target.closest?.("[role=option]");
    if (option && open?.list.contains(option)) choose(option);
  });
  addEventListener("resize", close);
  document.addEventListener("scroll", ({ target }) => target !== open?.list && close(), true);
}

function isCombobox(element) {
  return element?.matches?.("input[data-options]") ?? false;
}

const KEYS = {
  ArrowDown: () => move(1),
  ArrowUp: () => move(-1),
  Enter: () => active() && choose(active()),
  Escape: () => close(),
};

function press(event) {
  const { key, target } = event;
  if (event.isComposing || !(key in KEYS)) return;
  if (!open) {
    if (!key.startsWith("Arrow")) return;
    event.preventDefault();
    return offer(target);
  }
  if (key === "Enter" && !active()) return close();
  event.preventDefault();
  event.stopPropagation();
  KEYS[key]();
}

async function offer(input) {
  asked?.abort();
  asked = new AbortController();
  // The value that stands there is no search: all shall be seen.
  const text = input.value === input.defaultValue ? "" : input.value;
  const url = `${input.dataset.options}&q=${encodeURIComponent(text.trim())}`;
  try {
    const answer = await fetch(url, { signal: asked.signal, headers: { "HX-Request": "true" } });
    if (answer.ok && document.activeElement === input) show(input, await answer.text());
  } catch (error) {
    if (error.name !== "AbortError") close();
  }
}

function show(input, html) {
  close();
  const list = document.createElement("ul");
  Object.assign(list, { id: `${input.id}-options`, className: "options", popover: "manual" });
  list.setAttribute("role", "listbox");
  list.setAttribute("aria-label", input.labels?.[0]?.textContent.trim() ?? "Offered");
  list.innerHTML = html.trim();
  [...list.children].forEach((option, index) => (option.id = `${list.id}-${index}`));
  input.after(list);
  open = { input, list };
  say(list.children.length);
  if (!list.children.length) return;
  list.showPopover();
  place(input, list);
  input.setAttribute("aria-expanded", "true");
  input.setAttribute("aria-controls", list.id);
}

function place(input, list) {
  const box = input.getBoundingClientRect();
  const below = innerHeight - box.bottom - 12;
  list.style.left = `${box.left}px`;
  list.style.minWidth = `${box.width}px`;
  list.style.maxHeight = `${Math.max(below, 120)}px`;
  list.style.top = below < 120 ? `${box.top - list.offsetHeight - 4}px` : `${box.bottom + 4}px`;
}

function active() {
  return open?.list.querySelector("[aria-selected=true]");
}

function move(step) {
  const options = [...open.list.children];
  const now = options.indexOf(active());
  const next = options.at(now < 0 && step < 0 ? -1 : (now + step) % options.length);
  if (!next) return;
  active()?.removeAttribute("aria-selected");
  next.setAttribute("aria-selected", "true");
  next.scrollIntoView({ block: "nearest" });
  open.input.setAttribute("aria-activedescendant", next.id);
}

function choose(option) {
  const { input } = open;
  input.value = option.textContent.trim();
  close();
  input.dispatchEvent(new Event("input", { bubbles: true }));
}

function close() {
  if (!open) return;
  const { input, list } = open;
  open = null;
  list.remove();
  input.setAttribute("aria-expanded", "false");
  input.removeAttribute("aria-controls");
  input.removeAttribute("aria-activedescendant");
}

// A screen reader says how many there are; the list itself says nothing until it is entered.
function say(count) {
  const status = document.getElementById("offered") ?? document.createElement("p");
  if (!status.isConnected) {
    Object.assign(status, { id: "offered", className: "hidden" });
    status.setAttribute("role", "status");
    document.getElementById("main")?.append(status);
  }
  status.textContent = count ? `${count} offered` : "Nothing is called so";
}
