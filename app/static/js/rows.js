// Rows of a form that can be added and removed: <fieldset data-rows>, whose <template> is a blank row.
// Without this script the buttons send the form, and it comes back with a row more or less.

export function watchRows() {
  document.addEventListener("click", (event) => {
    const button = event.target.closest?.("[data-add-row], [data-remove-row]");
    if (!button) return;
    event.preventDefault();
    const rows = button.closest("[data-rows]");
    if (button.matches("[data-add-row]")) add(rows);
    else remove(rows, button.closest("[data-row]"));
    number(rows);
    // Its preview looks again, as it does when something is typed.
    rows.dispatchEvent(new Event("input", { bubbles: true }));
  });
}

function add(rows) {
  const index = 1 + Math.max(-1, ...rowsIn(rows).map((row) => Number(row.querySelector("input").value)));
  const blank = document.createElement("template");
  blank.innerHTML = templateOf(rows).innerHTML.replaceAll(rows.dataset.token, index);
  const row = blank.content.querySelector("[data-row]");
  listOf(rows).append(row);
  unset(rows)?.click();
  row.querySelector("input:not([type=hidden]), select, textarea")?.focus();
  document.dispatchEvent(new CustomEvent("rows:added"));
}

function remove(rows, row) {
  const next = row.nextElementSibling ?? row.previousElementSibling;
  row.remove();
  (next?.querySelector("[data-remove-row]") ?? rows.querySelector(":scope > [data-add-row]")).focus();
}

function number(rows) {
  for (const [index, row] of rowsIn(rows).entries()) {
    const name = `${row.dataset.label} ${index + 1}`;
    row.setAttribute("aria-label", name);
    row.querySelector("[data-row-name]").textContent = name;
    row.querySelector("[data-remove-row]").setAttribute("aria-label", `Remove ${name}`);
  }
}

// A row that is added says that there is a list.
function unset(rows) {
  return rows.querySelector(":scope > .check > input:checked");
}

const listOf = (rows) => rows.querySelector(":scope > .row-list");
const rowsIn = (rows) => [...listOf(rows).children];
const templateOf = (rows) => rows.querySelector(":scope > template");
