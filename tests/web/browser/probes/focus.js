// How the element with the focus looks with it and without it.
() => {
  const element = document.activeElement;
  if (!element || element === document.body) return null;
  const { left, top, right, bottom } = element.getBoundingClientRect();
  const look = (of) => {
    const style = getComputedStyle(of);
    const wide = style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 1;
    const outline = wide ? `${style.outlineWidth} ${style.outlineColor}` : "";
    return `${outline} ${style.boxShadow} ${of.ownerSVGElement ? style.stroke + style.strokeWidth : ""}`;
  };
  const parts = [element, ...element.children].slice(0, 8);
  const lit = parts.map(look);
  const text = (element.getAttribute("aria-label") ?? element.textContent).trim().slice(0, 40);
  const name = `<${element.localName} class="${element.getAttribute("class") ?? ""}"> ${text}`;
  const within = right > 0 && bottom > 0 && left < innerWidth && top < innerHeight && right > left;
  element.blur();
  const dark = parts.map(look);
  element.focus({ preventScroll: true, focusVisible: true });
  return { name, within, changes: lit.some((look, k) => look !== dark[k]) };
}
