// New part: photos of good parts, what is strange among them, the region, and the training.

import { action, check, dropZone, field, fill, h, notice } from "./dom.js";
import { get, picture, post, upload } from "./api.js";
import { isGap, jobCard, whoAndWhy } from "./jobs.js";
import { polygonEditor } from "./polygon.js";
import { number, t } from "./words.js";

const NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/;
const SHOWN = 60;

export async function view(body, session) {
  const isEngineer = session.role === "engineer";
  const [{ parts }, { jobs }, { folders }] = await Promise.all([get("/api/parts"), get("/api/jobs"), get("/api/data/folders?path=")]);
  const name = h("input", { name: "part", list: "parts", required: true, maxlength: 64, autocomplete: "off",
    value: localStorage.getItem("part") ?? "", onchange: () => { localStorage.setItem("part", name.value); reload(); } });
  const folder = h("input", { name: "folder", list: "folders", autocomplete: "off", onchange: () => reload() });
  const surely = h("input", { type: "checkbox", name: "surely_good", onchange: () => reload() });
  const taken = h("section", { "aria-live": "polite" }), strange = h("section", { "aria-live": "polite" });
  const thumbs = h("ul", { class: "thumbs" }), region = h("details", { class: "card" }, h("summary", {}, t("region.title")));
  const sent = h("p", { role: "status", class: "soft" }), stopped = h("div"), board = h("section", { "aria-label": t("jobs.title") });
  const known = new Map(jobs.map(job => [job.id, job])), points = new Map();
  let editor = null, drawnOn = null, drawnFor = null, isLeft = false, looked = null;

  const part = () => name.value.trim();
  const source = () => folder.value.trim() ? { folder: folder.value.trim() } : {};
  const query = values => new URLSearchParams(Object.entries(values)).toString();

  async function reload() {
    fill(taken); fill(strange); fill(thumbs); fill(stopped);
    const shown = JSON.stringify([part(), folder.value.trim()]);
    if (shown !== drawnFor) {
      // A region belongs to the photo that it was drawn on.
      [editor, drawnOn, drawnFor] = [null, null, shown];
      fill(region, h("summary", {}, t("region.title")), h("p", { class: "soft" }, t("region.none")));
    }
    if (!NAME.test(part())) { if (part()) fill(taken, h("p", { class: "note bad" }, t("part.name.wrong"))); return; }
    const summary = await get(`/api/parts/${part()}`);
    if (isLeft) return;
    if (summary.stopped) drawStopped();
    if (summary.model) fill(stopped, ...stopped.childNodes, h("p", { class: "note" }, t("part.model.there")));
    if (!folder.value.trim() && !summary.counts.train) return;
    try {
      const found = await get(`/api/data/taking?${query({ part: part(), ...source(), surely_good: surely.checked })}`);
      drawTaken(found);
    } catch (error) { fill(taken, h("p", { class: "note bad" }, error.message)); }
  }

  function drawTaken({ layout, taken: list, left_out, photos }) {
    fill(taken, h("h3", {}, t("part.taken")), h("ul", {}, list.map(it =>
      h("li", {}, it.folder && `${it.folder}: `, `${number(it.files)} ${t(`as.${it.as}`)}`))),
    left_out && h("p", { class: "note warn" }, t("part.leftout", { what: left_out })),
    h("p", {}, h("button", { type: "button", disabled: !isEngineer, onclick: action(look) }, t("part.look"))));
    fill(thumbs, photos.slice(0, SHOWN).map(photo => thumb(photo)));
    if (photos.length > SHOWN) thumbs.append(h("li", { class: "soft" }, t("part.more", { count: number(photos.length - SHOWN) })));
    if (photos.length && drawnOn !== photos[0].path) {
      drawnOn = photos[0].path;
      picture(drawnOn, 960).then(url => {
        editor = polygonEditor(url);
        fill(region, h("summary", {}, t("region.title")), editor.element);
      }, () => {});
    }
  }

  function thumb(photo, note) {
    const image = h("img", { alt: "" });
    picture(photo.path, 240).then(url => image.src = url, () => {});
    const item = h("li", {}, h("div", { class: "thumb" }, image, h("span", {}, photo.name ?? photo.path.split("/").pop()), note && h("span", {}, note)),
      isEngineer && photo.path.startsWith(`uploads/${part()}/train/`) && h("button", { type: "button", class: "remove", "aria-label": t("part.remove", { name: photo.name }), onclick: action(async () => {
        await post(`/api/parts/${part()}/photos/${encodeURIComponent(photo.path.split("/").pop())}/remove`);
        item.remove();
        await reload();
      }) }, "×"));
    return item;
  }

  async function look() {
    const job = await post("/api/jobs", { kind: "look", part: part(), ...source(), surely_good: surely.checked });
    looked = job.id;
    hearJob(job);
  }

  function drawStrange({ photos, damaged, sizes, odd, same, alike, unusual }) {
    const group = (key, items) => items.length > 0 && [h("h3", {}, t(key, { count: number(items.length) })), h("ul", { class: "thumbs" }, items)];
    const found = damaged.length + odd.length + same.length + alike.length + unusual.length;
    fill(strange, h("p", { class: found ? "note warn" : "note good" }, t(found ? "look.found" : "look.nothing", { count: number(photos) })),
      h("p", { class: "small soft" }, t("look.sizes"), " ", sizes.map(it => `${it.width} × ${it.height}: ${number(it.photos)}`).join(" · ")),
      damaged.length > 0 && [h("h3", {}, t("look.damaged", { count: damaged.length })), h("ul", {}, damaged.map(it => h("li", {}, it.path, ": ", it.reason)))],
      group("look.odd", odd.map(path => thumb({ path }))),
      group("look.same", same.flat().map(path => thumb({ path }))),
      group("look.alike", alike.flat().map(path => thumb({ path }))),
      group("look.unusual", unusual.map(it => thumb({ path: it.path }, t("look.times", { times: number(it.times, 1) })))));
  }

  async function take(files) {
    if (!NAME.test(part())) { notice(t("part.name.first"), "bad"); name.focus(); return; }
    let done = 0, doubled = 0;
    for (const file of files) {
      sent.textContent = t("part.sending", { done: number(done), total: number(files.length) });
      try {
        const kept = await upload(`/api/parts/${part()}/photos?name=${encodeURIComponent(file.name)}`, file);
        doubled += kept.known;
      } catch (error) { notice(`${file.name}: ${error.message}`, "bad"); }
      done += 1;
    }
    sent.textContent = doubled ? t("part.sent.doubled", { total: number(files.length), doubled: number(doubled) }) : t("part.sent", { total: number(files.length) });
    await reload();
  }

  function drawStopped() {
    fill(stopped, h("div", { class: "note warn" }, h("p", {}, t("part.stopped")), isEngineer && h("div", { class: "row" },
      h("button", { type: "button", class: "primary", onclick: action(async () => { fill(stopped); hearJob(await post("/api/jobs", { kind: "resume", part: part() })); }) }, t("part.resume")),
      h("button", { type: "button", class: "danger", onclick: action(async () => { await post(`/api/parts/${part()}/give-up`); await reload(); }) }, t("part.giveup")))));
  }

  const steps = h("input", { type: "number", name: "steps", min: 1, max: 1000000, placeholder: "2000" });
  const size = h("select", { name: "size" }, h("option", { value: "small" }, t("size.small")), h("option", { value: "medium" }, t("size.medium")));
  const rate = h("input", { type: "number", name: "false_reject", min: .0001, max: 99, step: "any" });
  const replace = h("input", { type: "checkbox", name: "replace" });

  const train = action(async () => {
    if (!NAME.test(part())) { name.focus(); throw new Error(t("part.name.first")); }
    const because = await whoAndWhy(session, t("part.train"), t("part.train.text", { part: part() }));
    if (!because) return;
    const polygon = editor?.points();
    const request = {
      kind: "train", part: part(), ...source(), surely_good: surely.checked, size: size.value, replace: replace.checked,
      ...because,
      ...(rate.value ? { false_reject: Number(rate.value) / 100 } : {}),
      ...(steps.value ? { steps: Number(steps.value) } : {}),
      ...(polygon ? { region: { unit: "fraction", polygons: [polygon] } } : {}),
    };
    hearJob(await post("/api/jobs", request));
  });

  function hearJob(job) {
    const before = known.get(job.id);
    known.set(job.id, job);
    if (job.step) {
      const all = points.get(job.id) ?? [];
      if (all.at(-1)?.step !== job.step.step) all.push(job.step);
      points.set(job.id, all);
    }
    drawBoard();
    const ended = !["waiting", "running"].includes(job.state);
    if (ended && job.id === looked && job.result) { looked = null; drawStrange(job.result); }
    if (ended && before && before.state !== job.state && job.kind !== "look" && job.part === part()) reload().catch(error => notice(error.message, "bad"));
  }

  function drawBoard() {
    const all = [...known.values()].sort((a, b) => b.id - a.id);
    const open = all.filter(job => ["waiting", "running"].includes(job.state));
    const ended = all.filter(job => !open.includes(job)).slice(0, 5);
    fill(board, h("h2", {}, t("jobs.title")), open.concat(ended).map(job => jobCard(job, session, points.get(job.id))),
      !all.length && h("p", { class: "soft" }, t("jobs.none")));
  }

  fill(body,
    h("datalist", { id: "parts" }, parts.map(it => h("option", { value: it.name }))),
    h("datalist", { id: "folders" }, folders.filter(it => !["uploads", "reports"].includes(it)).map(it => h("option", { value: it }))),
    h("div", { class: "split" }, h("div", {},
      field(t("part.name"), name, t("part.name.note")), stopped,
      h("h2", {}, t("part.photos")),
      isEngineer && dropZone({ title: t("part.drop"), hint: t("part.hint"), button: t("choose"), name: "photos" }, take), sent,
      h("div", { class: "fields" }, field(t("part.folder"), folder, t("part.folder.note"))),
      check(t("part.surely"), surely),
      taken, thumbs, strange, region),
    h("div", {},
      isEngineer && h("fieldset", {}, h("legend", {}, t("part.train")),
        h("div", { class: "fields" }, field(t("part.steps"), steps, t("part.steps.note")), field(t("part.size"), size),
          field(t("part.rate"), rate, t("part.rate.note"))),
        check(t("part.replace"), replace),
        h("div", { class: "row" }, h("button", { type: "button", class: "primary", onclick: train }, t("part.train")))),
      board)));
  drawBoard();
  // Curves of what is under way have begun before the page was opened.
  for (const job of jobs.filter(job => job.step)) {
    get(`/api/jobs/${job.id}`).then(whole => { points.set(job.id, whole.points); drawBoard(); }, () => {});
  }
  if (part()) await reload();
  return {
    leave: () => { isLeft = true; },
    hear: (event, data) => {
      if (event === "job") hearJob(data);
      if (isGap(event)) get("/api/jobs").then(({ jobs }) => jobs.forEach(hearJob), error => notice(error.message, "bad"));
    },
  };
}
