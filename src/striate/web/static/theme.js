// @ts-check
/** What a reader has chosen, kept in this browser: theme, keymap, size of tiles. */

/**
 * @typedef {object} Settings
 * @property {"system" | "light" | "dark"} theme
 * @property {"vim" | "dvt" | "off"} keymap
 * @property {"small" | "medium" | "large"} tiles
 */

const PLACE = "striate.settings";
/** @type {{[name in keyof Settings]: readonly string[]}} */
export const CHOICES = {
  theme: ["system", "light", "dark"],
  keymap: ["vim", "dvt", "off"],
  tiles: ["small", "medium", "large"],
};

/** Fires `change` with the settings. */
export const settingsEvents = new EventTarget();

/** @type {Settings} */
let settings = read();

/** @returns {Settings} */
function read() {
  /** @type {Settings} */
  const found = { theme: "system", keymap: "vim", tiles: "medium" };
  try {
    const kept = JSON.parse(localStorage.getItem(PLACE) ?? "{}");
    for (const [name, choices] of Object.entries(CHOICES)) {
      if (choices.includes(kept[name])) Object.assign(found, { [name]: kept[name] });
    }
  } catch {
    // A browser may forbid storage, and then the choice lasts as long as the page.
  }
  return found;
}

/** @returns {Settings} */
export function chosen() {
  return settings;
}

/** @param {Partial<Settings>} change */
export function choose(change) {
  settings = { ...settings, ...change };
  try {
    localStorage.setItem(PLACE, JSON.stringify(settings));
  } catch {
    // As in `read`.
  }
  applyTheme();
  settingsEvents.dispatchEvent(new CustomEvent("change", { detail: settings }));
}

/** Puts the theme on the document; without a choice the system's is left in force. */
export function applyTheme() {
  const root = document.documentElement;
  if (settings.theme === "system") delete root.dataset.theme;
  else root.dataset.theme = settings.theme;
}

/** @returns {number} side of a tile in a layer's grid, in CSS pixels */
export function tileSize() {
  return { small: 64, medium: 96, large: 144 }[settings.tiles];
}
