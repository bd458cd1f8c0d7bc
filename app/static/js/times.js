// Relative times and running clocks stay true while the page stays open.
const SECOND = 1000;
const EXACTLY = { day: "numeric", month: "short", year: "numeric", hour: "2-digit", minute: "2-digit" };

/** Keep every <time> of the page up to date that says by a data attribute what it shows. */
export function keepTimes() {
  tickTimes(document);
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
  if ("exactly" in time.dataset) return moment.toLocaleString("en-GB", EXACTLY);
  return "clock" in time.dataset ? moment.toLocaleTimeString([], { hourCycle: "h23" }) : null;
}

// Until here the title says UTC; a person reads the time of the own zone better.
function localizeTitle(time, moment) {
  if (!time.title.endsWith(" UTC")) return;
  time.title = moment.toLocaleString([], { dateStyle: "medium", timeStyle: "long" });
}

// The words of `since` in app/web/filters.py.
function ago(moment) {
  const seconds = Math.floor((Date.now() - moment) / SECOND);
  if (seconds < 5) return "just now";
  if (seconds < 60) return `${seconds} s ago`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ago`;
  if (seconds < 86400) return `${Math.floor(seconds / 3600)} h ago`;
  const days = Math.floor(seconds / 86400);
  if (days < 7) return days === 1 ? "yesterday" : `${days} days ago`;
  return null; // the server wrote the date
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
