// Whether the view is there, and every tile in the window is drawn or known to be missing.
() => document.querySelector("main:not([aria-busy]) h1") !== null
  && [...document.querySelectorAll("main .tile")].filter((tile) => {
    const { top, bottom, width } = tile.getBoundingClientRect();
    return width > 0 && bottom > 0 && top < innerHeight;
  }).every((tile) => tile.matches(".drawn, .missing, .dead"))
