// @ts-check
/**
 * Pictures that are loaded when they come near the screen, a few at a time.
 *
 * One that the server has yet to make takes seconds, and a browser has six connections to it: were all
 * taken, the next page would wait for the pictures of the last one.
 */

const NEAR = "400px";
const AT_ONCE = 2;

/** @type {WeakMap<Element, string>} */
const urls = new WeakMap();
/** @type {HTMLImageElement[]} */
const waiting = [];
/** @type {Set<HTMLImageElement>} */
const loading = new Set();

const watcher = new IntersectionObserver((entries) => {
  for (const { isIntersecting, target } of entries) {
    if (!isIntersecting || !(target instanceof HTMLImageElement)) continue;
    watcher.unobserve(target);
    waiting.push(target);
  }
  next();
}, { rootMargin: NEAR });

/**
 * @param {HTMLImageElement} image
 * @param {string} url what it is to show
 */
export function loadInTurn(image, url) {
  urls.set(image, url);
  watcher.observe(image);
}

function next() {
  for (const image of loading) {
    if (image.isConnected) continue;
    // Its page was left: nobody needs to make it any more.
    image.removeAttribute("src");
    loading.delete(image);
  }
  while (loading.size < AT_ONCE) {
    const image = waiting.shift();
    if (!image) return;
    if (!image.isConnected) continue;
    loading.add(image);
    const done = () => {
      loading.delete(image);
      next();
    };
    for (const end of ["load", "error"]) image.addEventListener(end, done, { once: true });
    image.src = urls.get(image) ?? "";
  }
}
