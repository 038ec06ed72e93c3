// @ts-check
/** What stands above every page: sections, search, settings, help. */

import "./search-box.js";
import "./shortcut-help.js";
import { h, s } from "./dom.js";
import { href } from "./route.js";
import { settings, themes } from "./settings-menu.js";

/** @typedef {import("../messages.js").Network} Network */

/**
 * Fills the header once.
 *
 * @param {HTMLElement} header
 * @param {Network | null} network null: it could not be had
 */
export function fillHeader(header, network) {
  const sections = [h("a", { href: href([]), "data-section": "network" }, "Network"),
    h("a", { href: href(["images"]), "data-section": "images" }, "Images")];
  if (network && network.classes > 0) {
    sections.push(h("a", { href: href(["classes"]), "data-section": "classes" }, "Classes"));
  }
  if (network && network.dissection) {
    sections.push(h("a", { href: href(["concepts"]), "data-section": "concepts" }, "Concepts"));
  }
  header.replaceChildren(
    h("a", { class: "brand", href: href([]) }, mark(), "striate"),
    h("nav", { class: "sections", "aria-label": "Sections" }, h("ul", null, sections.map((a) => h("li", null, a)))),
    network ? h("search-box", { "data-concepts": network.dissection !== null }) : "",
    h("div", { class: "tools" }, themes(), settings(), help()),
  );
}

function mark() {
  return s("svg", { viewBox: "0 0 16 16", "aria-hidden": "true" },
    s("rect", { width: 16, height: 16, rx: 3, fill: "#7f7f7f" }),
    s("path", { d: "M2 12 12 2M6 14 14 6M2 7l5-5", stroke: "#fff", "stroke-width": 1.8, fill: "none" }));
}

function help() {
  const box = /** @type {HTMLElement & {open?: () => void}} */ (h("shortcut-help"));
  const button = h("button", {
    type: "button", id: "help", "data-action": "help", "aria-label": "Keyboard shortcuts", title: "Keyboard shortcuts", text: "?",
    on: { click: () => box.open?.() },
  });
  return h("span", null, button, box);
}
