// What would move: elements with a transition, an animation or smooth scrolling.
() => {
  const longest = (text) => Math.max(...text.split(",").map(parseFloat));
  return [...document.querySelectorAll("*")].filter((element) => {
    const style = getComputedStyle(element);
    return longest(style.transitionDuration) > 0.01 || style.scrollBehavior === "smooth"
      || (style.animationName !== "none" && longest(style.animationDuration) > 0.01);
  }).map((element) => `<${element.localName} class="${element.getAttribute("class") ?? ""}">`);
}
