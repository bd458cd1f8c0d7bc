// A file of a form is uploaded as soon as it is chosen; the form then sends the number it got.
// Without this script, the form sends the file itself.
import { mayBeSent } from "./session.js";

const MB = 2 ** 20;
let waiting = null; // a form that was sent while a file of it was on its way

export function watchUploads() {
  document.addEventListener("change", ({ target }) => {
    const box = target.type === "file" && target.closest?.("[data-upload]");
    if (box && target.files.length) begin(box, target.files[0]);
  });
  document.addEventListener("click", ({ target }) => {
    const button = target.closest?.("[data-upload-remove]");
    if (button) remove(button.closest("[data-upload]"));
  });
  // An upload belongs to who sent it: another session sends it again.
  document.addEventListener("session:renewed", sendChosen);
  // Before htmx hears of it.
  document.addEventListener("submit", wait, true);
}

function begin(box, file) {
  const { input } = parts(box);
  box.upload?.abort();
  input.removeAttribute("name"); // the number is sent instead
  document.getElementById(`${input.id}-errors`)?.replaceChildren(); // they were about another file
  setNumber(box, "");
  if (file.size > input.dataset.mostMb * MB) {
    return fail(box, `${file.name} is larger than ${input.dataset.mostMb} MB, the most that can be uploaded.`);
  }
  say(box, "uploading", file.name, "is being uploaded …");
  parts(box).bar.value = 0;
  box.upload = send(box, file);
}

function send(box, file) {
  const request = new XMLHttpRequest(); // fetch does not tell how much is sent
  const form = new FormData();
  form.append("file", file);
  request.open("POST", box.dataset.upload);
  request.setRequestHeader("X-CSRFToken", document.querySelector("meta[name=csrf-token]")?.content ?? "");
  request.responseType = "json";
  request.upload.addEventListener("progress", ({ loaded, total }) => {
    if (!box.isConnected) return request.abort();
    parts(box).bar.value = total ? (100 * loaded) / total : 0;
  });
  request.addEventListener("load", () => settle(box, request));
  request.addEventListener("error", () => fail(box, "The server does not answer. Choose the file again."));
  request.send(form);
  return request;
}

function settle(box, { status, response }) {
  if (!box.isConnected) return;
  if (status === 401 || (status === 400 && !box.isRepeated)) return repeat(box);
  if (status !== 201) return fail(box, sentence(response) ?? "The file could not be uploaded. Choose it again.");
  box.isRepeated = false;
  say(box, "done", response.name, size(response.size));
  setNumber(box, response.id);
  goOn(box.closest("form"));
}

// The session has ended meanwhile. The file stays chosen, and is sent once somebody is signed in again.
async function repeat(box) {
  const { files } = parts(box).input;
  box.isRepeated = true;
  if (await mayBeSent(box.closest("form"))) return begin(box, files[0]);
  waiting = null;
  say(box, "failed", files[0].name, "is still chosen. It is uploaded once you are signed in again.");
}

function sendChosen() {
  for (const box of document.querySelectorAll("[data-upload]")) {
    const { files } = parts(box).input;
    if (files.length) begin(box, files[0]);
  }
}

function sentence(response) {
  const { message, fields } = response?.error ?? {};
  return Object.values(fields ?? {})[0] ?? message;
}

function fail(box, text) {
  waiting = null;
  say(box, "failed", "", text);
  parts(box).input.value = "";
}

function remove(box) {
  box.upload?.abort();
  waiting = null;
  const { input } = parts(box);
  input.value = "";
  say(box, "empty", "", "");
  setNumber(box, "");
  input.focus();
}

// Say it to everybody: the line is a live region.
function say(box, state, name, text) {
  const { line, input } = parts(box);
  box.dataset.state = state;
  const strong = Object.assign(document.createElement("span"), { className: "upload-name", textContent: name });
  const rest = Object.assign(document.createElement("span"), { textContent: text });
  if (state !== "failed") rest.className = "muted";
  line.replaceChildren(...(name ? [strong, " "] : []), rest);
  if (state === "failed") input.setAttribute("aria-invalid", "true");
  else input.removeAttribute("aria-invalid");
}

// The form hears of it like of anything that is typed: its preview looks again.
function setNumber(box, value) {
  const { number } = parts(box);
  if (number.value === String(value)) return;
  number.value = value;
  number.dispatchEvent(new Event("input", { bubbles: true }));
}

function wait(event) {
  const box = event.target.querySelector('[data-upload][data-state="uploading"]');
  if (!box) return;
  event.preventDefault();
  event.stopImmediatePropagation();
  waiting = { form: event.target, submitter: event.submitter };
  say(box, "uploading", parts(box).input.files[0].name, "is being uploaded; then the job is created.");
}

function goOn(form) {
  if (!waiting || waiting.form !== form) return;
  if (form.querySelector('[data-upload][data-state="uploading"]')) return;
  const { submitter } = waiting;
  waiting = null;
  form.requestSubmit(submitter);
}

function parts(box) {
  return {
    number: box.querySelector("input[type=hidden]"),
    input: box.querySelector("input[type=file]"),
    line: box.querySelector(".upload-state"),
    bar: box.querySelector("progress"),
  };
}

// The words of `size` in app/web/filters.py.
function size(bytes) {
  if (bytes < 1000) return `${bytes} B`;
  let amount = bytes;
  let unit = -1;
  while (amount >= 999.5) [amount, unit] = [amount / 1000, unit + 1];
  return `${amount.toFixed(amount >= 100 ? 0 : 1)} ${["kB", "MB", "GB"][unit]}`;
}
