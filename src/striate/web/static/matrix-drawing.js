// @ts-check
/** Draws the part of a confusion matrix that is in view; names stay beside the cells that scroll. */

import { isDark, ramp } from "./colors.js";
import { FAINTEST, strength } from "./confusion.js";

/** @typedef {import("./confusion.js").Confusion} Confusion */
/**
 * @typedef {object} Look
 * @property {number} cell side of a cell in pixels
 * @property {number} room for the names; 0: none are drawn
 * @property {number} left how far it is scrolled
 * @property {number} top
 * @property {number} wide
 * @property {number} high
 * @property {boolean} errorsOnly
 * @property {boolean} logarithmic
 * @property {{row: number, column: number} | null} cursor
 */

export const FONT = "11px system-ui, sans-serif";

/**
 * @param {HTMLCanvasElement} canvas
 * @param {Confusion} confusion
 * @param {Look} look
 */
export function drawMatrix(canvas, confusion, look) {
  const context = canvas.getContext("2d");
  if (!context) return;
  const density = window.devicePixelRatio || 1;
  canvas.width = look.wide * density;
  canvas.height = look.high * density;
  canvas.style.width = `${look.wide}px`;
  canvas.style.height = `${look.high}px`;
  context.setTransform(density, 0, 0, density, 0, 0);
  const style = getComputedStyle(canvas);
  drawCells(context, confusion, look, style);
  if (look.room > 0) drawNames(context, confusion, look, style);
}

/**
 * @param {CanvasRenderingContext2D} context
 * @param {Confusion} confusion
 * @param {Look} look
 * @param {CSSStyleDeclaration} style
 */
function drawCells(context, confusion, look, style) {
  const { cell, errorsOnly, cursor } = look;
  const [left, top] = [look.room - look.left, look.room - look.top];
  const most = confusion.most(errorsOnly);
  const dark = isDark();
  const side = Math.max(1, cell - (cell >= 6 ? 1 : 0));
  context.fillStyle = style.getPropertyValue("--sunk");
  context.fillRect(left, top, confusion.size * cell, confusion.size * cell);
  for (const { row, column, count } of confusion.cells) {
    if (errorsOnly && row === column) continue;
    const [x, y] = [left + column * cell, top + row * cell];
    if (x > look.wide || y > look.high || x + cell < 0 || y + cell < 0) continue;
    context.fillStyle = ramp(strength(count, most, look.logarithmic), dark);
    context.fillRect(x, y, side, side);
  }
  if (!cursor) return;
  context.strokeStyle = style.getPropertyValue("--mark");
  context.lineWidth = 2;
  context.strokeRect(left + cursor.column * cell - 1, top + cursor.row * cell - 1, Math.max(cell, 4) + 1, Math.max(cell, 4) + 1);
}

/**
 * @param {CanvasRenderingContext2D} context
 * @param {Confusion} confusion
 * @param {Look} look
 * @param {CSSStyleDeclaration} style
 */
function drawNames(context, confusion, { cell, room, left, top, wide, high, cursor }, style) {
  const paper = style.getPropertyValue("--paper");
  const ink = (/** @type {boolean} */ here) => style.getPropertyValue(here ? "--mark" : "--ink");
  context.fillStyle = paper;
  context.fillRect(0, 0, wide, room);
  context.fillRect(0, 0, room, high);
  context.font = FONT;
  context.textBaseline = "middle";
  for (let place = 0; place < confusion.size; place++) {
    const [x, y] = [room - left + (place + 0.5) * cell, room - top + (place + 0.5) * cell];
    const [inRow, inColumn] = [y > room && y < high, x > room && x < wide];
    if (!inRow && !inColumn) continue;
    const name = fitting(context, confusion.nameAt(place), room - 8);
    context.textAlign = "right";
    context.fillStyle = ink(place === cursor?.row);
    if (inRow) context.fillText(name, room - 6, y);
    if (!inColumn) continue;
    context.save();
    context.translate(x, room - 6);
    context.rotate(-Math.PI / 2);
    context.textAlign = "left";
    context.fillStyle = ink(place === cursor?.column);
    context.fillText(name, 0, 0);
    context.restore();
  }
  context.fillStyle = paper;
  context.fillRect(0, 0, room, room);
  context.fillStyle = style.getPropertyValue("--muted");
  context.textAlign = "right";
  context.fillText("guess →", room - 6, room - 24, room - 8);
  context.fillText("true ↓", room - 6, room - 10, room - 8);
}

/**
 * @param {CanvasRenderingContext2D} context
 * @param {string} text
 * @param {number} room
 */
function fitting(context, text, room) {
  if (context.measureText(text).width <= room) return text;
  let end = text.length;
  while (end > 1 && context.measureText(`${text.slice(0, end)}…`).width > room) end--;
  return `${text.slice(0, end)}…`;
}

/**
 * The ramp of the legend.
 * @param {HTMLCanvasElement} canvas
 * @param {number} most
 */
export function drawLegend(canvas, most) {
  const context = canvas.getContext("2d");
  for (let x = 0; context && x < canvas.width; x++) {
    context.fillStyle = ramp(most > 1 ? FAINTEST + ((1 - FAINTEST) * x) / (canvas.width - 1) : 1, isDark());
    context.fillRect(x, 0, 1, canvas.height);
  }
}
