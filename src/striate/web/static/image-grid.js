// @ts-check
/** Thumbnails of any number of images, of which only those near the screen exist. */

import { h } from "./dom.js";
import { baseName } from "./names.js";
import { href } from "./route.js";
import { tile } from "./tiles.js";

/** @typedef {import("./names.js").Named} Named */

const CELL = { width: 104, height: 128 };
const PICTURE = 88;
const BEYOND = 4;

export class ImageGrid {
  node = h("div", { class: "image-grid", role: "list", "aria-label": "Images" });
  /** @type {number[]} */
  #ids = [];
  #columns = 1;
  /** @type {Map<number, HTMLElement>} */
  #cells = new Map();
  #frame = 0;

  /**
   * @param {import("../messages.js").Network} all
   * @param {(id: number) => Promise<Named | undefined>} named
   * @param {AbortSignal} signal ends the listening
   */
  constructor(all, named, signal) {
    this.all = all;
    this.named = named;
    const later = () => {
      cancelAnimationFrame(this.#frame);
      this.#frame = requestAnimationFrame(() => this.#draw());
    };
    window.addEventListener("scroll", later, { passive: true, signal });
    const resized = new ResizeObserver(later);
    resized.observe(this.node);
    signal.addEventListener("abort", () => resized.disconnect());
    this.node.addEventListener("keydown", (event) => this.#key(event));
  }

  /** @param {number[]} ids */
  set ids(ids) {
    this.#ids = ids;
    for (const cell of this.#cells.values()) cell.remove();
    this.#cells.clear();
    this.#draw();
  }

  #draw() {
    if (!this.node.isConnected) {
      // Before it is on the page its width is unknown; the observer calls when it is.
      this.node.style.height = `${Math.ceil(this.#ids.length / this.#columns) * CELL.height}px`;
      return;
    }
    const { width, top } = this.node.getBoundingClientRect();
    const columns = Math.max(1, Math.floor(width / CELL.width));
    if (columns !== this.#columns) {
      this.#columns = columns;
      for (const cell of this.#cells.values()) cell.remove();
      this.#cells.clear();
    }
    this.node.style.height = `${Math.ceil(this.#ids.length / columns) * CELL.height}px`;
    const first = Math.max(0, Math.floor(-top / CELL.height) - BEYOND) * columns;
    const last = Math.min(this.#ids.length, (Math.ceil((window.innerHeight - top) / CELL.height) + BEYOND) * columns);
    for (const [index, cell] of this.#cells) {
      if ((index >= first && index < last) || cell.contains(document.activeElement)) continue;
      cell.remove();
      this.#cells.delete(index);
    }
    for (let index = first; index < last; index++) {
      if (!this.#cells.has(index)) this.#put(index);
    }
  }

  /** @param {number} index */
  #put(index) {
    const id = this.#ids[index];
    const picture = tile({
      sheets: this.all.thumbnails, path: (page) => `pictures/thumbnails/${page}.webp`, index: id, size: PICTURE, label: "",
    });
    const name = h("span", { class: "image-name", text: `image ${id}` });
    const link = h("a", { href: href(["images", id]), class: "image-link", dataset: { index } }, picture, name);
    const cell = h("div", {
      class: "image-cell", role: "listitem", "aria-setsize": this.#ids.length, "aria-posinset": index + 1,
      style: { left: `${(100 * (index % this.#columns)) / this.#columns}%`, width: `${100 / this.#columns}%`, top: `${Math.floor(index / this.#columns) * CELL.height}px` },
    }, link);
    this.#cells.set(index, cell);
    const after = [...this.#cells].find(([other]) => other > index)?.[1];
    if (after) this.node.insertBefore(cell, after);
    else this.node.append(cell);
    this.named(id).then((found) => found && tell(link, name, found), () => { /* The number stays as the name. */ });
  }

  /** @param {KeyboardEvent} event */
  #key(event) {
    if (event.ctrlKey || event.altKey || event.metaKey || event.shiftKey) return;
    /** @type {{[key: string]: number}} */
    const steps = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -this.#columns, ArrowDown: this.#columns };
    const step = steps[event.key];
    const from = Number(/** @type {HTMLElement} */ (event.target).dataset.index);
    if (step === undefined || !Number.isFinite(from)) return;
    event.preventDefault();
    this.focus(from + step);
  }

  /** @param {number} index */
  focus(index) {
    if (index < 0 || index >= this.#ids.length) return;
    if (!this.#cells.has(index)) this.#put(index);
    const link = /** @type {HTMLElement} */ (this.#cells.get(index)?.firstElementChild);
    link.focus({ preventScroll: true });
    link.scrollIntoView({ block: "nearest" });
  }
}

/**
 * @param {HTMLElement} link
 * @param {HTMLElement} name
 * @param {Named} found
 */
function tell(link, name, found) {
  const verdict = found.skipped ? "skipped" : found.correct === null ? "" : found.correct ? "right" : "wrong";
  name.textContent = baseName(found.name);
  link.title = found.name;
  link.setAttribute("aria-label", verdict === "" ? found.name : `${found.name}, ${verdict}`);
  if (verdict !== "") link.append(h("span", { class: `verdict ${verdict}`, "aria-hidden": "true", text: verdict }));
}
