// The session may end under a page: signed out elsewhere, or another person signed in. Unless it is known
// to be as it was, the server is asked before a form is sent, so that what was entered stays where it is.
import { raise, toast } from "./toasts.js";

/** Milliseconds. */
export const delays = {
  look: 2_000, // whether the person has signed in beside the page
  refresh: 5_000, // so old is what is known of the session while somebody fills in a form
  trust: 10_000, // a form is sent without a question when the answer is younger
};
const SESSION = "jobdeck-session"; // the id of this browser's, for its other tabs

const touched = new Set(); // forms in which somebody has entered something
const checking = new WeakSet();
const checked = new WeakSet();
let timer = 0;
let knownAt = Date.now(); // that the session is the one of this page
let told = ""; // what was said of it, once

export function watchSession() {
  if (document.querySelector("[data-signed-out]")) localStorage.setItem(SESSION, "");
  if (!meta("session-id")) return; // a page outside of the shell
  localStorage.setItem(SESSION, meta("session-id").content);
  addEventListener("storage", ({ key }) => key === SESSION && lookAtOtherTab());
  for (const kind of ["input", "change"]) document.addEventListener(kind, ({ target }) => touch(target));
  document.addEventListener("submit", checkFirst, true);
  dialog().addEventListener("close", closed);
}

/** Why no socket was opened, which a browser does not tell: a status, and a sentence if there is one. */
export async function whyRefused() {
  try {
    const answer = await fetch("/live", { headers: { "HX-Request": "true" } });
    const isText = answer.headers.get("Content-Type")?.startsWith("text/plain");
    return { status: answer.status, sentence: isText ? await answer.text() : "" };
  } catch {
    return { status: 0, sentence: "" };
  }
}

/**
 * An answer said that nobody is signed in, or a socket. What is half filled in stays, and nobody who types
 * is interrupted: they are asked when they send it. Any other page is left. False when the server does not
 * answer.
 */
export async function meetSignOut() {
  const now = await session();
  if (!now) return false;
  if (isOfPage(now)) adopt(now, { isNews: true });
  else if (now.person) tell(`${now.person.email} is signed in in this browser now. You are asked before anything is sent.`);
  else if (isHalfFilled()) tell("You are signed out. What you have entered stays here: sign in in another tab before you send it.");
  else goToLogin();
  return true;
}

/** Take over the token of a newer session; true when there was one, or somebody is asked. */
export async function refreshSession() {
  const now = await session();
  if (!now) return false;
  if (!isOfPage(now)) return meetSignOut();
  if (now.sessionId === meta("session-id").content) return false;
  adopt(now);
  toast("You had signed in again meanwhile. Press the button once more.", "info");
  return true;
}

/** Whether a form may be sent, in the name of the person who opened the page. */
export async function mayBeSent(form) {
  const now = await session();
  if (!now) return true; // the request itself will say what is wrong
  if (isOfPage(now)) adopt(now);
  else if (now.person) show("another", now);
  else if (isHalfFilled() || hasEntries(form)) show("ended", now);
  else goToLogin();
  return isOfPage(now);
}

// In the capture phase: before htmx and all others, who only see a form that may be sent.
async function checkFirst(event) {
  const { target: form, submitter } = event;
  const method = submitter?.getAttribute("formmethod") ?? form.getAttribute("method");
  if (method?.toLowerCase() !== "post" || checked.delete(form) || isKnown(form)) return;
  event.preventDefault();
  event.stopImmediatePropagation();
  if (checking.has(form)) return; // a second press is the same press
  checking.add(form);
  const may = await mayBeSent(form).finally(() => checking.delete(form));
  if (!may || !form.isConnected) return;
  checked.add(form);
  form.requestSubmit(submitter?.form === form ? submitter : undefined);
  checked.delete(form); // a form that is not valid has sent no event
}

async function session() {
  try {
    const answer = await fetch(meta("session-url").content);
    const now = answer.ok ? await answer.json() : null;
    if (now) knownAt = now.sessionId === meta("session-id").content ? Date.now() : 0;
    return now;
  } catch {
    return null;
  }
}

function isOfPage({ person }) {
  return person !== null && String(person.id) === meta("person-id").content;
}

// Forms need the token of the newer session, and the socket its cookie.
function adopt({ person, sessionId, csrfToken }, { isNews = false } = {}) {
  if (sessionId === meta("session-id").content && !isNews) return;
  told = "";
  meta("session-id").content = sessionId;
  localStorage.setItem(SESSION, sessionId);
  knownAt = Date.now();
  meta("csrf-token").content = csrfToken;
  meta("person-id").content = person.id;
  for (const input of document.querySelectorAll("input[name=csrf_token]")) input.value = csrfToken;
  for (const name of document.querySelectorAll("[data-person-email]")) name.textContent = person.email;
  document.dispatchEvent(new CustomEvent("session:renewed"));
}

function show(state, { person }) {
  const box = dialog();
  box.dataset.state = state;
  box.now = person;
  for (const name of box.querySelectorAll("[data-now-email]")) name.textContent = person?.email ?? "";
  for (const part of box.querySelectorAll("[data-when]")) part.hidden = part.dataset.when !== state;
  if (!box.open) box.showModal();
  raise();
  clearTimeout(timer);
  timer = setTimeout(lookAgain, delays.look);
}

// Until the person has signed in beside it.
async function lookAgain() {
  const box = dialog();
  clearTimeout(timer);
  const now = await session();
  if (!box.open) return;
  if (now && isOfPage(now)) {
    adopt(now);
    box.close("again");
  } else if (now && now.person?.id !== box.now?.id) {
    show(now.person ? "another" : "ended", now);
  } else {
    timer = setTimeout(lookAgain, delays.look);
  }
}

async function lookAtOtherTab() {
  if (dialog().open) return lookAgain();
  const now = await session();
  if (now && isOfPage(now)) adopt(now);
}

function tell(sentence) {
  if (told !== sentence) toast(sentence, "error");
  told = sentence;
}

async function closed() {
  clearTimeout(timer);
  const { returnValue, now: shown } = dialog();
  dialog().returnValue = "";
  if (returnValue === "again") return toast("You are signed in again. Nothing is lost: press the button once more.", "success");
  if (returnValue !== "go-on") return;
  const now = await session();
  if (now?.person?.id !== shown.id) return now && show(now.person ? "another" : "ended", now);
  adopt(now);
  toast(`You go on as ${now.person.email}. Press the button once more.`, "success");
}

function goToLogin() {
  location.assign(`${meta("login-url").content}?next=${encodeURIComponent(location.pathname + location.search)}`);
}

function touch(target) {
  const form = target.form ?? target.closest?.("form");
  if (form?.getAttribute("method")?.toLowerCase() !== "post") return; // form.method may be a field
  touched.add(form);
  if (knownAt && Date.now() - knownAt > delays.refresh) session();
}

// Who has nothing to lose need not wait: the server refuses what is not right.
function isKnown(form) {
  if (localStorage.getItem(SESSION) !== meta("session-id").content) return false;
  return knownAt && (!hasEntries(form) || Date.now() - knownAt < delays.trust);
}

function isHalfFilled() {
  return [...touched].some((form) => form.isConnected);
}

function hasEntries(form) {
  return form.querySelector("input:not([type=hidden]), select, textarea") !== null;
}

function dialog() {
  return document.getElementById("session-ended");
}

function meta(name) {
  return document.querySelector(`meta[name=${name}]`);
}
