// What every htmx request has in common: its CSRF token, a sign of work, a sentence when it fails.
import { mayBeSent, meetSignOut, refreshSession } from "./session.js";
import { toast } from "./toasts.js";

const SENTENCES = {
  400: "That page is too old for this. Load it again, please.",
  403: "You may not do that.",
  404: "That is no longer there.",
  409: "That is not possible any more: something has changed meanwhile.",
  413: "That is too large.",
  429: "Too many requests. Wait a moment, please.",
  503: "The server is busy or stopping. Try again in a moment, please.",
};

export function watchRequests() {
  document.addEventListener("htmx:config:request", addToken);
  document.addEventListener("htmx:before:request", () => busy(1));
  document.addEventListener("htmx:finally:request", () => busy(-1));
  document.addEventListener("htmx:before:swap", keepErrorsOut);
  document.addEventListener("htmx:error", sayThatItFailed);
}

function addToken({ detail: { ctx } }) {
  if (ctx.request.method === "GET") return;
  const token = document.querySelector("meta[name=csrf-token]")?.content;
  if (token) ctx.request.headers["X-CSRFToken"] = token;
}

let running = 0;

function busy(change) {
  running = Math.max(running + change, 0);
  document.documentElement.toggleAttribute("data-busy", running > 0);
}

// An error page is not what the target waits for; only a form with its errors (422) is.
function keepErrorsOut(event) {
  const { status } = event.detail.ctx.response ?? {};
  if (!status || status < 400 || (status === 422 && !isSentence(event.detail.ctx))) return;
  event.preventDefault();
  tellOf(event.detail.ctx);
}

async function tellOf(ctx) {
  const { status } = ctx.response;
  if (status === 401) return isForm(ctx.sourceElement) ? mayBeSent(ctx.sourceElement) : meetSignOut();
  if (status === 400 && (await refreshSession())) return;
  toast(sentenceOf(ctx) ?? "The server could not do that. It has been logged.", "error");
}

function isForm(element) {
  return element instanceof HTMLFormElement;
}

// A script is answered with the sentence itself; something before the server answers with a page.
function sentenceOf(ctx) {
  return (isSentence(ctx) && ctx.text.trim()) || SENTENCES[ctx.response.status];
}

function isSentence({ response }) {
  return response.headers.get("Content-Type")?.startsWith("text/plain") ?? false;
}

function sayThatItFailed({ detail }) {
  if (detail.ctx?.response) return;
  toast("The server does not answer. Check the connection and try again.", "error");
}
