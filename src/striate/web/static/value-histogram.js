// @ts-check
/** `<value-histogram>`: how a unit's activations are distributed, with its strongest marked. */

import { h, number, s } from "./dom.js";
import { axisOf, spanOf, ticksOf } from "./histogram-axis.js";
import { brief, countsOf, summary, table, words } from "./histogram-words.js";

/** @typedef {import("../messages.js").Unit} Unit */
/** @typedef {import("./histogram-axis.js").Bin} Bin */

const WIDTHS = { least: 280, most: 720 };
const HEIGHT = 210;
const ROOM = { left: 52, right: 14, top: 16, bottom: 38 };

/** Give it a `unit`; it fires and hears `highlight` (bubbles; detail: {index} of the strongest, or null). */
export class ValueHistogram extends HTMLElement {
  /** @type {Unit | null} */
  #unit = null;
  #logarithmic = true;
  #width = WIDTHS.most;
  #resized = new ResizeObserver(() => this.#fit());
  #hear = (/** @type {Event} */ event) => this.#light(/** @type {CustomEvent} */ (event).detail?.index ?? null);

  connectedCallback() {
    document.addEventListener("highlight", this.#hear);
    this.#resized.observe(this);
    this.#show();
  }

  disconnectedCallback() {
    this.#resized.disconnect();
    document.removeEventListener("highlight", this.#hear);
  }

  /** @param {Unit | null} unit */
  set unit(unit) {
    this.#unit = unit;
    if (this.isConnected) this.#show();
  }

  get unit() {
    return this.#unit;
  }

  /** The drawing is made for the width that it has, so that its words keep their size. */
  #fit() {
    const width = Math.round(Math.min(WIDTHS.most, Math.max(WIDTHS.least, this.clientWidth)));
    if (width === this.#width || this.clientWidth === 0) return;
    this.#width = width;
    this.#redraw();
  }

  #redraw() {
    this.querySelector(".histogram-drawing")?.replaceWith(this.#draw(this.#bins));
  }

  get #bins() {
    return this.#unit?.histogram.filter(([, , count]) => count > 0) ?? [];
  }

  #show() {
    if (!this.#unit) return;
    const bins = this.#bins;
    const total = bins.reduce((sum, [, , count]) => sum + count, 0);
    if (total === 0) {
      this.replaceChildren(h("p", { class: "muted", text: "No activation of this unit has been counted." }));
      return;
    }
    const log = h("input", { type: "checkbox", checked: this.#logarithmic });
    log.addEventListener("change", () => {
      this.#logarithmic = log.checked;
      this.#redraw();
    });
    const marks = this.#unit.top.length === 0 ? "" : this.#unit.top.length === 1 ? " The strongest image is marked."
      : ` The ${this.#unit.top.length} strongest images are marked.`;
    const only = bins.length === 1 ? `All ${number(total, 9)} are ${words(bins[0])}.` : "";
    this.replaceChildren(
      this.#draw(bins),
      h("p", { class: "histogram-note muted" },
        `${number(total, 9)} activations at up to 4 × 4 places of each map, on a logarithmic axis.${marks} ${only}`),
      h("label", { class: "histogram-choice" }, log, " logarithmic counts"),
      table(bins, total));
  }

  /** @param {Bin[]} bins */
  #draw(bins) {
    const unit = /** @type {Unit} */ (this.#unit);
    const axis = axisOf(bins, unit.top.map(({ value }) => value));
    const most = Math.max(...bins.map(([, , count]) => count));
    const across = (this.#width - ROOM.left - ROOM.right) / (axis.to - axis.from);
    const up = HEIGHT - ROOM.top - ROOM.bottom;
    /** @param {number} at */
    const x = (at) => ROOM.left + (at - axis.from) * across;
    /** @param {number} count */
    const y = (count) => HEIGHT - ROOM.bottom - up * (this.#logarithmic ? Math.log1p(count) / Math.log1p(most) : count / most);
    const bars = bins.map((bin) => {
      const [from, to] = spanOf(axis, bin);
      const open = bin[0] === null || bin[1] === null;
      return s("rect", {
        class: open ? "histogram-bar open" : "histogram-bar", x: x(from), width: Math.max(1, x(to) - x(from) - 0.5),
        y: y(bin[2]), height: HEIGHT - ROOM.bottom - y(bin[2]),
      }, s("title", { text: `${words(bin)}: ${number(bin[2], 9)}` }));
    });
    const below = HEIGHT - ROOM.bottom;
    const marks = unit.top.map(({ value, file }, index) => this.#mark(x(axis.place(value)), index, `Strongest image ${index + 1}: ${number(value)}, ${file}`));
    return s("svg", { class: "histogram-drawing", viewBox: `0 0 ${this.#width} ${HEIGHT}`, role: "img", "aria-label": summary(bins, unit) },
      countsOf(most, this.#logarithmic).map((count) => [
        s("line", { class: "histogram-grid", x1: ROOM.left, x2: this.#width - ROOM.right, y1: y(count), y2: y(count) }),
        s("text", { class: "histogram-label y", x: ROOM.left - 6, y: y(count) + 4, text: brief(count) }),
      ]).flat(),
      ...bars,
      s("line", { class: "histogram-axis", x1: ROOM.left, x2: this.#width - ROOM.right, y1: below, y2: below }),
      ticksOf(axis, 46 / across).map((value) => [
        s("line", { class: "histogram-axis", x1: x(axis.place(value)), x2: x(axis.place(value)), y1: below, y2: below + 4 }),
        s("text", { class: "histogram-label x", x: x(axis.place(value)), y: below + 16, text: number(value) }),
      ]).flat(),
      s("text", { class: "histogram-label x", x: (this.#width + ROOM.left) / 2, y: HEIGHT - 4, text: "activation" }),
      s("text", { class: "histogram-label", x: 0, y: 10, text: "count" }),
      ...marks);
  }

  /**
   * @param {number} x
   * @param {number} index
   * @param {string} label
   */
  #mark(x, index, label) {
    const tell = (/** @type {number | null} */ lit) => () =>
      this.dispatchEvent(new CustomEvent("highlight", { bubbles: true, detail: { index: lit } }));
    const mark = s("g", { class: "histogram-mark", dataset: { index } },
      s("title", { text: label }),
      s("line", { x1: x, x2: x, y1: ROOM.top - 4, y2: HEIGHT - ROOM.bottom }),
      s("circle", { cx: x, cy: ROOM.top - 6, r: 3.5 }),
      s("rect", { x: x - 5, width: 10, y: 0, height: HEIGHT - ROOM.bottom }));
    mark.addEventListener("pointerenter", tell(index));
    mark.addEventListener("pointerleave", tell(null));
    return mark;
  }

  /** @param {number | null} index */
  #light(index) {
    for (const mark of this.querySelectorAll(".histogram-mark")) {
      mark.classList.toggle("lit", index !== null && /** @type {SVGElement} */ (mark).dataset.index === String(index));
    }
  }
}

customElements.define("value-histogram", ValueHistogram);
