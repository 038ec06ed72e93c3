// @ts-check
/** Back and Forward find the page where the reader left it, with the same focus; a new page begins at its top. */

/** @typedef {{top: number, focus: string | null}} Place */

const PLACE = "striate.scroll";
const KEPT = 100;

/**
 * @param {() => string | null} focused a selector of what has the focus
 * @returns {{hold: () => void, restore: () => string | null}} hold when a page goes, restore when it is there
 */
export function keepScroll(focused) {
  history.scrollRestoration = "manual";
  const places = read();
  let held = true;
  let entry = entryOf();
  window.addEventListener("scroll", () => {
    if (!held) keep(window.scrollY, null);
  }, { passive: true });
  /** @param {number} top @param {string | null} focus */
  const keep = (top, focus) => {
    places.delete(entry);
    places.set(entry, { top, focus });
  };
  window.addEventListener("pagehide", () => write(places));
  return {
    hold() {
      if (!held) keep(places.get(entry)?.top ?? 0, focused());
      held = true;
      entry = entryOf();
    },
    restore() {
      const place = places.get(entry);
      window.scrollTo(0, place?.top ?? 0);
      // The scroll event of that comes with the next frame, and so does one of a page that is still short.
      requestAnimationFrame(() => requestAnimationFrame(() => (held = false)));
      return place?.focus ?? null;
    },
  };
}

/** @returns {string} names the entry of the history that is open */
function entryOf() {
  if (!history.state?.entry) {
    history.replaceState({ entry: `${Date.now()}-${Math.random()}` }, "");
  }
  return history.state.entry;
}

/** @returns {Map<string, Place>} */
function read() {
  try {
    return new Map(JSON.parse(sessionStorage.getItem(PLACE) ?? "[]"));
  } catch {
    return new Map();
  }
}

/** @param {Map<string, Place>} places */
function write(places) {
  try {
    sessionStorage.setItem(PLACE, JSON.stringify([...places].slice(-KEPT)));
  } catch {
    // Without storage a reloaded page begins at its top.
  }
}

/**
 * How to find an element of the page again after it was made anew.
 *
 * @param {Element} main what the page is in
 * @param {Element | null} element
 * @returns {string | null}
 */
export function trail(main, element) {
  if (!element || !main.contains(element)) return null;
  if (element.id) return `#${CSS.escape(element.id)}`;
  const target = element.getAttribute("href");
  return target ? `[href="${CSS.escape(target)}"]` : null;
}
