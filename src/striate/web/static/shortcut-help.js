// @ts-check
/** `<shortcut-help>`: the table of shortcuts in a dialog, with the choice of the keymap. */

import { h } from "./dom.js";
import { EVERYWHERE, shortcuts } from "./keys.js";
import { parse } from "./route.js";
import { choose, chosen } from "./theme.js";

/** @typedef {import("./keys.js").Shortcut} Shortcut */

/** @type {{[page: string]: string}} */
const TITLES = {
  [EVERYWHERE]: "On every page", network: "Network", layer: "Layer", unit: "Unit", images: "Images", image: "Image",
  classes: "Classes", class: "Class", concepts: "Concepts", concept: "Concept",
};
/** @type {[import("./theme.js").Settings["keymap"], string][]} */
const KEYMAPS = [
  ["vim", "vim: h j k l"],
  ["dvt", "Deep Visualization Toolbox: j l i k"],
  ["off", "off: no single characters"],
];
/** @type {{[key: string]: string}} */
const SPOKEN = {
  ArrowLeft: "←", ArrowRight: "→", ArrowUp: "↑", ArrowDown: "↓", Escape: "Esc", " ": "Space", PageUp: "Page Up",
  PageDown: "Page Down",
};

/** Opened by `open()`; Esc or the button closes it. */
export class ShortcutHelp extends HTMLElement {
  #dialog = h("dialog", { class: "shortcut-help", "aria-labelledby": "shortcut-title" });

  connectedCallback() {
    if (!this.#dialog.isConnected) this.append(this.#dialog);
  }

  open() {
    this.#fill();
    if (!this.#dialog.open) this.#dialog.showModal();
  }

  #fill() {
    const close = h("button", { type: "button", on: { click: () => this.#dialog.close() }, text: "Close" });
    const select = h("select", { on: { change: () => {
      choose({ keymap: KEYMAPS[select.selectedIndex][0] });
      this.#fill();
      this.#dialog.querySelector("select")?.focus();
    } } }, KEYMAPS.map(([value, text]) => h("option", { value, selected: value === chosen().keymap, text })));
    const here = parse(location.hash).page;
    const pages = [...new Set([here, EVERYWHERE, ...Object.keys(TITLES)])];
    const all = shortcuts();
    this.#dialog.replaceChildren(
      h("header", null, h("h2", { id: "shortcut-title", text: "Shortcuts" }), close),
      h("label", { class: "shortcut-keymap" }, h("span", { text: "Keys" }), select),
      h("div", { class: "shortcut-tables" }, pages.map((page) => section(page, page === here, all.filter((each) => each.page === page)))),
      h("p", { class: "muted", text: "Each has a control on the page too. Keys with Ctrl, Alt or Meta are left to the browser, and so is all typing in a field." }));
  }
}

/**
 * @param {string} page
 * @param {boolean} here
 * @param {Shortcut[]} rows
 */
function section(page, here, rows) {
  if (rows.length === 0) return null;
  return h("table", null,
    h("caption", { text: (TITLES[page] ?? page) + (here && page !== EVERYWHERE ? " (this page)" : "") }),
    h("tbody", null, rows.map(({ keys, label }) => h("tr", { class: "shortcut", dataset: { page, label } },
      h("td", null, keys.map((key, k) => [k > 0 && " ", h("kbd", { text: shown(key) })]).flat()),
      h("th", { scope: "row", text: label })))));
}

/** @param {string} key */
function shown(key) {
  const shifted = key.startsWith("Shift+");
  const name = shifted ? key.slice(6) : key;
  return (shifted ? "Shift " : "") + (SPOKEN[name] ?? name);
}

customElements.define("shortcut-help", ShortcutHelp);
