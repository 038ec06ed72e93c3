// Evaluated in the page by the tests: returns what is wrong with it, in words.
() => {
  const wrong = [];
  const say = (element, what) => wrong.push(`${describe(element)}: ${what}`);

  const describe = (element) => {
    const id = element.id ? `#${element.id}` : "";
    const kind = element.getAttribute("class") ? `.${element.getAttribute("class").split(/\s+/).join(".")}` : "";
    return `<${element.localName}${id}${kind}> "${(element.textContent ?? "").trim().slice(0, 40)}"`;
  };

  const all = [...document.querySelectorAll("*")];
  const hidden = (element) => element.closest("[aria-hidden=true], [inert]") !== null;
  const seen = (element) => element.checkVisibility({ checkOpacity: true, checkVisibilityCSS: true, contentVisibilityAuto: false });

  // --- names -------------------------------------------------------------------------------
  const text = (node) => {
    if (node.nodeType === Node.TEXT_NODE) return node.data;
    if (node.nodeType !== Node.ELEMENT_NODE) return "";
    if (node.getAttribute("aria-hidden") === "true") return "";
    const own = node.getAttribute("aria-label") ?? node.getAttribute("alt");
    if (own) return own;
    return [...node.childNodes].map(text).join(" ");
  };
  const nameOf = (element) => {
    const by = element.getAttribute("aria-labelledby");
    if (by) return by.split(/\s+/).map((id) => document.getElementById(id)).map((e) => (e ? text(e) : "")).join(" ").trim();
    const own = element.getAttribute("aria-label") ?? element.getAttribute("alt");
    if (own?.trim()) return own.trim();
    if (element.labels?.length) return [...element.labels].map(text).join(" ").trim();
    const title = element.querySelector(":scope > title")?.textContent ?? element.getAttribute("title") ?? "";
    const inner = /^(input|select|textarea|svg)$/.test(element.localName) ? "" : text(element);
    return (inner.trim() || title).trim();
  };
  const controls = "a[href], button, input, select, textarea, summary, [tabindex], [role=button], [role=link], [role=option], [role=combobox]";
  for (const element of document.querySelectorAll(controls)) {
    if (hidden(element) || element.type === "hidden" || !seen(element)) continue;
    if (element.matches("[tabindex='-1']:not([role])")) continue;
    if (nameOf(element) === "") say(element, "a control without a name");
    if (element.tabIndex > 0) say(element, "a tabindex above 0");
  }
  for (const element of document.querySelectorAll("img, [role=img], dialog, [role=dialog], canvas")) {
    if (hidden(element) || !seen(element)) continue;
    if (element.localName === "img" && element.alt === "" && element.hasAttribute("alt")) continue;
    if (nameOf(element) === "") say(element, "a picture or dialog without a name");
  }
  for (const element of document.querySelectorAll("[aria-hidden=true] :is(a[href], button, input, select), :is(a[href], button, input, select)[aria-hidden=true]")) {
    if (element.tabIndex >= 0 && seen(element)) say(element, "hidden from readers, but takes the focus");
  }

  // --- structure ---------------------------------------------------------------------------
  const ids = new Set();
  for (const { id } of all) {
    if (id && ids.has(id)) wrong.push(`two elements are #${id}`);
    if (id) ids.add(id);
  }
  for (const attribute of ["aria-labelledby", "aria-describedby", "aria-controls", "aria-activedescendant", "for", "list"]) {
    for (const element of document.querySelectorAll(`[${attribute}]`)) {
      if (element.closest("dialog:not([open])")) continue;
      for (const id of element.getAttribute(attribute).split(/\s+/)) {
        if (id && !ids.has(id)) say(element, `${attribute} names #${id}, which is not there`);
      }
    }
  }
  let level = 0;
  const headings = [...document.querySelectorAll("h1, h2, h3, h4, h5, h6")].filter(seen);
  for (const heading of headings) {
    const next = Number(heading.localName[1]);
    if (next > level + 1) say(heading, `level ${next} after ${level}`);
    level = next;
  }
  const first = headings.filter((heading) => heading.localName === "h1");
  if (first.length !== 1) wrong.push(`${first.length} headings h1`);
  for (const [selector, what] of [["html[lang]", "language"], ["main", "main part"], ["[aria-live]", "live region"], ["nav", "navigation"]]) {
    if (!document.querySelector(selector)) wrong.push(`no ${what} (${selector})`);
  }
  if (document.title.trim() === "") wrong.push("no title");
  for (const table of document.querySelectorAll("table")) {
    if (seen(table) && !table.querySelector("th")) say(table, "a table without heads");
  }
  for (const element of document.querySelectorAll("button, input:not([type=checkbox], [type=radio], [type=range]), select")) {
    if (!seen(element) || hidden(element) || element.closest(".unseen")) continue;
    const { width, height } = element.getBoundingClientRect();
    if (width < 23.5 || height < 23.5) say(element, `a target of ${width.toFixed()} x ${height.toFixed()} pixels`);
  }

  // --- contrast ----------------------------------------------------------------------------
  const pen = new OffscreenCanvas(1, 1).getContext("2d", { willReadFrequently: true });
  const colours = new Map();
  const rgba = (colour) => {
    if (!colours.has(colour)) {
      pen.clearRect(0, 0, 1, 1);
      pen.fillStyle = colour;
      pen.fillRect(0, 0, 1, 1);
      const [r, g, b, a] = pen.getImageData(0, 0, 1, 1).data;
      colours.set(colour, [r, g, b, a / 255]);
    }
    return colours.get(colour);
  };
  const over = ([r, g, b, a], [R, G, B]) => [r * a + R * (1 - a), g * a + G * (1 - a), b * a + B * (1 - a)];
  const light = (rgb) => {
    const [r, g, b] = rgb.map((v) => v / 255).map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const ground = (element) => {
    const layers = [];
    for (let at = element; at; at = at.parentElement) {
      const style = getComputedStyle(at);
      if (style.backgroundImage !== "none") return null;
      const [r, g, b, a] = rgba(style.backgroundColor);
      layers.push([r, g, b, a * Number(style.opacity)]);
      if (a === 1) break;
    }
    const root = getComputedStyle(document.documentElement);
    const base = /dark/.test(root.colorScheme) && !/light/.test(root.colorScheme) ? [18, 18, 18] : [255, 255, 255];
    return layers.reverse().reduce((below, above) => over(above, below), base);
  };
  const judged = new Map();
  for (const element of all) {
    const written = [...element.childNodes].some((n) => n.nodeType === Node.TEXT_NODE && n.data.trim());
    if (!written || !seen(element) || element.closest("script, style, noscript, title, option, datalist, .unseen, :disabled")) continue;
    const style = getComputedStyle(element);
    const svg = element.namespaceURI === "http://www.w3.org/2000/svg";
    const key = `${style.color}${svg ? style.fill : ""}`;
    const below = ground(element);
    if (!below) continue;
    let opacity = 1;
    for (let at = element; at; at = at.parentElement) opacity *= Number(getComputedStyle(at).opacity);
    const [r, g, b, a] = rgba(svg ? style.fill : style.color);
    const above = over([r, g, b, a * opacity], below);
    const [low, high] = [light(above), light(below)].sort((x, y) => x - y);
    const ratio = (high + 0.05) / (low + 0.05);
    const seenAs = `${key} ${below.map(Math.round)} ${opacity}`;
    if (ratio < 4.5 && !judged.has(seenAs)) {
      judged.set(seenAs, true);
      say(element, `contrast ${ratio.toFixed(2)}, ${above.map(Math.round)} on ${below.map(Math.round)}`);
    }
  }
  return wrong;
}
