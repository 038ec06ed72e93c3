// @ts-check
/** `<confusion-matrix>`: which classes are taken for which; one cell is told, and opened. */

import { h, number } from "./dom.js";
import { drawLegend } from "./matrix-drawing.js";
import { MatrixView } from "./matrix-view.js";
import { go, href } from "./route.js";
import { settingsEvents } from "./theme.js";

/** @typedef {import("./confusion.js").Confusion} Confusion */

/** Give it a `confusion`. */
export class ConfusionMatrix extends HTMLElement {
  /** @type {MatrixView | null} */
  #view = null;
  #says = h("p", { id: "matrix-says", class: "matrix-says", role: "status" });
  #legend = h("canvas", { class: "matrix-legend", width: 160, height: 10, "aria-hidden": "true" });
  #ends = [h("span"), h("span")];
  #resized = new ResizeObserver(() => this.#view?.fit());
  #redraw = () => this.#changed();
  #scheme = matchMedia("(prefers-color-scheme: dark)");

  connectedCallback() {
    settingsEvents.addEventListener("change", this.#redraw);
    this.#scheme.addEventListener("change", this.#redraw);
    if (this.#view) this.#resized.observe(this.#view.node);
  }

  disconnectedCallback() {
    settingsEvents.removeEventListener("change", this.#redraw);
    this.#scheme.removeEventListener("change", this.#redraw);
    this.#resized.disconnect();
  }

  /** @param {Confusion} confusion */
  set confusion(confusion) {
    const view = new MatrixView(confusion);
    this.#view = view;
    view.node.setAttribute("aria-label",
      `Confusion matrix of ${confusion.size} classes: true class down, first guess across. Arrows move, Enter opens the images.`);
    this.#says.textContent = "Rows: true class. Columns: first guess.";
    this.replaceChildren(this.#tools(view), view.node, this.#says);
    view.node.addEventListener("pointermove", (event) => this.#point(event));
    view.node.addEventListener("click", (event) => this.#point(event) && this.#open());
    view.node.addEventListener("keydown", (event) => this.#key(event));
    if (this.isConnected) this.#resized.observe(view.node);
    this.#changed();
  }

  /** @param {MatrixView} view */
  #tools(view) {
    /** @type {[string, string, number][]} */
    const zooms = [["−", "Smaller cells", 1 / 1.5], ["+", "Larger cells", 1.5], ["Fit", "The whole matrix", 0]];
    /** @param {"errorsOnly" | "logarithmic"} name @param {string} text */
    const choice = (name, text) => {
      const box = h("input", { type: "checkbox", checked: view.choice[name], "data-action": name });
      box.addEventListener("change", () => {
        view.choice[name] = box.checked;
        this.#changed();
      });
      return h("label", null, box, text);
    };
    return h("div", { class: "matrix-tools" },
      h("div", { class: "matrix-zoom", role: "toolbar", "aria-label": "Zoom of the matrix" }, zooms.map(([text, label, factor]) =>
        h("button", { type: "button", "aria-label": label, title: label, text, "data-action": factor > 1 ? "larger-cells" : null,
          on: { click: () => view.zoom(factor) }, }))),
      choice("errorsOnly", "errors only"), choice("logarithmic", "logarithmic colours"),
      h("span", { class: "matrix-key" }, this.#ends[0], this.#legend, this.#ends[1]));
  }

  #changed() {
    const view = this.#view;
    if (!view) return;
    const most = view.confusion.most(view.choice.errorsOnly);
    this.#ends[0].textContent = most > 1 ? "1" : "";
    this.#ends[1].textContent = most === 1 ? "1 image" : `${number(most)} images`;
    drawLegend(this.#legend, most);
    view.later();
  }

  /** @param {MouseEvent} event */
  #point(event) {
    const at = this.#view?.cellAt(event);
    if (at) this.#tell(at);
    return at !== null && at !== undefined;
  }

  /** @param {KeyboardEvent} event */
  #key(event) {
    const view = this.#view;
    if (!view || event.ctrlKey || event.altKey || event.metaKey) return;
    const { size } = view.confusion;
    const far = event.shiftKey ? 10 : 1;
    /** @type {{[key: string]: [number, number]}} */
    const steps = {
      ArrowUp: [-far, 0], ArrowDown: [far, 0], ArrowLeft: [0, -far], ArrowRight: [0, far], Home: [-size, -size], End: [size, size],
    };
    const clamp = (/** @type {number} */ at) => Math.min(size - 1, Math.max(0, at));
    if (event.key === "Enter") this.#open();
    else if (steps[event.key]) {
      const [down, across] = steps[event.key];
      this.#tell({ row: clamp(view.cursor.row + down), column: clamp(view.cursor.column + across) });
      view.reveal();
    } else return;
    event.preventDefault();
  }

  /** @param {{row: number, column: number}} at */
  #tell(at) {
    const view = /** @type {MatrixView} */ (this.#view);
    const { confusion } = view;
    view.cursor = at;
    view.later();
    const count = confusion.at(at.row, at.column);
    const images = `${number(count)} ${count === 1 ? "image" : "images"}`;
    const [truth, guess] = [confusion.nameAt(at.row), confusion.nameAt(at.column)];
    this.#says.textContent = at.row === at.column ? `${truth}, guessed right: ${images}` : `true: ${truth}, guessed: ${guess}, ${images}`;
  }

  #open() {
    const { confusion, cursor } = /** @type {MatrixView} */ (this.#view);
    go(href(["classes", confusion.order[cursor.row]], { guess: confusion.order[cursor.column] }));
  }
}

customElements.define("confusion-matrix", ConfusionMatrix);
