// @ts-check
/** A word with its definition, shown on hover, on focus and on a tap; Esc puts it away. */

import { h } from "./dom.js";

let count = 0;

/**
 * @param {string} word
 * @param {string} definition
 * @returns {HTMLElement}
 */
export function term(word, definition) {
  const id = `term-${++count}`;
  const box = h("span", { class: "term" },
    h("button", { type: "button", "aria-describedby": id, text: word }),
    h("span", { role: "tooltip", id, text: definition }));
  const open = () => {
    box.classList.remove("shut");
    place(box);
  };
  box.addEventListener("pointerenter", open);
  box.addEventListener("focusin", open);
  box.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || box.classList.contains("shut")) return;
    box.classList.add("shut");
    event.stopPropagation();
  });
  return box;
}

/**
 * Moves the tooltip left where it would leave the screen.
 *
 * @param {HTMLElement} box
 */
function place(box) {
  const tip = /** @type {HTMLElement} */ (box.lastElementChild);
  tip.style.left = "0";
  const over = tip.getBoundingClientRect().right - document.documentElement.clientWidth + 8;
  if (over > 0) tip.style.left = `${-Math.min(over, box.getBoundingClientRect().left - 8)}px`;
}

/** What the words on these pages mean. */
export const DEFINITIONS = {
  unit: "One channel of a layer: the same weights at every place of the image.",
  maximum: "The largest activation that the unit reached at any place of any image.",
  mean: "The activation averaged over all images and all places.",
  deviation: "Standard deviation of the activation over all images and all places.",
  fires: "Share of images in which the unit is positive at one place at least.",
  places: "Share of all places of all images at which the unit is positive.",
  sparsity: "One minus the share of images in which the unit is positive anywhere.",
  selectivity:
    "How much more the unit responds to its best class than to the others: (a − b) / (a + b), where a is its "
    + "mean response to that class and b the mean over the other classes. Not defined (—) where a class has a negative mean.",
  dead: "Never positive at any place of any image. Its weights may be zero, or these images never call it; without "
    + "a rectifier its activations may still vary below zero.",
  field: "The part of the input that a neuron of the layer can see, in pixels (height × width).",
  map: "Rows × columns of places at which each unit is computed.",
  similarity: "Pearson correlation, over the images, of the largest activations of two units.",
  projection:
    "What in the crop the activation comes from, by the deconvolutional network of Zeiler and Fergus (2014). "
    + "Mid-grey is zero; each picture is scaled on its own.",
  synthetic:
    "An image made for this unit, no photograph: from noise, its pixels follow the gradient of the activation "
    + "(activation maximization) as far as the image stays natural.",
  rank: "Place of this unit among all of its layer by the largest activation on this image.",
  centred:
    "The same place, each unit counted in standard deviations above the mean of its largest activations over the "
    + "images: units that are large on everything do not stand before it. Units that never vary are left out.",
  iou:
    "Intersection over union: the pixels where the unit is active and the concept is labelled, divided by those where either "
    + "holds, counted over all images of the concept set. 1: the same pixels; 0: none in common.",
  detects:
    "A unit detects a concept if their IoU is above the level and no other concept of the same category has a larger IoU with the unit.",
  net2vec:
    "Fong and Vedaldi (2018): for each concept a weighted sum over the units of a layer is learnt that says where, or whether, "
    + "the concept is in an image. The weights are the concept's vector; shares are those of the vector of length 1.",
  threshold: "One activation for the unit, over all places of all images of the concept set; a map is active where it is above it.",
  unique:
    "The concepts that units of the layer detect. In each category a unit stands for its best concept there, if its IoU is "
    + "above the level; a concept counts once, however many units stand for it.",
  crop: "The part of the image that the strongest neuron saw, as the network gets it.",
};
