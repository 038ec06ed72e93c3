// @ts-check
/** One image: what the network took it for, and which units it excites. */

import { load, network } from "./data.js";
import { h, number } from "./dom.js";
import { excitedTable } from "./excited.js";
import { ImageFrame } from "./image-frame.js";
import { register } from "./keys.js";
import { baseName, className } from "./names.js";
import { href } from "./route.js";

/** @typedef {import("../messages.js").Image} Image */
/** @typedef {import("./route.js").Route} Route */

register("image", [
  { keys: { always: ["ArrowLeft"], vim: ["h"], dvt: ["j"] }, label: "Previous image", control: "[data-action=previous-image]" },
  { keys: { always: ["ArrowRight"], vim: ["l"], dvt: ["l"] }, label: "Next image", control: "[data-action=next-image]" },
]);

/**
 * @param {Route} route
 * @param {AbortSignal} signal
 */
export async function render(route, signal) {
  const all = await network();
  /** @type {Image} */
  const it = await load(`data/images/${route.id}.json`, signal);
  const title = baseName(it.file);
  const frame = new ImageFrame(it);
  const node = h("article", { class: "image-page" },
    h("div", { class: "title-line" }, h("h1", { text: title }), neighbours(it.image, all.status.images)),
    h("div", { class: "image-columns" },
      h("div", { class: "image-side" }, frame.node, facts(it), guesses(it)),
      h("section", { "aria-labelledby": "excited" },
        h("h2", { id: "excited", text: "What it excites" }),
        it.layers.length === 0
          ? h("p", { text: it.seen ? "No unit responds to it more than to the images on average." : "The pass has not seen this image, so no unit's response to it is known." })
          : excitedTable(it, all, frame))));
  return { title, node };
}

/**
 * @param {number} id
 * @param {number} total
 */
function neighbours(id, total) {
  const link = (/** @type {number} */ to, /** @type {string} */ name, /** @type {string} */ text) =>
    to < 0 || to >= total ? h("span", { class: "muted", text }) : h("a", { href: href(["images", to]), "data-action": `${name}-image`, text });
  return h("nav", { class: "neighbours", "aria-label": "Neighbouring images" },
    link(id - 1, "previous", "← previous"), h("span", { class: "muted", text: `image ${number(id)} (0 to ${number(total - 1)})` }),
    link(id + 1, "next", "next →"));
}

/** @param {Image} it */
function facts({ file, bytes, label, class_name: name, rank, skipped, seen, size: [height, width] }) {
  const verdict = rank === null ? null : rank === 0 ? "guessed right" : `the true class is guess number ${number(rank + 1)}`;
  return h("dl", { class: "facts" },
    h("dt", { text: "File" }), h("dd", { class: "mono", text: file }),
    h("dt", { text: "Size" }), h("dd", { text: `${bytes < 0 ? "" : `${number(bytes)} bytes; `}shown as the network gets it, ${height} × ${width} pixels` }),
    h("dt", { text: "True class" }),
    h("dd", null, label === null ? "not known" : h("a", { href: href(["classes", label]), text: className({ class_index: label, name }) })),
    verdict && [h("dt", { text: "Verdict" }), h("dd", { text: verdict })],
    skipped !== null && [h("dt", { text: "Skipped" }), h("dd", { class: "bad", text: skipped })],
    skipped === null && !seen && [h("dt", { text: "Seen" }), h("dd", { text: "not yet" })]);
}

/** @param {Image} it */
function guesses({ best, label, skipped }) {
  if (best.length === 0) return skipped === null ? h("p", { class: "muted", text: "The network's guesses for this image are not known." }) : null;
  return h("section", { "aria-labelledby": "guesses" },
    h("h2", { id: "guesses", text: best.length === 1 ? "The network's first guess" : `The network's first ${best.length} guesses` }),
    h("ol", { class: "guesses" }, best.map((each) => h("li", { class: each.class_index === label ? "true" : "" },
      h("a", { href: href(["classes", each.class_index]), text: className(each) }),
      each.class_index === label && h("span", { class: "small", text: " true class" })))));
}
