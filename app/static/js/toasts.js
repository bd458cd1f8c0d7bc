// Short messages in a corner, above everything, also above a modal dialog.
const SECONDS = { info: 6, success: 6, error: 12 };

/**
 * @param {string} message a whole sentence
 * @param {"info"|"success"|"error"} kind
 */
export function toast(message, kind = "info") {
  const box = document.getElementById("toasts");
  if (!box) return;
  const item = document.createElement("div");
  item.className = "toast";
  item.dataset.testid = "toast";
  item.dataset.kind = kind;
  item.setAttribute("role", kind === "error" ? "alert" : "status");
  item.append(Object.assign(document.createElement("p"), { textContent: message }));
  box.append(item);
  arrange(box, item);
}

/** Messages that came with the page. */
export function showWaitingToasts() {
  const box = document.getElementById("toasts");
  for (const item of box?.children ?? []) arrange(box, item);
  document.addEventListener("toast", ({ detail }) => toast(detail.message, detail.kind));
}

function arrange(box, item) {
  raise(box);
  item.addEventListener("click", () => remove(box, item));
  setTimeout(() => remove(box, item), (SECONDS[item.dataset.kind] ?? 6) * 1000);
}

// The top layer stacks by the order of opening: open again to lie above a dialog opened since.
export function raise(box = document.getElementById("toasts")) {
  if (!box?.children.length) return;
  if (box.matches(":popover-open")) box.hidePopover();
  box.showPopover();
}

function remove(box, item) {
  item.remove();
  if (!box.children.length && box.matches(":popover-open")) box.hidePopover();
}
