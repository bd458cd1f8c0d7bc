// One websocket for the page. Whatever carries data-live="topic" is subscribed while it is there.
import { connect, isOpen, keepConnection, resume, send } from "./connection.js";
import { closeDialog, holdFocus } from "./dialogs.js";
import { morph, parse, reconcile } from "./morph.js";
import { meetSignOut } from "./session.js";
import { tickTimes } from "./times.js";
import { toast } from "./toasts.js";

const WORDS = {
  connecting: "Connecting",
  live: "Live",
  reconnecting: "Reconnecting",
  offline: "Offline",
  refused: "Not live",
  off: "Not live",
  "signed-out": "Signed out",
};

const subscribed = new Set();
const waiting = new Map(); // by topic: what has come and is not shown yet

export function startLive() {
  new MutationObserver(follow).observe(document.body, {
    subtree: true, childList: true, attributes: true, attributeFilter: ["data-live"],
  });
  let before = new Set();
  document.addEventListener("htmx:before:swap", () => (before = new Set(subscribed)));
  document.addEventListener("htmx:after:swap", ({ detail }) => renew(detail.ctx.target, before));
  document.addEventListener("session:renewed", resume);
  keepConnection({
    isWanted: () => wantedTopics().size > 0,
    opened: follow,
    received: receive,
    lost: () => subscribed.clear(),
    signedOut: () => meetSignOut(),
    say,
  });
  follow();
}

function wantedTopics(within = document.body) {
  const elements = [within, ...within.querySelectorAll("[data-live]")];
  return new Set(elements.map((element) => element.dataset.live).filter(Boolean));
}

// Subscribe to what has come, unsubscribe from what has gone.
function follow() {
  const wanted = wantedTopics();
  if (!isOpen()) return connect();
  for (const topic of subscribed) if (!wanted.has(topic)) ask("unsubscribe", topic);
  for (const topic of wanted) if (!subscribed.has(topic)) ask("subscribe", topic);
}

// The answer to a request may be older than what the socket has shown already, and the socket tells
// only what has changed since. So it is asked to tell everything once more.
function renew(target, before) {
  const within = typeof target === "string" ? document.querySelector(target) : target;
  if (!within || !isOpen()) return;
  for (const topic of wantedTopics(within)) {
    if (!before.has(topic) || !subscribed.has(topic)) continue;
    ask("unsubscribe", topic);
    ask("subscribe", topic);
  }
}

function ask(verb, topic) {
  send({ [verb]: topic });
  if (verb === "subscribe") subscribed.add(topic);
  else subscribed.delete(topic);
  waiting.delete(topic);
}

/** A browser that is slower than the news shows the newest of it, and hears its person meanwhile. */
export function receive(message) {
  if (message.error) return refused(message);
  if (message.subscribed || !subscribed.has(message.topic)) return;
  if (!waiting.size) setTimeout(show);
  waiting.set(message.topic, merged(waiting.get(message.topic), message));
}

function show() {
  const messages = [...waiting.values()];
  waiting.clear();
  messages.forEach(apply);
}

function merged(older, newer) {
  const lists = { ...older?.lists };
  for (const [id, { order, html }] of Object.entries(newer.lists ?? {})) {
    lists[id] = { order, html: { ...lists[id]?.html, ...html } };
  }
  return { html: { ...older?.html, ...newer.html }, lists };
}

// A popup whose job is gone shows nothing that is true any more. Who has just deleted it knows.
function refused({ topic, error }) {
  if (topic && !subscribed.delete(topic)) return;
  const elements = [...document.querySelectorAll("[data-live]")].filter(({ dataset }) => dataset.live === topic);
  for (const { dataset } of elements) delete dataset.live; // else it would be asked for again
  const isClosed = elements.length > 0 && elements.every((element) => element.closest("dialog:not([open])"));
  const isOwnDoing = isClosed || "busy" in document.documentElement.dataset;
  if (topic?.startsWith("view/job/")) closeDialog();
  if (!isOwnDoing) toast(error, "error");
}

function apply({ html, lists }) {
  const release = holdFocus();
  const tails = [...document.querySelectorAll("[data-tail]")].filter(isAtEnd);
  for (const [id, text] of Object.entries(html)) {
    const element = document.getElementById(id);
    if (element) morph(element, parse(text));
  }
  for (const [id, list] of Object.entries(lists)) {
    const container = document.getElementById(id);
    if (container) reconcile(container, list);
    if (container) tickTimes(container);
  }
  for (const id of Object.keys(html)) tickTimes(document.getElementById(id) ?? document.createElement("i"));
  for (const tail of tails) tail.scrollTop = tail.scrollHeight;
  release();
}

function isAtEnd(element) {
  return element.scrollTop + element.clientHeight >= element.scrollHeight - 4;
}

function say(state, sentence = "") {
  const indicator = document.getElementById("live-indicator");
  if (!indicator) return;
  showReason(sentence);
  if (indicator.dataset.state === state) return;
  document.documentElement.dataset.connection = state; // an open dialog shows it too
  indicator.dataset.state = state;
  indicator.textContent = WORDS[state];
}

function showReason(sentence) {
  const reason = document.getElementById("live-reason");
  reason.hidden = !sentence;
  const text = document.getElementById("live-reason-text");
  if (text.textContent !== sentence) text.textContent = sentence;
}
