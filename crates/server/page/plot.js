// Plots as SVG: histograms of scores with a threshold, and losses over steps.

import { h } from "./dom.js";
import { number } from "./words.js";

const LEFT = 44, RIGHT = 14, TOP = 12, BOTTOM = 28;

/** As wide as it is shown, so that letters are as large as they are written. */
const width = most => Math.min(most, window.innerWidth - 60);

/** Round values between two others, about so many. */
function ticks(low, high, about) {
  const rough = (high - low) / about, unit = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map(it => it * unit).find(it => it >= rough);
  const first = Math.ceil(low / step) * step, all = [];
  for (let value = first; value <= high + step * 1e-6; value += step) all.push(Math.abs(value) < step * 1e-6 ? 0 : value);
  return { all, digits: Math.max(0, -Math.floor(Math.log10(step) + 1e-9)) };
}

/**
 * A histogram: calibration scores and good photos upwards, defects downwards.
 * Gives the figure's svg, and a function that moves the threshold.
 */
export function histogram({ low, high, calibration, good, defects }, current, label) {
  const WIDTH = width(700), height = 260, middle = defects.some(it => it) ? 150 : height - BOTTOM;
  const most = Math.max(1, ...calibration.map((count, i) => count + good[i]));
  const mostDefects = Math.max(1, ...defects);
  const x = value => LEFT + (value - low) / (high - low) * (WIDTH - LEFT - RIGHT);
  const bar = (high - low) / calibration.length;
  const svg = h("svg", { class: "plot", viewBox: `0 0 ${WIDTH} ${height}`, role: "img", "aria-label": label });
  const scale = ticks(low, high, WIDTH / 90);
  for (const value of scale.all) {
    svg.append(h("line", { class: "grid", x1: x(value), x2: x(value), y1: TOP, y2: height - BOTTOM }),
      h("text", { x: x(value), y: height - 10, "text-anchor": "middle" }, number(value, scale.digits)));
  }
  const rect = (name, i, from, to) => from < to && svg.append(h("rect",
    { class: name, x: x(low + i * bar) + .5, width: Math.max(1, x(low + bar) - x(low) - 1), y: from, height: to - from }));
  const up = count => count / most * (middle - TOP);
  calibration.forEach((count, i) => {
    rect("bar-calibration", i, middle - up(count), middle);
    rect("bar-good", i, middle - up(count + good[i]), middle - up(count));
    rect("bar-defect", i, middle, middle + defects[i] / mostDefects * (height - BOTTOM - middle));
  });
  svg.append(h("text", { x: LEFT - 6, y: TOP + 10, "text-anchor": "end" }, number(most)));
  if (middle < height - BOTTOM) svg.append(h("text", { x: LEFT - 6, y: height - BOTTOM, "text-anchor": "end" }, number(mostDefects)));
  svg.append(h("line", { class: "axis", x1: LEFT, x2: WIDTH - RIGHT, y1: middle, y2: middle }));
  const mark = name => h("line", { class: name, y1: TOP - 6, y2: height - BOTTOM });
  const move = (line, value) => { line.setAttribute("x1", x(value)); line.setAttribute("x2", x(value)); };
  const now = mark("cut-now"), cut = mark("cut");
  svg.append(now, cut);
  move(now, Math.min(high, Math.max(low, current ?? low)));
  now.setAttribute("visibility", current === undefined || current === null ? "hidden" : "visible");
  return { svg, move: value => move(cut, Math.min(high, Math.max(low, value))) };
}

/** Losses over steps: lines of `[step, value]`, on a scale of powers of ten. */
export function losses(lines, steps, label) {
  const WIDTH = width(420), height = 220;
  const values = lines.flat().map(([, value]) => value).filter(value => value > 0);
  const svg = h("svg", { class: "plot", viewBox: `0 0 ${WIDTH} ${height}`, role: "img", "aria-label": label });
  if (!values.length) return svg;
  const low = Math.log10(Math.min(...values)) - .1, high = Math.max(Math.log10(Math.max(...values)) + .1, low + .5);
  const x = step => LEFT + step / steps * (WIDTH - LEFT - RIGHT);
  const y = value => TOP + (high - Math.log10(value)) / (high - low) * (height - TOP - BOTTOM);
  for (let power = Math.ceil(low); power <= high; power++) {
    const value = 10 ** power;
    svg.append(h("line", { class: "grid", x1: LEFT, x2: WIDTH - RIGHT, y1: y(value), y2: y(value) }),
      h("text", { x: LEFT - 6, y: y(value) + 4, "text-anchor": "end" }, number(value, Math.max(0, -power))));
  }
  for (const step of ticks(0, steps, WIDTH / 80).all) {
    svg.append(h("text", { x: x(step), y: height - 10, "text-anchor": "middle" }, number(step)));
  }
  svg.append(h("line", { class: "axis", x1: LEFT, x2: WIDTH - RIGHT, y1: height - BOTTOM, y2: height - BOTTOM }));
  lines.forEach((line, i) => {
    const points = line.filter(([, value]) => value > 0).map(([step, value]) => `${x(step).toFixed(1)},${y(value).toFixed(1)}`);
    svg.append(h("polyline", { class: `line-${i}`, points: points.join(" ") }));
  });
  return svg;
}
