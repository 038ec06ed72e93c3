// @ts-check
/** Requests to where the page came from, with errors that say something. */

/** What went wrong, in the server's words where it had any. */
export class Problem extends Error {
  /**
   * @param {string} detail
   * @param {number} status as HTTP counts, 0 when no answer came
   * @param {string} [title]
   */
  constructor(detail, status, title = "That did not work") {
    super(detail);
    this.name = "Problem";
    this.status = status;
    this.title = title;
    /** @type {{text: string, href: string}[]} what would work */
    this.near = [];
  }
}

/** Fires `revision` when the atlas has changed and `connection` (detail: boolean) when the server goes or comes. */
export const changes = new EventTarget();

let connected = true;

/**
 * Fetches, or throws a `Problem`.
 *
 * @param {string} url
 * @param {RequestCache} [cache]
 * @param {AbortSignal} [signal]
 * @returns {Promise<Response>}
 */
export async function ask(url, cache = "default", signal) {
  /** @type {Response} */
  let response;
  try {
    response = await fetch(url, { cache, signal, credentials: "same-origin" });
  } catch (error) {
    if (signal?.aborted) throw error;
    connection(false);
    throw new Problem("No answer from the server. Is `striate serve` still running?", 0, "No connection");
  }
  connection(true);
  if (response.ok) return response;
  throw await problemOf(response);
}

/** @param {Response} response */
async function problemOf(response) {
  const kind = response.headers.get("content-type") ?? "";
  if (kind.includes("json")) {
    const said = await response.json().catch(() => ({}));
    if (said.detail) return new Problem(String(said.detail), response.status, said.title);
  }
  const name = new URL(response.url).pathname.split("/").slice(-3).join("/");
  return new Problem(`${name} could not be had (HTTP ${response.status}).`, response.status);
}

/**
 * @param {string} url
 * @param {RequestCache} cache
 * @returns {Promise<any>}
 */
export async function json(url, cache) {
  const response = await ask(url, cache);
  try {
    return await response.json();
  } catch {
    throw new Problem(`${url} is not the JSON that was expected.`, response.status);
  }
}

/** @param {boolean} now */
function connection(now) {
  if (now === connected) return;
  connected = now;
  changes.dispatchEvent(new CustomEvent("connection", { detail: now }));
}
