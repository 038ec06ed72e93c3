// @ts-check
/** What holds for every page: how far the pass is, and whether the server answers. */

import { changes } from "./data.js";
import { h, number } from "./dom.js";

/** @typedef {import("../messages.js").Network} Network */

/**
 * Says that the atlas is not finished, where it is not.
 *
 * @param {HTMLElement} notices
 * @param {Network} network
 */
export function fillNotices(notices, network) {
  const { finished, seen, images } = network.status;
  notices.querySelector("#partial")?.remove();
  if (finished) return;
  notices.prepend(h("div", { class: "notice", id: "partial" },
    h("p", null, h("strong", { text: `${number(seen)} of ${number(images)} images. ` }),
      "The atlas is not finished: everything here is about the images seen so far, and follows the pass.")));
}

/** @param {HTMLElement} notices where to say it */
export function watchConnection(notices) {
  changes.addEventListener("connection", (event) => {
    notices.querySelector("#offline")?.remove();
    if (/** @type {CustomEvent} */ (event).detail) return;
    notices.append(h("div", { class: "notice bad", id: "offline" },
      h("p", { text: "No answer from the server. What is shown stays; start `striate serve` again for the rest." })));
  });
}
