// A time that a form asks for is one of the reader's own zone. Without a script it is UTC, and says so.
const MINUTE = 60_000;

export function watchZones() {
  document.addEventListener("input", ({ target }) => {
    const holder = target.closest?.("[data-zoned]");
    if (holder) tellZone(holder, new Date(timeIn(holder).value || Date.now()));
  });
  document.addEventListener("htmx:after:swap", localize);
  document.addEventListener("rows:added", localize);
  localize();
}

function localize() {
  for (const holder of document.querySelectorAll("[data-zoned]:not([data-zone-known])")) {
    const moment = new Date(timeIn(holder).value + zoneIn(holder).value);
    const isTime = !Number.isNaN(moment.valueOf());
    if (isTime) timeIn(holder).value = localText(moment);
    const name = holder.closest(".field, .when")?.querySelector("[data-zone-name]");
    if (name) name.textContent = Intl.DateTimeFormat().resolvedOptions().timeZone;
    holder.dataset.zoneKnown = "";
    // Of the moment itself: when clocks are set back, its hour is there twice.
    tellZone(holder, isTime ? moment : new Date());
  }
}

// Of that day: an hour's difference in summer is not that of today.
function tellZone(holder, moment) {
  const ahead = -moment.getTimezoneOffset();
  const two = (value) => String(Math.floor(value)).padStart(2, "0");
  zoneIn(holder).value = `${ahead < 0 ? "-" : "+"}${two(Math.abs(ahead) / 60)}:${two(Math.abs(ahead) % 60)}`;
}

// With its seconds, and parts of them, if it has any.
function localText(moment) {
  const text = new Date(moment - moment.getTimezoneOffset() * MINUTE).toISOString().replace("Z", "");
  return text.replace(/\.000$/, "").replace(/(T\d\d:\d\d):00$/, "$1");
}

const timeIn = (holder) => holder.querySelector("[type=datetime-local]");
const zoneIn = (holder) => holder.querySelector("[data-zone]");
