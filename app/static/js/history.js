// The address bar follows what is shown; back and forward show what the address bar says.
// htmx's own history is off: it fetches the page again, while here most often a dialog just closes.
import { closeDialog, openJobInfo, openCreate } from "./dialogs.js";

const JOB = /^\/jobs\/(\d+)$/;

/** Follow hx-push-url, hx-replace-url and HX-Push-Url. */
export function trackHistory() {
  document.addEventListener("htmx:before:swap", (event) => {
    const { ctx } = event.detail;
    if (event.defaultPrevented || ctx.response?.status >= 400) return;
    const push = ctx.hx?.pushurl ?? ctx.push;
    const replace = ctx.hx?.replaceurl ?? ctx.replace;
    if (wanted(push)) show(addressOf(push, ctx), "pushState");
    else if (wanted(replace)) show(addressOf(replace, ctx), "replaceState");
  });
  document.addEventListener("dialog:closed", leaveDialog);
}

// A dialog has been closed: the address is the list's again. Not by going back, which takes a
// moment, and would undo a click that follows at once.
function leaveDialog() {
  if (!JOB.test(location.pathname) && location.pathname !== "/jobs/new") return;
  history.replaceState({}, "", document.getElementById("jobs")?.dataset.url ?? "/jobs");
}

export function restoreOnBack() {
  addEventListener("popstate", () => {
    const address = location.pathname + location.search;
    const job = JOB.exec(location.pathname);
    if (job) openJobInfo(job[1], { address, push: false });
    else if (location.pathname === "/jobs/new") openCreate(address);
    else restoreList(address);
  });
}

function restoreList(address) {
  closeDialog();
  const list = document.querySelector("[data-list]");
  if (!list) location.reload();
  else if (address !== list.dataset.url) {
    htmx.ajax("GET", address, { target: "[data-list]", select: "[data-list]", swap: "outerHTML" });
  }
}

function wanted(value) {
  return value !== undefined && value !== null && value !== "false" && value !== false;
}

function addressOf(value, ctx) {
  const url = new URL(value === "true" || value === true ? ctx.request.action : value, location.href);
  for (const [key, text] of [...url.searchParams]) if (!text) url.searchParams.delete(key);
  return url.pathname + url.search;
}

function show(address, method) {
  history[method]({}, "", address);
}
