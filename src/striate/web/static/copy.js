// @ts-check
/** To the clipboard: links, lines of Python, pictures; a picture that cannot go there is saved as a file. */

import { h } from "./dom.js";
import { sheetAt } from "./sheets.js";
import { rows } from "./strip.js";

/** @typedef {import("../messages.js").Unit} Unit */

const SIDE = 128;
const LINE = 20;

/** @param {string} text for those who hear the page, and beside the button */
function say(text) {
  const place = document.getElementById("announcement");
  if (place) place.textContent = text;
}

/**
 * A button that does something with the clipboard and says what came of it.
 *
 * @param {string} label
 * @param {() => Promise<string>} run gives what to say
 * @param {{[name: string]: string}} [props]
 * @returns {HTMLButtonElement}
 */
export function copyButton(label, run, props) {
  const button = h("button", { type: "button", ...props, text: label });
  button.addEventListener("click", async () => {
    const said = await run().catch((/** @type {Error} */ error) => `Not copied: ${error.message}`);
    say(said);
    button.textContent = said;
    setTimeout(() => (button.textContent = label), 2000);
  });
  return button;
}

/**
 * @param {string} text
 * @returns {Promise<string>}
 */
export async function copyText(text) {
  if (navigator.clipboard) {
    await navigator.clipboard.writeText(text);
    return "Copied";
  }
  // Without https and away from this machine browsers have no clipboard, but they still know this.
  const area = h("textarea", { class: "unseen", text });
  document.body.append(area);
  area.select();
  const done = document.execCommand("copy");
  area.remove();
  return done ? "Copied" : "Not copied: this browser forbids it";
}

/** A button for the address of the page that is open. */
export const copyLink = () => copyButton("Copy link", () => copyText(location.href), { "data-action": "copy-link" });

/**
 * @param {Unit} unit
 * @param {string} strip path of its pictures
 * @returns {Promise<string>}
 */
export async function copyUnit(unit, strip) {
  const canvas = await sheetOf(unit, strip);
  /** @type {Blob} */
  const blob = await new Promise((resolve, reject) =>
    canvas.toBlob((made) => (made ? resolve(made) : reject(new Error("the browser made no picture"))), "image/png"));
  try {
    await navigator.clipboard.write([new ClipboardItem({ "image/png": blob })]);
    return "Copied";
  } catch {
    save(blob, `${unit.address.replace(/[^\w.-]+/g, "_")}.png`);
    return "Saved as a file";
  }
}

/**
 * @param {Blob} blob
 * @param {string} name
 */
function save(blob, name) {
  const url = URL.createObjectURL(blob);
  h("a", { href: url, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(url), 1000);
}

/**
 * The crops with their projections below, and what they are.
 *
 * @param {Unit} unit
 * @param {string} strip
 * @returns {Promise<HTMLCanvasElement>}
 */
async function sheetOf(unit, strip) {
  const whole = await sheetAt(strip);
  const count = unit.top.length;
  const { below, height } = rows(whole.height);
  const width = whole.width / count;
  const scale = SIDE / Math.max(width, height);
  const [across, down] = [Math.round(width * scale), Math.round(height * scale)];
  const shown = unit.unprojected === null ? [0, 1] : [0];
  const canvas = h("canvas", { width: count * (across + 4) + 4, height: shown.length * (down + 4) + 2 * LINE + 4 });
  const pen = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
  pen.fillStyle = "#fff";
  pen.fillRect(0, 0, canvas.width, canvas.height);
  pen.fillStyle = "#000";
  pen.font = "14px sans-serif";
  pen.fillText(`${unit.address}: strongest ${count} of ${unit.images} images${shown.length > 1 ? ", projections below" : ""}`, 4, LINE - 5);
  pen.imageSmoothingEnabled = scale < 2;
  unit.top.forEach(({ value }, k) => {
    const x = 4 + k * (across + 4);
    for (const row of shown) {
      pen.drawImage(whole, k * width, row * below, width, height, x, LINE + row * (down + 4), across, down);
    }
    pen.fillText(value.toPrecision(4), x, canvas.height - 6);
  });
  return canvas;
}
