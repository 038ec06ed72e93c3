// @ts-check
/** The choices of a reader: theme, keymap, size of pictures. */

import { h } from "./dom.js";
import { CHOICES, choose, chosen, settingsEvents } from "./theme.js";

const WORDS = {
  theme: { system: "As the system", light: "Light", dark: "Dark" },
  keymap: { vim: "vim: h j k l", dvt: "Deep Visualization Toolbox: j\u00a0l\u00a0i\u00a0k", off: "Off: arrows, Enter and Esc only" },
  tiles: { small: "Small", medium: "Medium", large: "Large" },
};

/** The theme, in the header where it is wide. */
export function themes() {
  const select = h("select", { "aria-label": "Theme", id: "theme" }, CHOICES.theme.map((name) =>
    h("option", { value: name, text: name === "system" ? "System theme" : WORDS.theme[/** @type {"light"} */ (name)] })));
  select.value = chosen().theme;
  select.addEventListener("change", () => choose({ theme: /** @type {any} */ (select.value) }));
  settingsEvents.addEventListener("change", () => (select.value = chosen().theme));
  return select;
}

/** All choices, behind a button. */
export function settings() {
  const box = h("details", { class: "menu", id: "settings" },
    h("summary", null, "Settings"),
    h("div", { class: "panel" },
      radios("theme", "Theme", "narrow-only"),
      radios("keymap", "Single-letter shortcuts"),
      radios("tiles", "Pictures in grids")));
  settingsEvents.addEventListener("change", () => {
    for (const input of box.querySelectorAll("input")) {
      input.checked = chosen()[/** @type {keyof typeof WORDS} */ (input.name)] === input.value;
    }
  });
  document.addEventListener("pointerdown", (event) => {
    if (!box.contains(/** @type {Node} */ (event.target))) box.open = false;
  });
  box.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || !box.open) return;
    box.open = false;
    box.querySelector("summary")?.focus();
    event.stopPropagation();
  });
  return box;
}

/**
 * @param {keyof typeof WORDS} name
 * @param {string} legend
 * @param {string} [kind]
 */
function radios(name, legend, kind) {
  const words = /** @type {{[value: string]: string}} */ (WORDS[name]);
  return h("fieldset", { class: kind }, h("legend", { text: legend }), CHOICES[name].map((value) => h("div", null,
    h("label", null, h("input", {
      type: "radio", name, value, checked: chosen()[name] === value, on: { change: () => choose({ [name]: value }) },
    }), words[value]))));
}
