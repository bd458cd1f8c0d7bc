// What a person chose for this browser: the theme, and whether single keys are shortcuts.
const THEME = "jobdeck-theme"; // read by theme.js before the first paint
const SHORTCUTS = "jobdeck-shortcuts";

export function watchPreferences() {
  const theme = localStorage.getItem(THEME) ?? "system";
  for (const radio of document.querySelectorAll("[data-theme-choice]")) {
    radio.checked = radio.value === theme;
    radio.addEventListener("change", () => setTheme(radio.value));
  }
  const box = document.querySelector("[data-shortcuts-choice]");
  if (!box) return;
  box.checked = shortcutsAreOn();
  box.addEventListener("change", () => localStorage.setItem(SHORTCUTS, box.checked ? "on" : "off"));
}

export function shortcutsAreOn() {
  return localStorage.getItem(SHORTCUTS) !== "off";
}

function setTheme(choice) {
  localStorage.setItem(THEME, choice);
  if (choice === "system") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = choice;
}
