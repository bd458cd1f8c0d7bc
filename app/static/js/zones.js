// A time that a form asks for is one of the reader's own zone. Without a script it is UTC, and says so.
const MINUTE = 60_000;

export function watchZones() {
  document.addEventListener("input", ({ target }) => {
    const holder = target.closest?.("[data-zoned]");
    if (holder) tellZone(holder);
  });
  document.addEventListener("htmx:after:swap", localize);
  localize();
}

function localize() {
  for (const holder of document.querySelectorAll("[data-zoned]:not([data-zone-known])")) {
    const moment = new Date(timeIn(holder).value + zoneIn(holder).value);
    if (!Number.isNaN(moment.valueOf())) timeIn(holder).value = localText(moment);
    holder.querySelector("[data-zone-name]").textContent = Intl.DateTimeFormat().resolvedOptions().timeZone;
    holder.dataset.zoneKnown = "";
    tellZone(holder);
  }
}

// Of that day: an hour's difference in summer is not that of today.
function tellZone(holder) {
  const moment = new Date(timeIn(holder).value || Date.now());
  const ahead = -moment.getTimezoneOffset();
  const two = (value) => String(Math.floor(value)).padStart(2, "0");
  zoneIn(holder).value = `${ahead < 0 ? "-" : "+"}${two(Math.abs(ahead) / 60)}:${two(Math.abs(ahead) % 60)}`;
}

function localText(moment) {
  return new Date(moment - moment.getTimezoneOffset() * MINUTE).toISOString().slice(0, 16);
}

const timeIn = (holder) => holder.querySelector("[type=datetime-local]");
const zoneIn = (holder) => holder.querySelector("[type=hidden]");
