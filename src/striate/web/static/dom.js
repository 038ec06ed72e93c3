// @ts-check
/** Elements without innerHTML: every string becomes a text node, so that no name can become markup. */

const SVG = "http://www.w3.org/2000/svg";

/**
 * @typedef {Node | string | number | null | undefined | false} Leaf
 * @typedef {Leaf | Leaf[]} Child
 * @typedef {{[name: string]: any}} Props `class`, `text`, `dataset`, `style`, `on`; all others are attributes
 */

/**
 * Makes an HTML element.
 *
 * @template {string} T
 * @param {T} tag
 * @param {Props | null} [props]
 * @param {...Child} children
 * @returns {T extends keyof HTMLElementTagNameMap ? HTMLElementTagNameMap[T] : HTMLElement}
 */
export function h(tag, props, ...children) {
  return /** @type {any} */ (fill(document.createElement(tag), props, children));
}

/**
 * Makes an SVG element.
 *
 * @template {keyof SVGElementTagNameMap} T
 * @param {T} tag
 * @param {Props | null} [props]
 * @param {...Child} children
 * @returns {SVGElementTagNameMap[T]}
 */
export function s(tag, props, ...children) {
  return fill(document.createElementNS(SVG, tag), props, children);
}

/**
 * @template {HTMLElement | SVGElement} E
 * @param {E} element
 * @param {Props | null | undefined} props
 * @param {Child[]} children
 * @returns {E}
 */
function fill(element, props, children) {
  for (const [name, value] of Object.entries(props ?? {})) set(element, name, value);
  append(element, children);
  return element;
}

/**
 * @param {HTMLElement | SVGElement} element
 * @param {string} name
 * @param {any} value
 */
function set(element, name, value) {
  if (value === null || value === undefined) return;
  if (name === "class") element.setAttribute("class", value);
  else if (name === "text") element.textContent = String(value);
  else if (name === "dataset") Object.assign(element.dataset, value);
  else if (name === "style") style(element, value);
  else if (name === "on") {
    for (const [event, run] of Object.entries(value)) element.addEventListener(event, run);
  } else if (name.startsWith("aria-")) element.setAttribute(name, String(value));
  else if (value === true) element.setAttribute(name, "");
  else if (value !== false) element.setAttribute(name, String(value));
}

/**
 * @param {HTMLElement | SVGElement} element
 * @param {{[property: string]: string | number}} properties in CSS or camel case; `--name` too
 */
function style(element, properties) {
  for (const [name, value] of Object.entries(properties)) {
    const property = name.startsWith("--") ? name : name.replace(/[A-Z]/g, (c) => `-${c.toLowerCase()}`);
    element.style.setProperty(property, String(value));
  }
}

/**
 * Appends children of any kind; null, undefined and false are left out.
 *
 * @param {Element | DocumentFragment} element
 * @param {Child[]} children
 */
export function append(element, children) {
  for (const child of children.flat()) {
    if (child === null || child === undefined || child === false) continue;
    element.append(child instanceof Node ? child : String(child));
  }
}

/**
 * Text of a number: "7.31", "1.2e-7", and a dash for null.
 *
 * @param {number | null | undefined} value
 * @param {number} [digits] significant ones
 * @returns {string}
 */
export function number(value, digits = 4) {
  if (value === null || value === undefined || !Number.isFinite(value)) return "—";
  if (Number.isInteger(value)) return value.toLocaleString("en").replace("-", "−");
  const size = Math.abs(value);
  const text = size >= 1e-4 && size < 10 ** digits ? String(Number(value.toPrecision(digits)))
    : size >= 1 && size < 1e9 ? Math.round(value).toLocaleString("en")
      : value.toExponential(digits - 2);
  return text.replaceAll("-", "−");
}

/**
 * Text of a number in a column of others: always as many digits, "6.300".
 *
 * @param {number | null | undefined} value
 * @param {number} [digits]
 * @returns {string}
 */
export function even(value, digits = 3) {
  if (value === null || value === undefined || !Number.isFinite(value)) return "—";
  const size = Math.abs(value);
  if (size !== 0 && (size < 0.01 || size >= 10 ** digits)) return number(value, digits);
  return value.toPrecision(digits).replace("-", "−");
}

/**
 * An address that may be broken behind its dots and slashes.
 *
 * @param {string} address
 * @returns {(string | Node)[]}
 */
export function breakable(address) {
  return address.split(/(?<=[./])/).flatMap((part, k) => (k === 0 ? [part] : [document.createElement("wbr"), part]));
}

/**
 * Text of a share in [0, 1], as percent.
 *
 * @param {number | null | undefined} share
 * @returns {string}
 */
export function percent(share) {
  if (share === null || share === undefined || !Number.isFinite(share)) return "—";
  const value = share * 100;
  if (value > 0 && value < 0.1) return "< 0.1 %";
  return `${value > 99.9 && value < 100 ? "> 99.9" : Number(value.toFixed(1))} %`;
}
