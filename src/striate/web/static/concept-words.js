// @ts-check
/** How agreement with concepts is said: IoU with two decimals, and what a detector is. */

import { h } from "./dom.js";
import { href } from "./route.js";

/** @typedef {import("../messages.js").Network} Network */

/**
 * @param {number | null | undefined} value
 * @returns {string} "0.23"
 */
export const iou = (value) => (value === null || value === undefined ? "—" : value.toFixed(2));

/**
 * What a detector is; two decimals, as the IoU has.
 *
 * @param {Network} all
 */
export const detector = (all) => `detector: IoU above ${iou(all.dissection?.level)}`;

/**
 * @param {number} concept
 * @param {string} name
 */
export const conceptLink = (concept, name) => h("a", { href: href(["concepts", concept]), text: name });

/**
 * @param {number} count
 * @param {string} one
 * @param {string} [many]
 */
export const counted = (count, one, many = `${one}s`) => `${count.toLocaleString("en")} ${count === 1 ? one : many}`;
