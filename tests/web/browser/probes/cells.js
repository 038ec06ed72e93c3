// The cells of a layer's grid that are in the document: place, unit, top in the window.
() => [...document.querySelectorAll("unit-grid [data-place]")].map((cell) => {
  const [, unit] = cell.querySelector("a").getAttribute("href").match(/\/(\d+)(\?|$)/);
  return [Number(cell.dataset.place), Number(unit), Math.round(cell.getBoundingClientRect().top)];
}).sort((a, b) => a[0] - b[0])
