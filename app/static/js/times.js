// Relative times and running clocks stay true while the page stays open.
import { clockText, dayText, daysBetween, exactText, knowsZone, titleText } from "./zones.js";

const SECOND = 1000;
const titled = new WeakMap(); // by <time>: the moment and the zone that its title tells

/** Keep every <time> of the page up to date that says by a data attribute what it shows. */
export function keepTimes() {
  tickTimes(document);
  document.addEventListener("zone:changed", () => tickTimes(document));
  setInterval(() => document.hidden || tickTimes(document), SECOND);
}

/**
 * What is to be read only after some time appears here, too.
 * @param {ParentNode} root
 */
export function tickTimes(root) {
  for (const time of root.querySelectorAll("time[datetime]")) {
    const moment = new Date(time.dateTime);
    const words = wordsFor(time, moment);
    if (words !== null && words !== time.textContent) time.firstChild.data = words;
    localizeTitle(time, moment);
  }
  for (const late of root.querySelectorAll("[data-after]")) late.hidden = Date.now() < new Date(late.dataset.after);
}

function wordsFor(time, moment) {
  if ("ago" in time.dataset) return ago(moment);
  if ("until" in time.dataset) return until(moment);
  if ("due" in time.dataset) return due(moment);
  if ("since" in time.dataset) return duration((Date.now() - moment) / SECOND);
  if (!knowsZone()) return null;
  if ("exactly" in time.dataset) return exactText(moment);
  return "clock" in time.dataset ? clockText(moment) : null;
}

// What is drawn once for everybody says UTC.
function localizeTitle(time, moment) {
  const zone = document.documentElement.dataset.zone;
  const known = titled.get(time);
  if (!knowsZone() || known === `${time.title} ${zone}`) return;
  time.title = titleText(moment);
  titled.set(time, `${time.title} ${zone}`);
}

// The words of `since` in app/web/filters.py.
function ago(moment) {
  const seconds = Math.floor((Date.now() - moment) / SECOND);
  if (seconds < 5) return "just now";
  if (seconds < 60) return `${seconds} s ago`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ago`;
  if (seconds < 86400) return `${Math.floor(seconds / 3600)} h ago`;
  if (!knowsZone()) return null; // the server wrote the date
  const days = daysBetween(moment, new Date());
  if (days < 7) return days <= 1 ? "yesterday" : `${days} days ago`;
  return dayText(moment);
}

// The words of `until` in app/web/filters.py.
function until(moment) {
  const seconds = Math.ceil((moment - Date.now()) / SECOND);
  return seconds > 0 ? `in ${duration(seconds)}` : "now";
}

// The words of `ahead` in app/web/filters.py.
function due(moment) {
  const seconds = Math.ceil((moment - Date.now()) / SECOND);
  if (seconds <= 0) return seconds > -60 ? "now" : ago(moment);
  if (seconds < 60) return `in ${seconds} s`;
  if (seconds < 3570) return `in ${Math.round(seconds / 60)} min`;
  if (seconds < 171000) return `in ${Math.round(seconds / 3600)} h`;
  return `in ${Math.round(seconds / 86400)} days`;
}

// The words of `duration` in app/web/filters.py.
function duration(seconds) {
  const whole = Math.max(Math.floor(seconds), 0);
  const two = (value) => String(value).padStart(2, "0");
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${two(whole % 60)} s`;
  if (whole < 86400) return `${Math.floor(whole / 3600)} h ${two(Math.floor((whole % 3600) / 60))} min`;
  return `${Math.floor(whole / 86400)} d ${Math.floor((whole % 86400) / 3600)} h`;
}
