// Dialogs arrive as HTML in a host, one at a time, and are opened as modal ones when they do.
// A question lies over the popup that it is about.
import { raise, toast } from "./toasts.js";

const HOSTS = ["dialogs", "questions"];
const openers = {}; // by host: what had the focus before the first dialog of it opened

export function watchDialogs() {
  document.addEventListener("htmx:before:swap", ({ detail: { ctx } }) => {
    if (ctx.response?.status === 201) sayCreated(ctx.sourceElement);
  });
  document.addEventListener("htmx:after:swap", openArrived);
  document.addEventListener("click", ({ target }) => {
    if (target.closest?.("[data-close]")) target.closest("dialog").close();
  });
  document.addEventListener("input", ({ target }) => {
    if (target.dataset.filters) filterChoices(target);
  });
  document.addEventListener("gone", closeDialog);
  openArrived();
}

/**
 * @param {number|string} jobId
 * @param {{address?: string, push?: boolean}} [how]
 */
export function openJobInfo(jobId, { address = `/jobs/${jobId}`, push = true } = {}) {
  return load(address, push);
}

export function openCreate(address) {
  return load(address, false);
}

/** The close event does what is left to do, as it does for Esc. */
export function closeDialog() {
  closeQuestion();
  shownIn("dialogs")?.close();
}

export function closeQuestion() {
  shownIn("questions")?.close();
}

/**
 * To be called before something that may disable or take away the control that has the focus.
 * What it returns is called after it: then the dialog has the focus, if nothing else has.
 */
export function holdFocus() {
  const before = document.activeElement;
  if (before === document.body) return () => {};
  return () => {
    const held = document.activeElement;
    if (held !== document.body && canHold(held)) return;
    const next = holder(before);
    if (next) next.focus({ preventScroll: true });
    else focusOf(topmost())?.focus({ preventScroll: true, focusVisible: false });
  };
}

function load(address, push) {
  return htmx.ajax("GET", address, { target: "#dialogs", swap: "innerHTML", push: push ? "true" : "false" });
}

function openArrived() {
  for (const host of HOSTS) {
    const dialog = document.querySelector(`#${host} > dialog:not([open])`);
    if (dialog) open(dialog, host);
  }
}

function open(dialog, host) {
  openers[host] ??= document.activeElement;
  dialog.addEventListener("close", () => dialog.isConnected && closed(dialog, host));
  dialog.showModal();
  focusFirst(dialog);
  raise();
}

function closed(dialog, host) {
  dialog.remove();
  if (host === "dialogs") {
    closeQuestion();
    document.dispatchEvent(new CustomEvent("dialog:closed")); // history.js puts the address right
  }
  const back = holder(openers[host]) ?? focusOf(topmost());
  openers[host] = null;
  back?.focus({ preventScroll: true });
}

// The opener, or who has taken its place: a newer element of its id, the button of its menu, or
// the next that can be pressed beside a button that cannot any more.
function holder(opener) {
  const menu = opener?.closest?.("[popover]");
  const again = document.getElementById(opener?.id || "-");
  const places = [
    opener,
    again,
    menu && document.querySelector(`[popovertarget="${CSS.escape(menu.id)}"]`),
    ...(again?.closest(".actions-row")?.querySelectorAll("button") ?? []),
  ];
  return places.find(canHold);
}

function canHold(element) {
  return Boolean(element?.isConnected && !element.matches(":disabled") && element.checkVisibility());
}

function shownIn(host) {
  return document.querySelector(`#${host} > dialog[open]`);
}

function topmost() {
  return shownIn("questions") ?? shownIn("dialogs");
}

function focusOf(dialog) {
  return dialog?.querySelector("[autofocus]") ?? dialog?.querySelector(".sheet-body");
}

// The first field that is wrong or needed, or the first choice; else the body: arrow keys scroll it.
function focusFirst(dialog) {
  const fields = ["[aria-invalid=true]", "[autofocus]", "form [required]", "[data-filters]"];
  const field = fields.map((selector) => visible(dialog, selector)).find(Boolean);
  if (field?.matches("input")) field.select();
  if (field) field.focus();
  if (field?.ariaInvalid) return field.scrollIntoView({ block: "center" }); // select() has not
  if (field) return;
  const first = dialog.querySelector("a.choice") ?? dialog.querySelector(".sheet-body");
  first?.focus({ focusVisible: false });
}

function visible(dialog, selector) {
  const isWanted = (each) => each.checkVisibility() && !(each.required && each.value && !each.ariaInvalid);
  return [...dialog.querySelectorAll(selector)].find(isWanted);
}

function sayCreated(form) {
  const said = form?.dataset?.said;
  if (said) toast(said, "success");
}

function filterChoices(input) {
  const words = fold(input.value).split(/\s+/);
  for (const choice of document.getElementById(input.dataset.filters).children) {
    const text = fold(choice.textContent);
    choice.hidden = !words.every((word) => text.includes(word));
  }
}

// The letters of a text whatever their case and their form, as app/textsearch.py compares them.
function fold(text) {
  const alike = text.normalize("NFD").toUpperCase().toLowerCase().replaceAll("ς", "σ");
  return alike.replaceAll("i\u0307", "i").normalize("NFC");
}
