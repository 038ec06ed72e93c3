// @ts-check
/** Addresses of layers, units and neurons: the same grammar as in Python, held by shared vectors. */

/**
 * @typedef {object} Address
 * @property {string} layer
 * @property {number | null} unit
 * @property {number | null} row
 * @property {number | null} column
 */

// Only ASCII white space is kept out and only ASCII digits count: JavaScript's \s knows more than that.
const PATTERN = /^([^:@ \t\n\r\f\v]+)(?::([0-9]+)(?:@([0-9]+),([0-9]+))?)?$/;

/**
 * Read an address such as `layer4.1.relu:37@6,5`; null when the text has another form.
 * @param {string} text
 * @returns {Address | null}
 */
export function parseAddress(text) {
  const found = PATTERN.exec(text);
  if (!found) return null;
  const [unit, row, column] = found.slice(2).map((part) => (part === undefined ? null : Number(part)));
  if ([unit, row, column].some((part) => part !== null && !Number.isSafeInteger(part))) return null;
  return { layer: found[1], unit, row, column };
}

/**
 * Write an address.
 * @param {{layer: string, unit?: number | null, row?: number | null, column?: number | null}} address
 */
export function printAddress({ layer, unit = null, row = null, column = null }) {
  const place = row === null || column === null ? "" : `@${row},${column}`;
  return unit === null ? layer : `${layer}:${unit}${place}`;
}
