// @ts-check
/** Colours for numbers: a ramp that is even to the eye, from near the paper to far from it. */

import { chosen } from "./theme.js";

/** Nine colours of viridis, dark to light. */
const VIRIDIS = [
  [68, 1, 84], [71, 44, 122], [59, 81, 139], [44, 113, 142], [33, 144, 141], [39, 173, 129], [92, 200, 99],
  [170, 220, 50], [253, 231, 37],
];

export function isDark() {
  const { theme } = chosen();
  return theme === "system" ? matchMedia("(prefers-color-scheme: dark)").matches : theme === "dark";
}

/**
 * The colour of a share in [0, 1]; little is near the paper in both themes.
 * @param {number} share
 * @param {boolean} dark
 */
export function ramp(share, dark) {
  const along = (dark ? share : 1 - share) * (VIRIDIS.length - 1);
  const low = Math.min(VIRIDIS.length - 2, Math.floor(along));
  const mixed = VIRIDIS[low].map((part, k) => Math.round(part + (VIRIDIS[low + 1][k] - part) * (along - low)));
  return `rgb(${mixed.join(" ")})`;
}
