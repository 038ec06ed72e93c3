// @ts-check
/** `<search-box>`: a combobox over layers, units, classes, concepts and files. */

import { h } from "./dom.js";
import { go } from "./route.js";
import { search } from "./search.js";

/** @typedef {import("./search.js").Found} Found */

const PAUSE = 120;

export class SearchBox extends HTMLElement {
  #input = h("input", {
    type: "search", role: "combobox", placeholder: "Search: layer, layer:unit, class, file", autocomplete: "off", spellcheck: "false",
    "aria-label": "Search layers, units, classes and files", "aria-expanded": "false", "aria-autocomplete": "list",
    "aria-controls": "search-options",
  });
  #list = h("ul", { id: "search-options", role: "listbox", "aria-label": "Found" });
  #note = h("p", { class: "search-note muted", role: "status" });
  #panel = h("div", { class: "search-panel", hidden: true }, this.#note, this.#list);
  /** @type {Found[]} */
  #found = [];
  #active = -1;
  #waiting = new AbortController();
  #pause = 0;

  connectedCallback() {
    if (this.#input.isConnected) return;
    if (this.hasAttribute("data-concepts")) {
      this.#input.placeholder = "Search: layer, layer:unit, class, concept, file";
      this.#input.setAttribute("aria-label", "Search layers, units, classes, concepts and files");
    }
    this.append(this.#input, this.#panel);
    this.#input.addEventListener("input", () => {
      clearTimeout(this.#pause);
      this.#pause = window.setTimeout(() => this.#search(), PAUSE);
    });
    this.#input.addEventListener("keydown", (event) => this.#key(event));
    this.#input.addEventListener("focus", () => this.#found.length > 0 && this.#open(true));
    this.addEventListener("focusout", (event) => {
      if (!this.contains(/** @type {Node | null} */ (event.relatedTarget))) this.#open(false);
    });
  }

  async #search() {
    clearTimeout(this.#pause);
    this.#waiting.abort();
    const { signal } = (this.#waiting = new AbortController());
    try {
      const { found, note } = await search(this.#input.value, signal);
      if (!signal.aborted) this.#show(found, note);
    } catch (error) {
      if (!signal.aborted) this.#show([], `The search failed: ${/** @type {Error} */ (error).message}`);
    }
  }

  /**
   * @param {Found[]} found
   * @param {string} note
   */
  #show(found, note) {
    this.#found = found;
    this.#note.textContent = note;
    this.#note.hidden = note === "";
    this.#list.replaceChildren(...found.map((each, k) => h("li", {
      id: `search-option-${k}`, role: "option", "aria-selected": "false",
      // The press must not take the focus away, or the list would close before the click comes.
      on: { pointerdown: (/** @type {Event} */ event) => event.preventDefault(), click: () => this.#choose(k) },
    }, h("span", { class: "search-kind", text: each.kind }), h("span", { class: "search-text", text: each.text }),
    h("span", { class: "muted", text: each.detail }))));
    this.#activate(-1);
    this.#open(found.length > 0 || note !== "");
  }

  /** @param {KeyboardEvent} event */
  async #key(event) {
    if (event.isComposing || event.ctrlKey || event.altKey || event.metaKey) return;
    const { key } = event;
    if (!["ArrowDown", "ArrowUp", "Enter", "Escape"].includes(key)) return;
    event.preventDefault();
    event.stopPropagation();
    if (key === "Escape") this.#escape();
    else if (key === "Enter") {
      // What has been typed counts, not what was found for an earlier text.
      if (this.#active < 0) await this.#search();
      this.#choose(Math.max(0, this.#active));
    } else if (this.#found.length > 0) {
      this.#open(true);
      const count = this.#found.length;
      const step = key === "ArrowDown" ? 1 : -1;
      this.#activate(this.#active < 0 && step < 0 ? count - 1 : (this.#active + step + count) % count);
    }
  }

  #escape() {
    if (!this.#panel.hidden) this.#open(false);
    else if (this.#input.value !== "") this.#clear();
    else this.#input.blur();
  }

  #clear() {
    this.#input.value = "";
    this.#show([], "");
  }

  /** @param {number} index */
  #activate(index) {
    this.#active = index;
    [...this.#list.children].forEach((option, k) => option.setAttribute("aria-selected", String(k === index)));
    if (index < 0) this.#input.removeAttribute("aria-activedescendant");
    else this.#input.setAttribute("aria-activedescendant", `search-option-${index}`);
    this.#list.children[index]?.scrollIntoView({ block: "nearest" });
  }

  /** @param {number} index */
  #choose(index) {
    const chosen = this.#found[index];
    if (!chosen) return;
    this.#clear();
    this.#input.blur();
    go(chosen.href);
  }

  /** @param {boolean} open */
  #open(open) {
    this.#panel.hidden = !open;
    this.#input.setAttribute("aria-expanded", String(open));
  }
}

customElements.define("search-box", SearchBox);
