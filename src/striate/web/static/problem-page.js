// @ts-check
/** What is shown in a page's place: what was asked, what was found, and what would work. */

import { h } from "./dom.js";
import { Problem } from "./data.js";
import { href } from "./route.js";

/**
 * @param {unknown} error
 * @param {() => void} [again]
 * @returns {{title: string, node: Node}}
 */
export function problemPage(error, again) {
  const problem = error instanceof Problem ? error : new Problem(String(error), 0, "The page has a fault");
  if (!(error instanceof Problem)) console.error(error);
  const title = problem.title;
  return {
    title,
    node: h("article", { class: "problem" },
      h("h1", { text: title }),
      h("p", { text: problem.message }),
      near(problem),
      h("p", null, h("a", { href: href([]), text: "All layers of the network" })),
      again && problem.status !== 404 ? h("button", { type: "button", text: "Try again", on: { click: again } }) : null),
  };
}

/** @param {Problem} problem */
function near(problem) {
  if (problem.near.length === 0) return null;
  return [h("p", { text: "The nearest that there is:" }),
    h("ul", null, problem.near.map(({ text, href: target }) => h("li", null, h("a", { class: "mono", href: target, text }))))];
}

/** The page of an address that means nothing. */
export async function render() {
  const asked = location.hash;
  return problemPage(new Problem(
    `${asked} is no address of this page. #/LAYER/UNIT, #/images/NUMBER and #/classes/NUMBER are.`, 404, "No such page"));
}
