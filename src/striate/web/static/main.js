// @ts-check
/** Opens the page that the fragment names, and keeps title, focus, scroll and header in step. */

import { changes, network, Problem } from "./data.js";
import { h } from "./dom.js";
import { fillCrumbs } from "./crumbs.js";
import { fillHeader } from "./header.js";
import { here } from "./here.js";
import { fillNotices, watchConnection } from "./notices.js";
import { parse, routes } from "./route.js";
import { keepScroll, trail } from "./scroll.js";
import { problemPage } from "./problem-page.js";
import { applyTheme } from "./theme.js";

/** @typedef {import("./route.js").Route} Route */
/** @typedef {{title: string, node: Node, update?: (route: Route) => void}} Page */
/** @typedef {{render: (route: Route, signal: AbortSignal) => Promise<Page>}} PageModule */

/** @type {{[name: string]: () => Promise<PageModule>}} */
const MODULES = {
  network: () => import("./page-network.js"),
  layer: () => import("./page-layer.js"),
  unit: () => import("./page-unit.js"),
  images: () => import("./page-images.js"),
  image: () => import("./page-image.js"),
  classes: () => import("./page-classes.js"),
  class: () => import("./page-class.js"),
  concepts: () => import("./page-concepts.js"),
  concept: () => import("./page-concept.js"),
  unknown: () => import("./problem-page.js"),
};
const SLOW = 200;

/** @param {string} id */
const byId = (id) => /** @type {HTMLElement} */ (document.getElementById(id));
const [main, header] = [byId("main"), byId("header")];
const line = h("div", { class: "below" });
const notices = h("div", { class: "notices", role: "status" });
const scroll = keepScroll(() => trail(main, document.activeElement));

/** @type {{key: string, page: Page, stop: AbortController} | null} */
let open = null;

/**
 * @param {Route} route
 * @returns {string} the same for routes that differ in their query alone
 */
const keyOf = ({ page, layer, unit, id }) => JSON.stringify([page, layer, unit, id]);

/** @param {{quiet?: boolean}} [how] quiet: the same page again, with newer numbers */
async function show({ quiet } = {}) {
  const stop = new AbortController();
  open?.stop.abort();
  scroll.hold();
  const before = open;
  open = { key: "", page: { title: "", node: main }, stop };
  const wait = setTimeout(() => before && !quiet && !stop.signal.aborted && waiting(), SLOW);
  const route = await here();
  /** @type {Page} */
  let page;
  try {
    page = await (await MODULES[route.page]().catch(gone)).render(route, stop.signal);
  } catch (error) {
    if (stop.signal.aborted) return;
    page = problemPage(error, () => show());
  } finally {
    clearTimeout(wait);
  }
  if (stop.signal.aborted) return;
  open = { key: keyOf(route), page, stop };
  await place(route, page, before === null, quiet === true);
}

/**
 * @param {Route} route
 * @param {Page} page
 * @param {boolean} first
 * @param {boolean} quiet
 */
async function place(route, page, first, quiet) {
  const all = await network().catch(() => null);
  const focused = quiet ? trail(main, document.activeElement) : null;
  document.title = page.title === all?.name || !all ? `${page.title} – striate` : `${page.title} – ${all.name} – striate`;
  fillCrumbs(line, route, all, page.title);
  if (all) fillNotices(notices, all);
  main.replaceChildren(page.node);
  main.removeAttribute("aria-busy");
  const left = scroll.restore();
  if (first) return;
  if (!quiet) byId("announcement").textContent = page.title;
  // A grid draws its cells a frame after the page has been scrolled to them.
  if (left) await new Promise(requestAnimationFrame).then(() => new Promise(requestAnimationFrame));
  if (open?.page !== page || (quiet && !focused)) return;
  const title = main.querySelector("h1");
  title?.setAttribute("tabindex", "-1");
  const target = main.querySelector(focused ?? left ?? "h1") ?? title;
  const typing = document.activeElement?.closest("search-box");
  if (!main.contains(document.activeElement) && !typing && target instanceof HTMLElement) target.focus({ preventScroll: true });
}

/** @param {Error} error @returns {never} */
function gone(error) {
  if (!(error instanceof TypeError)) throw error;
  throw new Problem("This part of the page could not be fetched. Is `striate serve` still running?", 0, "No connection");
}

function waiting() {
  main.setAttribute("aria-busy", "true");
  main.replaceChildren(h("p", { class: "waiting", text: "Reading …" }));
}

/** A new fragment: another page, or the same with another query. */
async function moved() {
  const route = await here();
  if (open?.page.update && keyOf(route) === open.key) {
    open.page.update(route);
    scroll.restore();
  } else await show();
}

async function start() {
  applyTheme();
  header.after(line, notices);
  // The modules of the page that is asked for come while the network's message does.
  MODULES[parse(location.hash).page]().catch(() => {});
  const all = await network().catch(() => null);
  fillHeader(header, all);
  watchConnection(notices);
  byId("skip").addEventListener("click", (event) => {
    event.preventDefault();
    main.focus();
    main.scrollIntoView();
  });
  window.addEventListener("hashchange", () => {
    scroll.hold();
    moved();
  });
  routes.addEventListener("query", (event) => open?.page.update?.(/** @type {CustomEvent} */ (event).detail));
  changes.addEventListener("revision", async () => {
    fillHeader(header, await network().catch(() => null));
    await show({ quiet: true });
  });
  await show();
  // The other pages come while nobody waits for them, so that the first click does not.
  const others = Object.keys(MODULES).filter((name) => all?.dissection || !name.startsWith("concept"));
  setTimeout(() => others.forEach((name) => MODULES[name]().catch(() => {})), SLOW);
}

if (location.search) history.replaceState(null, "", location.pathname + location.hash);
start();
