// Elements in few words, and what all views have in common.

const SVG = "http://www.w3.org/2000/svg";
const DRAWN = new Set(["svg", "g", "path", "rect", "line", "circle", "text", "polygon", "polyline", "title"]);

/** An element. `on…` properties are listeners, `class` and others attributes, objects of `dataset` as such. */
export function h(tag, properties = {}, ...children) {
  const element = DRAWN.has(tag) ? document.createElementNS(SVG, tag) : document.createElement(tag);
  for (const [name, value] of Object.entries(properties ?? {})) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name === "dataset") Object.assign(element.dataset, value);
    else if (["value", "checked", "disabled", "srcObject", "indeterminate"].includes(name)) element[name] = value;
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat(3).filter(child => child !== null && child !== undefined && child !== false));
  return element;
}

/** Replaces what an element holds. */
export function fill(element, ...children) {
  element.replaceChildren(...children.flat(3).filter(child => child !== null && child !== undefined && child !== false));
  return element;
}

let count = 0;
/** A field with its label; `note` says more. */
export function field(label, input, note) {
  input.id ||= `field-${++count}`;
  const parts = [h("label", { for: input.id }, label), input];
  if (note) {
    input.setAttribute("aria-describedby", `${input.id}-note`);
    parts.push(h("small", { id: `${input.id}-note` }, note));
  }
  return h("div", { class: "field" }, parts);
}

/** A box to be ticked. */
export function check(label, input) {
  return h("label", { class: "check" }, input, h("span", {}, label));
}

/** Says something for a while; what went wrong stays until it is closed. */
export function notice(text, kind = "", close = "×") {
  const box = document.getElementById("notices");
  const note = h("div", { class: `note ${kind}`, role: kind === "bad" ? "alert" : null }, h("span", {}, text),
    h("button", { type: "button", "aria-label": close, onclick: () => note.remove() }, "×"));
  box.append(note);
  if (kind !== "bad") setTimeout(() => note.remove(), 6000);
  while (box.children.length > 4) box.firstChild.remove();
}

/** Has a button do something once, and tells what goes wrong. */
export function action(work) {
  return async event => {
    const button = event.currentTarget;
    button.disabled = true;
    try { await work(event); }
    catch (error) { notice(error.message, "bad"); }
    finally { button.disabled = false; }
  };
}

/** A place where photos are dropped or chosen. `take` gets the files. */
export function dropZone({ title, hint, button, name }, take) {
  const input = h("input", {
    type: "file", multiple: true, class: "hidden", name, "aria-label": title, tabindex: -1,
    accept: "image/*,.bmp,.tif,.tiff,.webp,.pgm,.ppm",
    onchange: () => { take([...input.files]); input.value = ""; },
  });
  const zone = h("div", {
    class: "drop",
    ondragover: event => { event.preventDefault(); zone.classList.add("over"); },
    ondragleave: () => zone.classList.remove("over"),
    ondrop: event => { event.preventDefault(); zone.classList.remove("over"); take([...event.dataTransfer.files]); },
  }, h("p", {}, h("b", {}, title)), hint && h("p", { class: "soft small" }, hint),
  h("p", {}, h("button", { type: "button", onclick: () => input.click() }, button)), input);
  return zone;
}

/** Asks something in a dialogue; gives the form's values, or null. */
export function ask({ title, text, fields, confirm, cancel }) {
  return new Promise(resolve => {
    const form = h("form", { method: "dialog" }, h("h2", {}, title), text && h("p", {}, text), fields,
      h("div", { class: "row" }, h("button", { class: "primary", value: "ok" }, confirm),
        cancel && h("button", { type: "button", onclick: () => dialog.close("") }, cancel)));
    const dialog = h("dialog", { onclose: () => {
      dialog.remove();
      resolve(dialog.returnValue === "ok" ? Object.fromEntries(new FormData(form)) : null);
    } }, form);
    document.body.append(dialog);
    dialog.showModal();
  });
}
