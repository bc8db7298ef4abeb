// Judge: photos that are dropped or taken by a camera, with their verdicts.

import { action, dropZone, field, fill, h, notice } from "./dom.js";
import { get, upload } from "./api.js";
import { percent, score, t } from "./words.js";

/** A select of models; remembers the last choice. */
export async function modelChoice(onchange) {
  const { models } = await get("/api/models");
  const last = localStorage.getItem("model");
  const select = h("select", { name: "model", onchange: () => { localStorage.setItem("model", select.value); onchange?.(); } },
    models.map(model => h("option", { value: model.name, selected: model.name === last }, model.name)));
  return { select, models };
}

export const verdictClass = verdict => verdict.anomalous === null ? "none" : verdict.anomalous ? "bad" : "good";
export const verdictWord = verdict => t(`verdict.${verdictClass(verdict)}`);

/** Sends a photo to a model; the verdict has a picture of the heat. */
export const inspect = (model, name, photo) =>
  upload(`/api/models/${encodeURIComponent(model)}/inspect?overlay=true&name=${encodeURIComponent(name)}`, photo);

/** The picture that came with a verdict, as an address for an <img>. */
export const heatOf = verdict => URL.createObjectURL(
  new Blob([Uint8Array.from(atob(verdict.overlay), letter => letter.charCodeAt(0))], { type: "image/png" }));

export async function view(body) {
  const { select, models } = await modelChoice();
  if (!models.length) {
    fill(body, h("p", { class: "note" }, t("judge.nomodel"), " ", h("a", { href: "#part" }, t("nav.part"))));
    return {};
  }
  const result = h("section", { "aria-live": "polite", "aria-label": t("judge.result") });
  const list = h("ul", { class: "thumbs" });
  const progress = h("p", { class: "soft", role: "status" });
  const urls = [];
  let queue = Promise.resolve(), waiting = 0;

  function show(entry, button) {
    for (const other of list.querySelectorAll("[aria-current]")) other.removeAttribute("aria-current");
    button?.setAttribute("aria-current", "true");
    const { verdict, photo, overlay } = entry;
    const heat = h("img", { src: overlay, alt: t("judge.heat") });
    const opacity = h("input", { type: "range", min: 0, max: 100, value: 60, oninput: () => heat.style.opacity = opacity.value / 100 });
    heat.style.opacity = .6;
    const kind = verdictClass(verdict);
    fill(result,
      h("p", { class: `verdict ${kind}` }, h("b", {}, verdictWord(verdict)),
        h("span", {}, `${t("score")} ${score(verdict.score)}`),
        verdict.p_value !== null && h("span", {}, t("judge.p", { p: percent(verdict.p_value, 2) })),
        h("span", {}, verdict.path)),
      h("div", { class: "split" },
        h("div", {}, h("div", { class: "layers" }, h("img", { src: photo, alt: verdict.path }), heat),
          field(t("judge.opacity"), opacity)),
        h("div", {}, h("h2", {}, t("judge.regions")), regions(verdict))));
  }

  function add(file, name) {
    const photo = URL.createObjectURL(file);
    urls.push(photo);
    waiting += 1;
    queue = queue.then(async () => {
      progress.textContent = t("judge.waiting", { count: waiting });
      try {
        const verdict = await inspect(select.value, name, file);
        const overlay = heatOf(verdict);
        urls.push(overlay);
        // What a browser can't show, the server has drawn.
        const entry = { verdict, overlay, photo: await isShown(photo) ? photo : overlay };
        const button = h("button", { type: "button", class: `thumb ${verdict.anomalous ? "defect" : ""}`, onclick: () => show(entry, button) },
          h("img", { src: entry.overlay, alt: "" }), h("span", {}, verdictWord(verdict), " ", score(verdict.score)), h("span", {}, name));
        list.prepend(h("li", {}, button));
        if (list.children.length > 200) list.lastChild.remove();
        show(entry, button);
      } catch (error) { notice(`${name}: ${error.message}`, "bad"); }
      waiting -= 1;
      progress.textContent = waiting ? t("judge.waiting", { count: waiting }) : "";
    });
  }

  const camera = cameraOf(photo => add(photo, `camera-${new Date().toISOString()}.png`));
  fill(body,
    h("div", { class: "split even" },
      h("div", {}, field(t("model"), select), camera.element),
      dropZone({ title: t("judge.drop"), hint: t("judge.hint"), button: t("choose"), name: "judge" },
        files => files.forEach(file => add(file, file.name)))),
    progress, result, h("h2", {}, t("judge.earlier")), list);
  return { leave: () => { camera.stop(); urls.forEach(URL.revokeObjectURL); } };
}

/** Whether the browser can show a picture. */
export const isShown = address => new Promise(resolve => {
  const image = new Image();
  image.onload = () => resolve(true);
  image.onerror = () => resolve(false);
  image.src = address;
});

function regions(verdict) {
  if (!verdict.regions?.length) return h("p", { class: "soft" }, t("judge.noregions"));
  const more = verdict.region_count - verdict.regions.length;
  return h("div", { class: "scroll" }, h("table", {},
    h("thead", {}, h("tr", {}, ["#", t("judge.peak"), t("judge.place"), t("judge.size"), t("judge.area")].map((it, i) =>
      h("th", { scope: "col", class: i ? "number" : null }, it)))),
    h("tbody", {}, verdict.regions.slice(0, 20).map(({ box, peak, area }, i) => h("tr", {},
      h("td", {}, i + 1), h("td", { class: "number" }, score(peak.value)), h("td", { class: "number" }, `${box.x}, ${box.y}`),
      h("td", { class: "number" }, `${box.width} × ${box.height}`), h("td", { class: "number" }, area))))),
  more > 0 && h("p", { class: "soft" }, t("judge.more", { count: more })));
}

/** The camera of this device, where the browser allows it. */
function cameraOf(take) {
  let stream = null;
  const video = h("video", { autoplay: true, playsinline: true, muted: true });
  const stop = () => { stream?.getTracks().forEach(track => track.stop()); stream = null; fill(element, start); };
  const shoot = action(async () => {
    const canvas = h("canvas", { width: video.videoWidth, height: video.videoHeight });
    canvas.getContext("2d").drawImage(video, 0, 0);
    take(await new Promise(resolve => canvas.toBlob(resolve, "image/png")));
  });
  const start = h("button", { type: "button", onclick: action(async () => {
    if (!navigator.mediaDevices?.getUserMedia) throw new Error(t("camera.unsafe"));
    try { stream = await navigator.mediaDevices.getUserMedia({ video: { facingMode: "environment", width: { ideal: 1920 } } }); }
    catch (error) { throw new Error(t("camera.failed", { reason: error.message })); }
    // Who has left the view meanwhile wants no camera.
    if (!element.isConnected) { stop(); return; }
    video.srcObject = stream;
    fill(element, h("div", { class: "layers" }, video), h("div", { class: "row" },
      h("button", { type: "button", class: "primary", onclick: shoot }, t("camera.shoot")),
      h("button", { type: "button", onclick: stop }, t("camera.stop"))));
  }) }, t("camera.start"));
  const element = h("div", { class: "row camera" }, start);
  return { element, stop };
}
