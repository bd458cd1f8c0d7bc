// One websocket for the page. Whatever carries data-live="topic" is subscribed while it is there.
import { closeDialog, holdFocus } from "./dialogs.js";
import { morph, parse, reconcile } from "./morph.js";
import { goToLogin, isSignedOut } from "./requests.js";
import { tickTimes } from "./times.js";
import { toast } from "./toasts.js";

const FIRST_WAIT = 500;
const LONGEST_WAIT = 5000;
const HIDDEN = 60_000;
const SIGNED_OUT = 4401;
const REFUSED = 1008;
const WORDS = { connecting: "Connecting", live: "Live", reconnecting: "Reconnecting", off: "Not live" };

let socket = null;
let timer = 0;
let sleep = 0;
let wait = FIRST_WAIT;
let stopped = false;
const subscribed = new Set();
const waiting = new Map(); // by topic: what has come and is not shown yet

export function startLive() {
  new MutationObserver(follow).observe(document.body, {
    subtree: true, childList: true, attributes: true, attributeFilter: ["data-live"],
  });
  let before = new Set();
  document.addEventListener("htmx:before:swap", () => (before = new Set(subscribed)));
  document.addEventListener("htmx:after:swap", ({ detail }) => renew(detail.ctx.target, before));
  addEventListener("online", reconnectNow);
  addEventListener("pagehide", () => socket?.close(1000));
  addEventListener("pageshow", ({ persisted }) => persisted && reconnectNow());
  document.addEventListener("visibilitychange", restWhileHidden);
  follow();
}

// Each socket costs the server two threads: a tab that nobody looks at for long gives its own back.
function restWhileHidden() {
  clearTimeout(sleep);
  if (document.hidden) sleep = setTimeout(() => socket?.close(1000), HIDDEN);
  else reconnectNow();
}

function wantedTopics(within = document.body) {
  const elements = [within, ...within.querySelectorAll("[data-live]")];
  return new Set(elements.map((element) => element.dataset.live).filter(Boolean));
}

// Subscribe to what has come, unsubscribe from what has gone.
function follow() {
  const wanted = wantedTopics();
  if (wanted.size && !socket && !timer) return connect();
  if (socket?.readyState !== WebSocket.OPEN) return;
  for (const topic of subscribed) if (!wanted.has(topic)) send("unsubscribe", topic);
  for (const topic of wanted) if (!subscribed.has(topic)) send("subscribe", topic);
}

// The answer to a request may be older than what the socket has shown already, and the socket tells
// only what has changed since. So it is asked to tell everything once more.
function renew(target, before) {
  const within = typeof target === "string" ? document.querySelector(target) : target;
  if (!within || socket?.readyState !== WebSocket.OPEN) return;
  for (const topic of wantedTopics(within)) {
    if (!before.has(topic) || !subscribed.has(topic)) continue;
    send("unsubscribe", topic);
    send("subscribe", topic);
  }
}

function send(verb, topic) {
  socket.send(JSON.stringify({ [verb]: topic }));
  if (verb === "subscribe") subscribed.add(topic);
  else subscribed.delete(topic);
  waiting.delete(topic);
}

function connect() {
  if (stopped) return;
  const scheme = location.protocol === "https:" ? "wss" : "ws";
  socket = new WebSocket(`${scheme}://${location.host}/live`);
  let opened = false;
  socket.addEventListener("open", () => {
    opened = true;
    follow();
  });
  socket.addEventListener("message", ({ data }) => receive(JSON.parse(data)));
  socket.addEventListener("close", ({ code }) => lost(code, opened));
}

function lost(code, wasOpen) {
  if (!wasOpen) askWhy();
  socket = null;
  subscribed.clear();
  if (code === SIGNED_OUT) {
    stopped = true;
    goToLogin();
  } else if (code === REFUSED) {
    stop("The server ended the live connection. Load the page again to go on.");
  } else {
    say("reconnecting");
    if (document.hidden) return;
    timer = setTimeout(reconnectNow, wait);
    wait = Math.min(wait * 2, LONGEST_WAIT);
  }
}

// A browser does not tell why a socket was refused. It may be that nobody is signed in any more.
async function askWhy() {
  if (await isSignedOut()) lost(SIGNED_OUT, true);
}

function stop(sentence) {
  stopped = true;
  say("off");
  toast(sentence, "error");
}

function reconnectNow() {
  clearTimeout(timer);
  timer = 0;
  if (!socket && wantedTopics().size) connect();
}

/** A browser that is slower than the news shows the newest of it, and hears its person meanwhile. */
export function receive(message) {
  if (message.error) return refused(message);
  wait = FIRST_WAIT;
  say("live");
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

function say(state) {
  const indicator = document.getElementById("live-indicator");
  if (!indicator || indicator.dataset.state === state) return;
  indicator.dataset.state = state;
  indicator.textContent = WORDS[state];
  document.documentElement.dataset.connection = state; // an open dialog shows it too
}
