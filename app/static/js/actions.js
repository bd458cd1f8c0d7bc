// Buttons and forms that say by data-into where the answer belongs. Without a script they submit.
import { closeQuestion, holdFocus, openCreate } from "./dialogs.js";

const TARGETS = {
  question: { target: "#questions", swap: "innerHTML" },
  popup: { target: "#job-popup", swap: "outerMorph" },
  nothing: { target: "#job-popup", swap: "none" },
};
const busy = new WeakSet(); // a second press while the first is under way is the same press

export function watchActions() {
  document.addEventListener("submit", (event) => {
    const { target: form, submitter } = event;
    const into = submitter?.dataset.into ?? form.dataset.into;
    if (!into || event.defaultPrevented) return;
    event.preventDefault();
    if (!busy.has(form)) send(form, submitter, into);
  });
  document.addEventListener("htmx:after:request", ({ detail: { ctx } }) => {
    // What was asked has been answered, but for a form that comes back with its mistakes, and one
    // whose session has ended: it is sent once more.
    if (ctx.request.method === "POST" && ![400, 401, 422].includes(ctx.response.status)) closeQuestion();
  });
  // A swap may disable the very button that was pressed.
  let release;
  document.addEventListener("htmx:before:swap", () => (release = holdFocus()));
  document.addEventListener("htmx:after:swap", () => release?.());
}

async function send(form, submitter, into) {
  const method = submitter?.getAttribute("formmethod") ?? form.method;
  const values = Object.fromEntries(new FormData(form, submitter));
  const address = new URL(submitter?.hasAttribute("formaction") ? submitter.formAction : form.action);
  submitter?.closest("[popover]")?.hidePopover();
  if (method.toUpperCase() === "GET") {
    for (const [name, value] of Object.entries(values)) address.searchParams.set(name, value);
  }
  const path = address.pathname + address.search;
  if (into === "dialog") return openCreate(path);
  busy.add(form);
  try {
    await htmx.ajax(method, path, { ...TARGETS[into], ...(method.toUpperCase() === "POST" && { values }) });
  } finally {
    busy.delete(form);
  }
}
