// @ts-check
/** How a unit's strip is laid out: crops above, projections below. */

/**
 * Where the second row of a strip begins: at the first multiple of 16 that leaves two rows of grey.
 *
 * @param {number} height of the strip
 */
export function rows(height) {
  const below = 16 * Math.ceil((height + 2) / 32);
  return { below, height: height - below };
}
