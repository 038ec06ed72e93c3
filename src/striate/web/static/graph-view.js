// @ts-check
/** Zooming and dragging of a drawing that scrolls inside its panel. */

const LEAST = 0.1;
const READABLE = 0.85;
const MOST = 3;
const MOVED = 4;

export class GraphView {
  #zoom = 1;

  /**
   * @param {HTMLElement} panel
   * @param {SVGSVGElement} drawing
   * @param {{width: number, height: number, middle: number}} size of the drawing at zoom 1, and where it begins
   */
  constructor(panel, drawing, size) {
    this.panel = panel;
    this.drawing = drawing;
    this.size = size;
    panel.addEventListener("wheel", (event) => this.#wheel(event), { passive: false });
    panel.addEventListener("pointerdown", (event) => this.#grab(event));
  }

  /**
   * The first view: full size where the panel is wide enough, with the current node in sight.
   * @param {SVGElement | null} current
   */
  start(current) {
    requestAnimationFrame(() => {
      this.reset();
      if (current) this.reveal(current);
    });
  }

  reset() {
    this.#set(Math.min(1, Math.max(READABLE, this.panel.clientWidth / this.size.width)));
    this.panel.scrollTo({ top: 0, left: this.size.middle * this.#zoom - this.panel.clientWidth / 2, behavior: "instant" });
  }

  fit() {
    this.#set(Math.min(this.panel.clientWidth / this.size.width, this.panel.clientHeight / this.size.height));
  }

  /**
   * @param {number} factor
   * @param {{x: number, y: number}} [about] the point in the panel that stays where it is
   */
  zoomBy(factor, about = { x: this.panel.clientWidth / 2, y: this.panel.clientHeight / 2 }) {
    const { panel } = this;
    const [x, y] = [panel.scrollLeft + about.x, panel.scrollTop + about.y];
    const grown = this.#set(this.#zoom * factor);
    panel.scrollTo({ left: x * grown - about.x, top: y * grown - about.y, behavior: "instant" });
  }

  /**
   * Scroll inside the panel, and only there, until an element can be seen.
   * @param {Element} element
   */
  reveal(element) {
    const [inner, outer] = [element.getBoundingClientRect(), this.panel.getBoundingClientRect()];
    const away = (/** @type {number} */ low, /** @type {number} */ high, /** @type {number} */ from, /** @type {number} */ to) =>
      low < from || high > to ? (low + high - from - to) / 2 : 0;
    this.panel.scrollBy({
      left: away(inner.left, inner.right, outer.left, outer.right),
      top: away(inner.top, inner.bottom, outer.top + 20, outer.bottom - 20),
      behavior: "instant",
    });
  }

  /** @param {number} zoom */
  #set(zoom) {
    const before = this.#zoom;
    this.#zoom = Math.min(MOST, Math.max(LEAST, zoom));
    this.drawing.style.width = `${this.size.width * this.#zoom}px`;
    this.drawing.style.height = `${this.size.height * this.#zoom}px`;
    return this.#zoom / before;
  }

  /** @param {WheelEvent} event */
  #wheel(event) {
    if (!event.ctrlKey) return;
    event.preventDefault();
    const { left, top } = this.panel.getBoundingClientRect();
    this.zoomBy(Math.exp(-event.deltaY / 300), { x: event.clientX - left, y: event.clientY - top });
  }

  /** @param {PointerEvent} event */
  #grab(event) {
    // Touch already drags by scrolling; only the mouse needs this.
    if (event.button !== 0 || event.pointerType !== "mouse") return;
    const { panel } = this;
    const start = { x: event.clientX, y: event.clientY, left: panel.scrollLeft, top: panel.scrollTop };
    let moved = false;
    /** @param {PointerEvent} at */
    const move = (at) => {
      moved ||= Math.hypot(at.clientX - start.x, at.clientY - start.y) > MOVED;
      if (!moved) return;
      panel.classList.add("dragged");
      panel.scrollTo({ left: start.left + start.x - at.clientX, top: start.top + start.y - at.clientY, behavior: "instant" });
    };
    const drop = () => {
      window.removeEventListener("pointermove", move);
      panel.classList.remove("dragged");
      // The click that ends a drag must not open the node below the pointer; it comes right after.
      if (!moved) return;
      const swallow = (/** @type {Event} */ click) => click.stopPropagation();
      panel.addEventListener("click", swallow, { capture: true, once: true });
      setTimeout(() => panel.removeEventListener("click", swallow, { capture: true }));
    };
    window.addEventListener("pointermove", move);
    window.addEventListener("pointerup", drop, { once: true });
  }
}
