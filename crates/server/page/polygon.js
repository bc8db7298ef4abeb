// Drawing the region of interest on a photo: with the pointer, or with the arrow keys.

import { h, fill } from "./dom.js";
import { t } from "./words.js";

const STEP = .02;

/** An editor over a picture. `points()` gives the polygon in fractions of width and height, or null. */
export function polygonEditor(address) {
  let points = [], cursor = [.5, .5], isClosed = false;
  const svg = h("svg", {
    viewBox: "0 0 1 1", preserveAspectRatio: "none", tabindex: 0, role: "application", "aria-label": t("region.editor"),
    onpointerdown: event => {
      const box = svg.getBoundingClientRect();
      add([(event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height]);
    },
    onkeydown: event => {
      const moves = { ArrowLeft: [-STEP, 0], ArrowRight: [STEP, 0], ArrowUp: [0, -STEP], ArrowDown: [0, STEP] };
      if (moves[event.key]) cursor = cursor.map((it, i) => Math.min(1, Math.max(0, it + moves[event.key][i])));
      else if (event.key === "Enter" || event.key === " ") add([...cursor]);
      else if (event.key === "Backspace") undo();
      else return;
      event.preventDefault();
      draw();
    },
  });
  const said = h("p", { class: "small soft", "aria-live": "polite" });

  function add(point) {
    if (isClosed) return;
    const round = point.map(it => Math.min(1, Math.max(0, Math.round(it * 1e4) / 1e4)));
    const [first] = points;
    if (points.length > 2 && Math.hypot(first[0] - round[0], first[1] - round[1]) < .025) isClosed = true;
    else points.push(round);
    draw();
  }
  function undo() {
    if (isClosed) isClosed = false; else points.pop();
    draw();
  }
  function draw() {
    const text = points.map(point => point.join(",")).join(" ");
    const shape = isClosed || points.length > 2 ? "polygon" : "polyline";
    fill(svg, h(shape, { class: "polygon-edge", points: text }), h(shape, { class: "polygon", points: text }),
      points.map(([x, y]) => h("circle", { cx: x, cy: y, r: .008, fill: "#fff", stroke: "#1f628f", "stroke-width": .003 })),
      document.activeElement === svg && !isClosed && h("circle", { cx: cursor[0], cy: cursor[1], r: .012, fill: "none", stroke: "#ffb454", "stroke-width": .005 }));
    said.textContent = t(isClosed ? "region.closed" : "region.count", { count: points.length });
  }
  draw();
  const element = h("div", {},
    h("p", { class: "small" }, t("region.how")),
    h("div", { class: "layers" }, h("img", { src: address, alt: t("region.photo") }), svg), said,
    h("div", { class: "row" }, h("button", { type: "button", onclick: undo }, t("region.undo")),
      h("button", { type: "button", onclick: () => { points = []; isClosed = false; draw(); } }, t("region.clear"))));
  return { element, points: () => points.length > 2 ? points : null };
}
