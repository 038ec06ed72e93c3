// What makes the page wider than the window.
() => {
  const width = document.documentElement.scrollWidth;
  if (width <= innerWidth) return [];
  const far = [...document.querySelectorAll("body *")]
    .filter((element) => element.getBoundingClientRect().right > innerWidth + 1).slice(0, 8);
  return [`${width} pixels`, ...far.map((e) => `<${e.localName} class="${e.getAttribute("class") ?? ""}">`)];
}
