// @ts-check
/** The whole image of one of a unit's strongest, with the box that its neuron sees. */

import { ask, picture } from "./data.js";
import { h, number, s } from "./dom.js";
import { href } from "./route.js";

/** @typedef {import("../messages.js").Unit} Unit */

/**
 * @param {Unit} unit
 * @returns {{node: HTMLElement, show: (index: number) => void, onShow: (heard: (index: number | null) => void) => void}}
 */
export function wholeImage(unit) {
  const place = h("div", { class: "whole", id: "whole", hidden: true, role: "group", "aria-label": "On the whole image" });
  /** @type {(index: number | null) => void} */
  let tell = () => {};
  /** @type {number | null} */
  let shown = null;
  const close = () => {
    shown = null;
    place.hidden = true;
    tell(null);
  };
  return {
    node: place,
    onShow(heard) {
      tell = heard;
    },
    show(index) {
      if (index === shown) return close();
      shown = index;
      place.hidden = false;
      place.replaceChildren(...view(unit, index, close));
      tell(index);
    },
  };
}

/**
 * @param {Unit} unit
 * @param {number} index
 * @param {() => void} close
 */
function view(unit, index, close) {
  const top = unit.top[index];
  const [upper, left, lower, right] = top.box;
  const path = `pictures/images/${top.image}.webp`;
  const label = `${top.file} as the network gets it; the box is what the neuron sees`;
  const box = h("div", { class: "whole-picture" });
  const image = h("img", { alt: label, decoding: "async" });
  image.addEventListener("load", () => {
    const [width, height] = [image.naturalWidth, image.naturalHeight];
    box.append(s("svg", { class: "box", viewBox: `0 0 ${width} ${height}`, "aria-hidden": "true" },
      s("path", {
        class: "box-shade", "fill-rule": "evenodd",
        d: `M0 0H${width}V${height}H0ZM${left} ${upper}V${lower}H${right}V${upper}Z`,
      }),
      s("rect", { class: "box-line", x: left, y: upper, width: right - left, height: lower - upper })));
  });
  image.addEventListener("error", async () => {
    const why = await ask(picture(path)).then(() => "It is no picture.", (/** @type {Error} */ error) => error.message);
    box.replaceChildren(h("p", { class: "notice bad", text: `The image cannot be shown. ${why}` }));
  });
  image.src = picture(path);
  box.append(image);
  return [box, h("div", { class: "whole-words" },
    h("p", null, h("a", { class: "mono", href: href(["images", top.image]), text: top.file })),
    h("p", { class: "small" }, `Activation ${number(top.value)} at row ${top.row}, column ${top.column} of the map; `
      + `the neuron sees rows ${upper} to ${lower}, columns ${left} to ${right}.`),
    h("button", { type: "button", text: "Close", on: { click: close } }))];
}
