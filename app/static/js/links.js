// Links that say by data-into where their page belongs. Without a script they are plain links.
import { openJobInfo } from "./dialogs.js";

const LIST = "[data-list]"; // a page has one
const INTO = {
  list: (url) => swap(url, { target: LIST, select: LIST, swap: "outerMorph", push: "true" }),
  popup: (url) => swap(url, { target: "#job-popup", swap: "outerMorph", replace: "true" }),
  dialog: (url) => swap(url, { target: "#dialogs", swap: "innerHTML" }),
  job: (url) => openJobInfo(url.pathname.split("/").pop(), { address: url.pathname + url.search }),
  task: openTask,
};

export function watchLinks() {
  document.addEventListener("htmx:after:swap", markOpenTask);
  markOpenTask();
  document.addEventListener("click", (event) => {
    const plain = event.button === 0 && !event.ctrlKey && !event.metaKey && !event.shiftKey && !event.altKey;
    if (!plain || event.defaultPrevented) return;
    const link = event.target.closest?.("a[data-into]") ?? linkOfRow(event.target);
    if (!link) return;
    event.preventDefault();
    if (!link.dataset.into) return location.assign(link.href);
    INTO[link.dataset.into](new URL(link.href), link);
  });
}

// A row is as good as its link, except where a person selects text in it.
function linkOfRow(target) {
  const row = target.closest?.("tr[data-opens]");
  if (!row || target.closest("a, button, input, label") || !getSelection().isCollapsed) return null;
  return row.querySelector("a[data-into]") ?? row.querySelector("a[href]");
}

// Keeps the tab and the page of tasks that are shown now, which a row does not know.
async function openTask(url, link) {
  const here = new URL(location.href);
  const index = link.dataset.task;
  if (index === undefined) here.searchParams.delete("task");
  else here.searchParams.set("task", index);
  here.pathname = url.pathname;
  await swap(here, { target: "#job-popup", swap: "outerMorph", replace: "true" });
  const task = document.querySelector("#job-popup .task.is-open");
  task?.querySelector("h3").focus({ preventScroll: true });
  task?.scrollIntoView({ block: "start" });
}

function markOpenTask() {
  const { jobId, task } = document.getElementById("job-popup")?.dataset ?? {};
  for (const row of document.querySelectorAll("tr[data-current]")) row.removeAttribute("data-current");
  document.getElementById(`task-${jobId}-${task}`)?.setAttribute("data-current", "");
}

function swap(url, options) {
  return htmx.ajax("GET", url.pathname + url.search, options);
}
