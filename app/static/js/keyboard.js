// A key alone presses the element that carries it as data-shortcut. Each person may turn this off.
import { shortcutsAreOn } from "./preferences.js";

export function watchKeys() {
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
    if (!shortcutsAreOn() || isTyping(event.target) || document.querySelector("dialog[open]")) return;
    const element = document.querySelector(`[data-shortcut="${CSS.escape(event.key)}"]`);
    if (!element) return;
    event.preventDefault();
    if (element.matches("input")) element.select();
    else element.click();
  });
  // Past a long list, to the first thing behind it that can be pressed.
  document.addEventListener("click", ({ target }) => {
    const place = document.getElementById(target.closest?.("[data-focuses]")?.dataset.focuses);
    place?.querySelector("a[href], button:enabled")?.focus();
  });
}

function isTyping(target) {
  return target.matches?.("input, textarea, select, [contenteditable]") ?? false;
}
