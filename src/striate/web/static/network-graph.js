// @ts-check
/** `<network-graph>`: the network as nodes and edges, from the image at the top to the last layer. */

import { load } from "./data.js";
import { h, s } from "./dom.js";
import { layOut, neighbourOf, trunkOf } from "./graph-layout.js";
import { legend, nodeAt } from "./graph-nodes.js";
import { describe } from "./graph-shapes.js";
import { toolbar } from "./graph-tools.js";
import { GraphView } from "./graph-view.js";
import { go, layerHref } from "./route.js";

/** @typedef {import("../messages.js").Graph} Graph */
/** @typedef {import("../messages.js").GraphNode} GraphNode */

/** The drawing; the attribute `current` names the layer that is open. */
export class NetworkGraph extends HTMLElement {
  static observedAttributes = ["current"];

  /** @type {Graph} */
  #graph = { nodes: [], edges: [] };
  /** @type {SVGGElement[]} */
  #nodes = [];
  /** @type {SVGPathElement[]} */
  #edges = [];
  /** @type {GraphView | null} */
  #view = null;
  #tip = h("div", { class: "graph-tip", role: "status", hidden: true });
  #loaded = false;

  connectedCallback() {
    this.classList.add("network-graph");
    if (this.#loaded) return;
    this.#loaded = true;
    this.replaceChildren(h("p", { class: "muted", text: "Drawing the network…" }));
    load("data/graph.json").then(
      (graph) => this.#show(graph),
      (error) => this.replaceChildren(h("p", { class: "graph-empty", text: `No drawing: ${error.message}` })),
    );
  }

  attributeChangedCallback() {
    this.#markCurrent();
  }

  /** @param {Graph} graph */
  #show(graph) {
    if (graph.nodes.length === 0) {
      this.replaceChildren(h("p", { class: "graph-empty", text: "This atlas holds no drawing of its network; the table lists its layers." }));
      return;
    }
    this.#graph = graph;
    const layout = layOut(graph);
    this.#edges = layout.edges.map(({ path, long }) => s("path", { class: long ? "graph-edge long" : "graph-edge", d: path }));
    this.#nodes = graph.nodes.map((node, k) => this.#draw(node, k, layout.places[k]));
    const drawing = s("svg", {
      class: "graph-drawing", viewBox: `0 0 ${layout.width} ${layout.height}`, role: "group",
      "aria-label": `Drawing of the network: ${graph.nodes.length} nodes, ${graph.edges.length} edges. Arrow keys walk along the edges.`,
    }, ...this.#edges, ...this.#nodes);
    const panel = h("div", { class: "graph-panel" }, drawing);
    this.#view = new GraphView(panel, drawing, { ...layout, middle: layout.places[0].x });
    this.replaceChildren(toolbar(this.#view, drawing, layout), h("div", { class: "graph-stage" }, panel, this.#tip), legend(graph.nodes));
    drawing.addEventListener("keydown", (event) => this.#walk(event));
    this.#markCurrent();
    this.#view.start(this.#nodes.find((node) => node.hasAttribute("aria-current")) ?? null);
  }

  /**
   * @param {GraphNode} node
   * @param {number} index
   * @param {{x: number, y: number}} place
   */
  #draw(node, index, place) {
    const element = nodeAt(node, place, index === 0);
    const open = () => node.layer !== null && go(layerHref(node.address));
    const shine = () => this.#light(index);
    const dim = () => this.#light(null);
    for (const [name, run] of Object.entries({ click: open, pointerenter: shine, focus: shine, pointerleave: dim, blur: dim })) {
      element.addEventListener(name, run);
    }
    element.addEventListener("keydown", (event) => {
      if (event.key !== "Enter") return;
      event.preventDefault();
      open();
    });
    return element;
  }

  /** @param {KeyboardEvent} event */
  #walk(event) {
    if (!event.key.startsWith("Arrow") || event.ctrlKey || event.altKey || event.metaKey) return;
    const from = this.#nodes.indexOf(/** @type {SVGGElement} */ (document.activeElement));
    if (from < 0) return;
    event.preventDefault();
    const to = neighbourOf(this.#graph, from, event.key);
    if (to === undefined) return;
    this.#nodes[from].setAttribute("tabindex", "-1");
    this.#nodes[to].setAttribute("tabindex", "0");
    this.#nodes[to].focus({ preventScroll: true });
    this.#view?.reveal(this.#nodes[to]);
  }

  /** @param {number | null} node */
  #light(node) {
    const { edges, nodes } = this.#graph;
    const { above, below } = node === null ? { above: new Set(), below: new Set() } : trunkOf(edges, node);
    const trunk = new Set([...above, ...below]);
    this.classList.toggle("lit", node !== null);
    this.#nodes.forEach((element, k) => {
      element.classList.toggle("near", k === node);
      element.classList.toggle("trunk", trunk.has(k));
    });
    edges.forEach(([from, to], k) => {
      this.#edges[k].classList.toggle("near", from === node || to === node);
      const upwards = above.has(from) && (above.has(to) || to === node);
      this.#edges[k].classList.toggle("trunk", upwards || (below.has(to) && (below.has(from) || from === node)));
    });
    this.#tip.hidden = node === null;
    if (node === null) return;
    const opens = nodes[node].layer === null ? "" : " Enter or a click opens it.";
    this.#tip.textContent = `${describe(nodes[node])}.${opens}`;
  }

  #markCurrent() {
    const current = this.getAttribute("current");
    this.#graph.nodes.forEach(({ address }, k) => {
      if (address === current) this.#nodes[k].setAttribute("aria-current", "page");
      else this.#nodes[k].removeAttribute("aria-current");
    });
  }
}

customElements.define("network-graph", NetworkGraph);
