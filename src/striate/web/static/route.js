// @ts-check
/** Addresses of pages, all in the fragment so that a plain web host can serve them. */

/**
 * @typedef {"network" | "layer" | "unit" | "images" | "image" | "classes" | "class" | "concepts" | "concept" | "unknown"} PageName
 * @typedef {object} Route
 * @property {PageName} page
 * @property {string} [layer] the layer's address
 * @property {number} [unit]
 * @property {number} [id] an image, a class or a concept
 * @property {URLSearchParams} query
 */

/** @type {{[many: string]: PageName}} */
const ONE_OF = { images: "image", classes: "class", concepts: "concept" };
const RESERVED = new Set(Object.keys(ONE_OF));
const WHOLE = /^\d{1,9}$/;

/** Fires `query` when `setQuery` has changed the query of the page that is open. */
export const routes = new EventTarget();

/**
 * Reads a fragment.
 *
 * @param {string} hash such as "#/features.3/12?view=mean"
 * @returns {Route}
 */
export function parse(hash) {
  const text = hash.replace(/^#?\/?/, "");
  const cut = text.indexOf("?");
  const path = cut < 0 ? text : text.slice(0, cut);
  const query = new URLSearchParams(cut < 0 ? "" : text.slice(cut + 1));
  if (path === "") return { page: "network", query };
  const parts = path.split("/");
  if (RESERVED.has(parts[0])) return collection(parts, query);
  const closed = parts.length > 1 && parts.at(-1) === "";
  if (closed) parts.pop();
  if (parts[0].startsWith("=")) parts[0] = parts[0].slice(1);
  const last = parts.at(-1) ?? "";
  const hasUnit = !closed && parts.length > 1 && WHOLE.test(last);
  try {
    const layer = parts.slice(0, hasUnit ? -1 : undefined).map(decodeURIComponent).join("/");
    return hasUnit ? { page: "unit", layer, unit: Number(last), query } : { page: "layer", layer, query };
  } catch {
    return { page: "unknown", query };
  }
}

/**
 * @param {string[]} parts
 * @param {URLSearchParams} query
 * @returns {Route}
 */
function collection(parts, query) {
  const many = /** @type {"images" | "classes" | "concepts"} */ (parts[0]);
  if (parts.length === 1 || (parts.length === 2 && parts[1] === "")) return { page: many, query };
  if (parts.length === 2 && WHOLE.test(parts[1])) {
    return { page: ONE_OF[many], id: Number(parts[1]), query };
  }
  return { page: "unknown", query };
}

/**
 * @typedef {{[name: string]: string | number | null | undefined}} Query
 */

/**
 * The fragment of a page: `href(["images", 3])`, `href([])` for the network. For layers see `layerHref`.
 *
 * @param {(string | number)[]} parts
 * @param {Query} [query]
 * @returns {string}
 */
export function href(parts, query) {
  const path = parts.map((part) => String(part).split("/").map(encodeURIComponent).join("/")).join("/");
  return `#/${path}${asText(query)}`;
}

/**
 * @param {string} address of a layer
 * @param {Query} [query]
 * @returns {string}
 */
export function layerHref(address, query) {
  const parts = address.split("/");
  // The closing slash keeps the layer "block/3" apart from unit 3 of the layer "block".
  const closed = parts.length > 1 && WHOLE.test(parts.at(-1) ?? "") ? "/" : "";
  return `#/${escaped(parts)}${closed}${asText(query)}`;
}

/**
 * @param {string} address of a layer
 * @param {number} unit
 * @param {Query} [query]
 * @returns {string}
 */
export function unitHref(address, unit, query) {
  return `#/${escaped(address.split("/"))}/${unit}${asText(query)}`;
}

/** @param {string[]} parts */
function escaped(parts) {
  return (RESERVED.has(parts[0]) ? "=" : "") + parts.map(encodeURIComponent).join("/");
}

/** @param {Query} [query] */
function asText(query) {
  const all = new URLSearchParams();
  for (const [name, value] of Object.entries(query ?? {})) {
    if (value !== null && value !== undefined) all.set(name, String(value));
  }
  const text = all.toString();
  return text === "" ? "" : `?${text}`;
}

/**
 * Opens a page, as following a link does.
 *
 * @param {string} target a fragment, as `href` makes
 */
export function go(target) {
  location.hash = target;
}

/**
 * Changes the query of the open page without a new entry in the history; null removes a name.
 *
 * @param {Query} changes
 */
export function setQuery(changes) {
  const [path, text] = (location.hash || "#/").split(/\?(.*)/s);
  const query = new URLSearchParams(text ?? "");
  for (const [name, value] of Object.entries(changes)) {
    if (value === null || value === undefined || value === "") query.delete(name);
    else query.set(name, String(value));
  }
  const rest = query.toString();
  history.replaceState(history.state, "", path + (rest === "" ? "" : `?${rest}`));
  routes.dispatchEvent(new CustomEvent("query", { detail: parse(location.hash) }));
}
