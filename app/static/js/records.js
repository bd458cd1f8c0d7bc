// Pages of one record: a form is not left by accident, and a link that is shown once is copied.
import { toast } from "./toasts.js";

export function watchRecords() {
  let changed = null; // the form that a person has written in
  for (const kind of ["input", "change"]) {
    document.addEventListener(kind, ({ target }) => {
      changed = target.closest?.("form[data-guarded]") ?? changed;
    });
  }
  document.addEventListener("submit", ({ target }) => {
    if (target === changed) changed = null;
  });
  addEventListener("beforeunload", (event) => changed?.isConnected && event.preventDefault());
  document.addEventListener("click", ({ target }) => {
    const button = target.closest?.("[data-copies]");
    if (button) copy(document.getElementById(button.dataset.copies));
  });
  document.querySelector("form[data-guarded] [aria-invalid=true]")?.focus();
}

async function copy(input) {
  input.select();
  try {
    await navigator.clipboard.writeText(input.value);
    toast("Copied.", "success");
  } catch {
    // Without TLS a browser gives no clipboard, and the text is selected for the person's own keys.
    toast("Press Ctrl+C to copy the link.", "info");
  }
}
