// @ts-check
/** An image as the network gets it, with room for a box on it. */

import { ask, picture } from "./data.js";
import { h, s } from "./dom.js";

/** @typedef {[top: number, left: number, bottom: number, right: number]} Box */

export class ImageFrame {
  /** @param {{image: number, file: string, size: [number, number], skipped: string | null}} image */
  constructor({ image, file, size: [height, width], skipped }) {
    this.outer = s("rect", { class: "box-outer", "vector-effect": "non-scaling-stroke" });
    this.inner = s("rect", { class: "box-inner", "vector-effect": "non-scaling-stroke" });
    this.drawing = s("svg", { class: "image-box", viewBox: `0 0 ${width} ${height}`, "aria-hidden": "true" }, this.outer, this.inner);
    this.says = h("figcaption", { class: "muted small", role: "status" });
    const src = picture(`pictures/images/${image}.webp`);
    const frame = h("div", { class: "image-frame" });
    const missing = (/** @type {string} */ why) => frame.replaceChildren(h("p", { class: "missing-image", text: why }));
    if (skipped !== null) missing("There is no picture: the image was skipped.");
    else {
      const shown = h("img", { src, alt: file, width, height, class: Math.max(width, height) < 160 ? "enlarged" : "" });
      shown.addEventListener("error", () => ask(src).then(() => missing("The picture cannot be shown."), (error) => missing(error.message)));
      frame.append(shown, this.drawing);
    }
    this.node = h("figure", { class: "image-figure" }, frame, this.says);
    this.mark(null, "");
  }

  /**
   * Draw a box and say what it is; null takes it away.
   * @param {Box | null} box
   * @param {string} text
   */
  mark(box, text) {
    this.drawing.toggleAttribute("hidden", box === null);
    this.says.textContent = text || "Point at a unit with a place to see what it saw.";
    if (!box) return;
    const [top, left, bottom, right] = box;
    for (const rect of [this.outer, this.inner]) {
      for (const [name, value] of Object.entries({ x: left, y: top, width: right - left, height: bottom - top })) {
        rect.setAttribute(name, String(value));
      }
    }
  }
}
