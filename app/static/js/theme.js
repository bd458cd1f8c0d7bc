// Loaded before the first paint, so that a stored theme never flashes.
"use strict";
(() => {
  const stored = localStorage.getItem("jobdeck-theme");
  if (stored === "light" || stored === "dark") document.documentElement.dataset.theme = stored;
})();
