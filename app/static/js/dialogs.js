// Dialogs arrive as HTML in #dialogs, one at a time, and are opened as modal ones when they do.
import { raise, toast } from "./toasts.js";

let opener = null; // what had the focus before the first dialog opened

export function watchDialogs() {
  document.addEventListener("htmx:before:swap", ({ detail: { ctx } }) => {
    if (ctx.response?.status === 201) sayCreated(ctx.sourceElement);
  });
  document.addEventListener("htmx:after:swap", openArrived);
  document.addEventListener("click", ({ target }) => {
    if (target.closest?.("[data-close]")) closeDialog();
  });
  document.addEventListener("input", ({ target }) => {
    if (target.dataset.filters) filterChoices(target);
  });
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
  document.querySelector("#dialogs > dialog[open]")?.close();
}

function load(address, push) {
  return htmx.ajax("GET", address, { target: "#dialogs", swap: "innerHTML", push: push ? "true" : "false" });
}

function openArrived() {
  const dialog = document.querySelector("#dialogs > dialog:not([open])");
  if (!dialog) return;
  opener ??= document.activeElement;
  dialog.addEventListener("close", () => dialog.isConnected && closed(dialog));
  dialog.showModal();
  focusFirst(dialog);
  raise();
}

function closed(dialog) {
  dialog.remove();
  document.dispatchEvent(new CustomEvent("dialog:closed")); // history.js puts the address right
  const back = opener?.isConnected ? opener : document.getElementById(opener?.id);
  opener = null;
  back?.focus({ preventScroll: true });
}

// The first field that is wrong or needed, or the first choice; else the body: arrow keys scroll it.
function focusFirst(dialog) {
  const fields = ["[aria-invalid=true]", "form [required]", "[data-filters]"];
  const field = fields.map((selector) => dialog.querySelector(selector)).find(Boolean);
  if (field) return field.focus();
  const first = dialog.querySelector("a.choice") ?? dialog.querySelector(".sheet-body");
  first?.focus({ focusVisible: false });
}

function sayCreated(form) {
  const said = form?.dataset?.said;
  if (said) toast(said, "success");
}

function filterChoices(input) {
  const words = input.value.toLowerCase().split(/\s+/);
  for (const choice of document.getElementById(input.dataset.filters).children) {
    const text = choice.textContent.toLowerCase();
    choice.hidden = !words.every((word) => text.includes(word));
  }
}
