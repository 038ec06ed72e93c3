// @ts-check
/** The drawing as a file that needs no style sheet. */

const PROPERTIES = [
  "fill", "stroke", "stroke-width", "stroke-dasharray", "opacity", "font-family", "font-size",
  "font-weight", "text-anchor",
];

/**
 * The text of a standalone SVG file, with the style that is seen now.
 * @param {SVGSVGElement} drawing
 * @param {number} width
 * @param {number} height
 * @param {string} background
 */
export function standalone(drawing, width, height, background) {
  const copy = /** @type {SVGSVGElement} */ (drawing.cloneNode(true));
  const [seen, written] = [drawing, copy].map((root) => [...root.querySelectorAll("path, text, rect")]);
  seen.forEach((element, k) => {
    const style = getComputedStyle(element);
    for (const name of PROPERTIES) written[k].setAttribute(name, style.getPropertyValue(name));
  });
  for (const element of [copy, ...copy.querySelectorAll("*")]) {
    for (const name of ["class", "tabindex", "role", "aria-label", "aria-current"]) element.removeAttribute(name);
  }
  copy.removeAttribute("style");
  copy.setAttribute("xmlns", "http://www.w3.org/2000/svg");
  copy.setAttribute("width", String(width));
  copy.setAttribute("height", String(height));
  const paper = document.createElementNS("http://www.w3.org/2000/svg", "rect");
  for (const [name, value] of Object.entries({ width, height, fill: background })) paper.setAttribute(name, String(value));
  copy.prepend(paper);
  return new XMLSerializer().serializeToString(copy);
}

/**
 * Hand a text to the browser as a file.
 * @param {string} name
 * @param {string} text
 * @param {string} type
 */
export function download(name, text, type) {
  const url = URL.createObjectURL(new Blob([text], { type }));
  const link = document.createElement("a");
  link.href = url;
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}
