// @ts-check
/** A signed logarithmic axis: zero in the middle, an octave as wide as any other. */

/** @typedef {[low: number | null, high: number | null, count: number]} Bin */
/** @typedef {{place: (value: number) => number, from: number, to: number, least: number}} Axis */

/** How wide the bin around zero is, in octaves. */
const MIDDLE = 0.5;

/**
 * The axis that holds all bins and values; its places run from `from` to `to`.
 * @param {Bin[]} bins those that count something
 * @param {number[]} values
 * @returns {Axis}
 */
export function axisOf(bins, values) {
  const sizes = bins.filter((bin) => !aroundZero(bin)).flatMap(([low, high]) => [low, high])
    .concat(values).filter((value) => value !== null && value !== 0).map((value) => Math.abs(Number(value)));
  const least = Math.min(...sizes, Number.MAX_VALUE) === Number.MAX_VALUE ? 1 : Math.min(...sizes);
  /** @param {number} value */
  const place = (value) => {
    const size = Math.abs(value);
    const out = size <= least ? (MIDDLE * size) / least : MIDDLE + Math.log2(size / least);
    return Math.sign(value) * out;
  };
  const places = bins.flatMap((bin) => spanOf({ place, from: 0, to: 0, least }, bin)).concat(values.map(place));
  return { place, least, from: Math.min(...places, -MIDDLE), to: Math.max(...places, MIDDLE) };
}

/**
 * Where a bin begins and ends; one without a bound is drawn a quarter of an octave wide.
 * @param {Axis} axis
 * @param {Bin} bin
 * @returns {[number, number]}
 */
export function spanOf({ place }, bin) {
  const [low, high] = bin;
  if (aroundZero(bin)) return [-MIDDLE, MIDDLE];
  if (low === null) return [place(high ?? 0) - 0.25, place(high ?? 0)];
  if (high === null) return [place(low), place(low) + 0.25];
  return [place(low), place(high)];
}

/** @param {Bin} bin */
export function aroundZero([low, high]) {
  return low !== null && high !== null && low <= 0 && high >= 0 && -low * 4 >= high && high * 4 >= -low;
}

/**
 * Round numbers that fit the axis, zero among them, none too close to the next.
 * @param {Axis} axis
 * @param {number} apart least distance between two, in places
 */
export function ticksOf({ place, from, to, least }, apart) {
  const ticks = [0];
  for (const sign of [1, -1]) {
    let last = 0;
    if (Math.max(sign * from, sign * to) <= MIDDLE) continue;
    for (const value of roundNumbers(least, Math.max(to, -from))) {
      const at = place(sign * value);
      if (at < from || at > to || Math.abs(at - last) < apart) continue;
      ticks.push(sign * value);
      last = at;
    }
  }
  return ticks.sort((a, b) => a - b);
}

/**
 * @param {number} least
 * @param {number} octaves
 */
function roundNumbers(least, octaves) {
  const first = Math.floor(Math.log10(least));
  const last = Math.ceil(Math.log10(least) + octaves * Math.log10(2));
  const decades = Array.from({ length: last - first + 1 }, (_, k) => first + k);
  return octaves > 14 ? decades.map((power) => 10 ** power)
    : decades.flatMap((power) => [1, 2, 5].map((digit) => Number(`${digit}e${power}`)));
}
