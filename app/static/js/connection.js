// The page's one websocket. It is dropped when nothing is heard on it, and opened anew: what a proxy or
// a sleeping computer has cut off tells nobody.
import { whyRefused } from "./session.js";

/** Milliseconds. */
export const delays = {
  first: 500, // from a lost connection to the next try; doubled at each try, up to
  longest: 5_000,
  refused: 15_000, // to the next try when there was no place
  silent: 60_000, // the server says a word at least every 30 s
  opening: 15_000,
  fresh: 5_000, // what was heard so lately proves that the connection lives
  hidden: 60_000, // a tab that nobody looks at for so long gives its connection back
  check: 5_000,
};
const SIGNED_OUT = 4401;
const REFUSED = 1008;
const NO_PONG = "Ping/Pong timeout"; // of a page that slept: a 1008 that is no refusal

let socket = null;
let retry = 0;
let rest = 0;
let wait = delays.first;
let heardAt = 0;
let checkedAt = 0;
let isAsking = false; // why it was refused
let isSignedOut = false; // until the session is renewed
let isEnded = false;
let page; // its part: isWanted(), opened(), received(message), lost(), signedOut(), say(state, sentence)

/** Have a connection while the page wants one, and tell the page how it stands. */
export function keepConnection(given) {
  page = given;
  addEventListener("online", renew);
  addEventListener("offline", renew);
  addEventListener("pagehide", drop);
  addEventListener("pageshow", ({ persisted }) => persisted && renew());
  document.addEventListener("visibilitychange", restWhileHidden);
  checkedAt = Date.now();
  setTimeout(check, delays.check);
}

/** Connect, unless there is a connection or one is on its way. */
export function connect() {
  if (socket || retry || isAsking || isSignedOut || isEnded || !page.isWanted()) return;
  const scheme = location.protocol === "https:" ? "wss" : "ws";
  const mine = new WebSocket(`${scheme}://${location.host}/live`);
  const heed = (listener) => (event) => mine === socket && listener(event);
  let opened = false;
  socket = mine;
  heardAt = Date.now();
  mine.addEventListener("open", heed(() => { opened = true; page.opened(); }));
  mine.addEventListener("message", heed(({ data }) => hear(JSON.parse(data))));
  mine.addEventListener("close", heed((event) => lost(event, opened)));
}

/** Drop what there is and connect anew, at once. */
export function renew() {
  drop();
  if (isEnded) return;
  if (isSignedOut) return signedOut();
  wait = delays.first;
  sayLost();
  connect();
}

/** Somebody is signed in again. */
export function resume() {
  isSignedOut = false;
  renew();
}

export function isOpen() {
  return socket?.readyState === WebSocket.OPEN;
}

export function send(message) {
  socket.send(JSON.stringify(message));
}

function hear(message) {
  heardAt = Date.now();
  wait = delays.first;
  page.say("live");
  if (!("heartbeat" in message)) page.received(message);
}

// The close event of a connection that is dead comes late, or never: nobody waits for it.
function drop() {
  const old = socket;
  socket = null;
  clearTimeout(retry);
  retry = 0;
  old?.close(1000);
  page.lost();
}

function lost({ code, reason }, wasOpen) {
  socket = null;
  page.lost();
  if (code === SIGNED_OUT) return signedOut();
  if (code === REFUSED && reason !== NO_PONG) return end();
  sayLost();
  if (wasOpen) tryAgain();
  else askWhy();
}

// A browser does not tell a script why a socket was refused; a request to the same address does.
async function askWhy() {
  isAsking = true;
  const { status, sentence } = await whyRefused();
  isAsking = false;
  if (socket || retry) return;
  if (status === 401) return signedOut();
  if (!sentence) return tryAgain();
  page.say("refused", sentence);
  schedule(delays.refused * (1 + Math.random() / 2));
}

async function signedOut() {
  isSignedOut = true;
  page.say("signed-out");
  if (await page.signedOut()) return;
  isSignedOut = false; // the server did not answer who is here
  tryAgain();
}

function end() {
  isEnded = true;
  page.say("off", "The server ended the live connection. Load the page again to go on.");
}

function tryAgain() {
  schedule(wait);
  wait = Math.min(wait * 2, delays.longest);
}

function schedule(delay) {
  if (document.hidden) return; // until somebody looks
  retry = setTimeout(() => {
    retry = 0;
    connect();
  }, delay);
}

function sayLost() {
  page.say(navigator.onLine ? "reconnecting" : "offline");
}

// Each socket costs the server two threads.
function restWhileHidden() {
  clearTimeout(rest);
  if (document.hidden) rest = setTimeout(drop, delays.hidden);
  else if (!socket || since(heardAt) > delays.fresh) renew();
}

// A timer that comes much too late: the computer slept, or the browser froze the page.
function check() {
  const slept = since(checkedAt) > delays.check + delays.opening;
  checkedAt = Date.now();
  setTimeout(check, delays.check);
  if (!socket || document.hidden) return;
  const patience = isOpen() ? delays.silent : delays.opening;
  if (slept || since(heardAt) > patience) renew();
}

// A clock that was set back must not make anybody wait for it.
function since(moment) {
  return Math.abs(Date.now() - moment);
}
