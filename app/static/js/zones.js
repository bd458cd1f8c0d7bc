// Times are read in the zone of the account. The browser tells its own as long as none is chosen.
const MINUTE = 60_000;
const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
const page = document.documentElement;
const formats = new Map();

/** Tell the server the browser's zone, by the form that signs in or by itself. */
export function watchZones() {
  for (const field of document.querySelectorAll("[data-browser-zone]")) field.value = browserZone();
  if (page.dataset.zoneAddress && page.dataset.zoneTold !== browserZone()) tellZone();
  document.addEventListener("htmx:after:swap", moveFields);
  document.addEventListener("rows:added", moveFields);
}

/** Whether this browser knows the zone of the account; else what the server wrote has to do. */
export function knowsZone() {
  return formatOf(page.dataset.zone) !== null;
}

/** `14 Jun 2026` */
export function dayText(moment) {
  const { year, month, day } = partsOf(moment);
  return `${day} ${MONTHS[month - 1]} ${year}`;
}

/** `11:12:05` */
export function clockText(moment) {
  const { hour, minute, second } = partsOf(moment);
  return [hour, minute, second].map(two).join(":");
}

/** `14 Jun 2026, 11:12 CEST` */
export function exactText(moment) {
  return `${dayText(moment)}, ${clockText(moment).slice(0, 5)} ${abbreviation(moment)}`;
}

/** `2026-06-14 11:12:05 CEST` */
export function titleText(moment) {
  const { year, month, day } = partsOf(moment);
  return `${String(year).padStart(4, "0")}-${two(month)}-${two(day)} ${clockText(moment)} ${abbreviation(moment)}`;
}

/** How many midnights of the zone there are between two moments. */
export function daysBetween(before, after) {
  const [first, last] = [before, after].map((moment) => partsOf(moment)).map(({ year, month, day }) => Date.UTC(year, month - 1, day));
  return Math.round((last - first) / (24 * 60 * MINUTE));
}

// The names that the server uses: a browser has other ones, or none.
function abbreviation(moment) {
  const { year, month, day, hour, minute, second } = partsOf(moment);
  const local = Date.UTC(year, month - 1, day, hour, minute, second);
  const ahead = Math.round((local - Math.floor(moment / 1000) * 1000) / MINUTE);
  const names = JSON.parse(page.dataset.zoneAbbreviations ?? "{}");
  const [hours, minutes] = [Math.floor(Math.abs(ahead) / 60), Math.abs(ahead) % 60];
  return names[ahead] ?? `UTC${ahead < 0 ? "-" : "+"}${two(hours)}:${two(minutes)}`;
}

function partsOf(moment, zone = page.dataset.zone) {
  const parts = formatOf(zone).formatToParts(moment);
  return Object.fromEntries(parts.map(({ type, value }) => [type, Number(value)]));
}

function formatOf(zone) {
  if (!formats.has(zone)) formats.set(zone, newFormat(zone));
  return formats.get(zone);
}

function newFormat(timeZone) {
  const numeric = "numeric";
  const parts = { year: numeric, month: numeric, day: numeric, hour: numeric, minute: numeric, second: numeric };
  try {
    return timeZone ? new Intl.DateTimeFormat("en-GB", { ...parts, timeZone, hourCycle: "h23" }) : null;
  } catch {
    return null; // a name that is newer than this browser
  }
}

async function tellZone() {
  const token = document.querySelector("meta[name=csrf-token]")?.content ?? "";
  const body = new URLSearchParams({ browser_zone: browserZone() });
  const asked = { method: "POST", body, headers: { "X-CSRFToken": token } };
  const answer = await fetch(page.dataset.zoneAddress, asked).catch(() => null);
  if (answer?.ok) showZone(await answer.json());
}

function showZone({ zone, abbreviations }) {
  if (zone === page.dataset.zone) return;
  // Which rows are of the days that are asked for is told by the server.
  if (/_(from|to)=\d/.test(location.search)) location.reload();
  page.dataset.zone = zone;
  page.dataset.zoneAbbreviations = JSON.stringify(abbreviations);
  for (const name of document.querySelectorAll("[data-zone-name]")) name.textContent = zone;
  moveFields();
  for (const excuse of document.querySelectorAll("[data-zone-unknown]")) excuse.remove();
  document.dispatchEvent(new CustomEvent("zone:changed"));
}

// Fields that were drawn before the browser had told its zone. Where nobody has written anything the
// moment stays the same; elsewhere the text does, in the zone that it says.
function moveFields() {
  for (const holder of document.querySelectorAll("[data-zoned]")) {
    const zone = holder.querySelector("[data-zone-field]");
    const name = holder.closest(".field, .when")?.querySelector("[data-zone-name]");
    if (zone.value !== page.dataset.zone && moveField(holder, zone.value)) zone.value = page.dataset.zone;
    if (name) name.textContent = zone.value;
  }
}

function moveField(holder, zone) {
  const field = holder.querySelector("[type=datetime-local]");
  const moment = new Date(holder.querySelector("[data-exact-field]").value);
  if (!field.value) return true;
  if (Number.isNaN(moment.valueOf()) || !formatOf(zone) || !knowsZone()) return false;
  if (field.valueAsNumber !== localTime(moment, zone)) return false;
  field.valueAsNumber = localTime(moment, page.dataset.zone);
  return true;
}

// As a control counts it: the milliseconds to that time, were it one of UTC.
function localTime(moment, zone) {
  const { year, month, day, hour, minute, second } = partsOf(moment, zone);
  return Date.UTC(year, month - 1, day, hour, minute, second) + moment.getMilliseconds();
}

const browserZone = () => Intl.DateTimeFormat().resolvedOptions().timeZone ?? "";
const two = (value) => String(value).padStart(2, "0");
