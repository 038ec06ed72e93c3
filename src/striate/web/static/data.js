// @ts-check
/** What the page knows of the atlas: cached, bounded, new when the atlas has changed. */

import { changes, json } from "./ask.js";

export { ask, changes, Problem } from "./ask.js";

/** @typedef {import("../messages.js").Network} Network */
/** @typedef {import("../messages.js").Status} Status */

const KEPT = 300;
const POLL = 5000;


/** @type {Map<string, Promise<any>>} */
const kept = new Map();
/** @type {Promise<Network> | null} */
let known = null;
let revision = "";

/**
 * A message, from the cache if it is there.
 *
 * @param {string} path such as "data/layers/3.json"
 * @param {AbortSignal} [signal] ends the wait; the message is kept for the next who asks
 * @returns {Promise<any>}
 */
export function load(path, signal) {
  let answer = kept.get(path);
  kept.delete(path);
  if (!answer) {
    answer = json(picture(path), "default");
    const mine = answer;
    answer.catch(() => kept.get(path) === mine && kept.delete(path));
  }
  kept.set(path, answer);
  for (const oldest of kept.keys()) {
    if (kept.size <= KEPT) break;
    kept.delete(oldest);
  }
  return signal ? until(answer, signal) : answer;
}

/**
 * The first message, which all pages need.
 *
 * @returns {Promise<Network>}
 */
export function network() {
  if (!known) {
    const asked = json("data/network.json", "no-cache").then((/** @type {Network} */ message) => {
      revision = message.status.revision;
      if (!message.status.finished) schedule();
      // Who comes back to the page may have run a command that adds to the atlas, or built it anew.
      addEventListener("focus", poll);
      return message;
    });
    asked.catch(() => (known = known === asked ? null : known));
    known = asked;
  }
  return known;
}

/**
 * The URL of a picture or message; a changed atlas gives another URL.
 *
 * @param {string} path
 * @returns {string}
 */
export function picture(path) {
  return revision === "" ? path : `${path}?v=${encodeURIComponent(revision)}`;
}

/**
 * @template T
 * @param {Promise<T>} answer
 * @param {AbortSignal} signal
 * @returns {Promise<T>}
 */
function until(answer, signal) {
  return new Promise((resolve, reject) => {
    const stop = () => reject(new DOMException("The page was left.", "AbortError"));
    if (signal.aborted) stop();
    signal.addEventListener("abort", stop, { once: true });
    answer.then(resolve, reject).finally(() => signal.removeEventListener("abort", stop));
  });
}

let timer = 0;

function schedule() {
  clearTimeout(timer);
  timer = setTimeout(poll, POLL);
}

async function poll() {
  /** @type {Status | null} */
  const status = await json("data/status.json", "no-cache").catch(() => null);
  if (!status?.finished) schedule();
  if (!status || status.revision === revision) return;
  kept.clear();
  known = null;
  revision = status.revision;
  changes.dispatchEvent(new CustomEvent("revision", { detail: status }));
}
