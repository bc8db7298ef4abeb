// Record: what was judged, searched; what people say of it; and what was found as a file.

import { action, ask, field, fill, h, notice } from "./dom.js";
import { get, post, recordedPicture, save } from "./api.js";
import { number, score, t, time } from "./words.js";
import { verdictClass, verdictWord } from "./judge.js";

/** Entries that are shown at a time. */
const PAGE = 50;
const MARKS = { g: "good", d: "defect" };

async function enlarge(entry, name) {
  const image = h("img", { alt: name, src: await recordedPicture(entry, 1600) });
  await ask({ title: name, fields: image, confirm: t("close") });
}

/** The photo of an entry, small, with words below it; it is shown large when it is clicked. */
export function photoOf(entry, name, ...words) {
  const image = h("img", { alt: "" });
  recordedPicture(entry).then(url => image.src = url, () => image.replaceWith("–"));
  return h("button", { type: "button", class: "thumb", "aria-label": words.length ? null : t("record.enlarge", { name }),
    onclick: () => enlarge(entry, name).catch(error => notice(error.message, "bad")) }, image, ...words);
}

const select = (...options) => h("select", {}, options.map(([value, text]) => h("option", { value }, text)));

/** The fields of a search, and what they ask for. */
function filters(models) {
  const text = h("input", { type: "search", maxlength: 200, autocomplete: "off" });
  const model = h("input", { list: "recorded", maxlength: 200, autocomplete: "off" });
  const verdict = select(["", t("record.any")], ["anomalous=true", t("verdict.bad")], ["anomalous=false", t("verdict.good")]);
  const mark = select(["", t("record.any")], ["mark=good", t("mark.good")], ["mark=defect", t("mark.defect")], ["marked=false", t("record.unmarked")]);
  const [from, to] = [0, 1].map(() => h("input", { type: "datetime-local" }));
  const moment = input => input.value && new Date(input.value).toISOString();
  return {
    fields: [field(t("record.text"), text), field(t("model"), model), field(t("judge.result"), verdict),
      field(t("record.mark"), mark), field(t("record.from"), from), field(t("record.to"), to),
      h("datalist", { id: "recorded" }, models.map(({ name }) => h("option", { value: name })))],
    wanted() {
      const typed = Object.entries({ text: text.value.trim(), model: model.value.trim(), from: moment(from), to: moment(to) });
      const chosen = [verdict, mark].map(it => it.value.split("="));
      return [...typed, ...chosen].filter(([, value]) => value);
    },
  };
}

export async function view(body, session) {
  const { models } = await get("/api/models");
  const mayMark = session.role !== "auditor";
  const { fields, wanted } = filters(models);
  const rows = h("tbody", { onkeydown: byKey, onfocusin: event => stopAt(event.target.closest("tr")) });
  const found = h("p", { role: "status", class: "small soft" });
  const older = h("button", { type: "button", hidden: true, onclick: action(() => search(true)) }, t("record.older"));
  const who = h("input", { name: "who", maxlength: 200, value: localStorage.getItem("who") ?? "", autocomplete: "name",
    onchange: () => localStorage.setItem("who", who.value.trim()) });
  /** Of a row: the entry's name, and how its mark is shown. */
  const known = new WeakMap();
  let asked = 0, searched = [];

  /** Shows the last entries of what is asked for, or further ones below those that are shown. */
  async function search(goOn = false) {
    if (!goOn) searched = wanted();
    const before = goOn ? [["before", rows.lastChild.dataset.id]] : [];
    const mine = ++asked;
    const { entries } = await get(`/api/record?${new URLSearchParams([...searched, ...before, ["limit", PAGE + 1]])}`);
    // An answer that comes late is not shown.
    if (mine !== asked) return;
    const drawn = entries.slice(0, PAGE).map(row);
    older.hidden = entries.length <= PAGE;
    if (goOn) rows.append(...drawn); else fill(rows, drawn);
    const count = rows.children.length;
    found.textContent = t(!count ? "record.none" : older.hidden ? "record.found" : "record.more", { count: number(count) });
    stopAt(drawn[0]);
    if (goOn) drawn[0]?.focus();
  }

  function row(it) {
    const buttons = Object.values(MARKS).map(mark =>
      h("button", { type: "button", class: `mark ${mark}`, tabindex: -1, onclick: () => setMark(line, mark) }, t(`mark.${mark}`)));
    const photo = it.photo_kept ? photoOf(it.id, it.path) : "–", marks = h("td");
    if (it.photo_kept) photo.tabIndex = -1;
    const line = h("tr", { tabindex: -1, dataset: { id: it.id }, "aria-keyshortcuts": mayMark ? "g d" : null },
      h("td", {}, photo), h("td", {}, h("span", { class: `tag ${verdictClass(it)}` }, verdictWord(it))), marks,
      h("td", { class: "number" }, score(it.score)), h("td", { class: "name" }, it.path), h("td", {}, it.model),
      h("td", {}, time(it.time, { dateStyle: "short", timeStyle: "medium" })), h("td", {}, it.client || "–"));
    const show = mark => {
      for (const button of buttons) button.setAttribute("aria-pressed", button.classList.contains(mark));
      fill(marks, mayMark ? h("div", { class: "row" }, buttons) : mark ? t(`mark.${mark}`) : "–");
    };
    show(it.mark);
    known.set(line, { name: it.path, show });
    return line;
  }

  /** The Tab key stops at one row; arrow keys go to the others. */
  function stopAt(line) {
    for (const other of rows.querySelectorAll("[tabindex='0']")) other.tabIndex = -1;
    if (line) line.tabIndex = 0;
  }

  function byKey(event) {
    const line = event.target.closest("tr"), mark = MARKS[event.key.toLowerCase()];
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (mark && mayMark) setMark(line, mark, line.nextElementSibling);
    else if (event.key === "ArrowDown") line.nextElementSibling?.focus();
    else if (event.key === "ArrowUp") line.previousElementSibling?.focus();
    else if (event.key === "Enter" && event.target === line) line.querySelector(".thumb")?.click();
    else return;
    event.preventDefault();
  }

  async function setMark(line, mark, next) {
    const name = who.value.trim();
    if (!session.name && !name) {
      notice(t("record.who.first"), "bad");
      who.focus();
      return;
    }
    try {
      const marked = await post(`/api/record/${line.dataset.id}/mark`, session.name ? { mark } : { mark, who: name });
      const entry = known.get(line);
      entry.show(marked.mark);
      notice(t("mark.done", { name: entry.name, mark: t(`mark.${marked.mark}`) }));
      next?.focus();
    } catch (error) { notice(error.message, "bad"); }
  }

  const searchNow = event => {
    event.preventDefault();
    search().catch(error => notice(error.message, "bad"));
  };
  const exported = format => h("button", { type: "button", onclick: action(() =>
    save(`/api/record/export?${new URLSearchParams([...wanted(), ["format", format]])}`, `record.${format}`)) }, t(`record.export.${format}`));
  fill(body,
    h("form", { role: "search", onsubmit: searchNow, onchange: searchNow }, h("div", { class: "fields" }, fields),
      h("div", { class: "row" }, h("button", { class: "primary" }, t("record.search")), exported("csv"), exported("jsonl"))),
    mayMark && !session.name && field(t("record.who"), who, t("record.who.note")),
    h("p", { class: "small" }, t("record.keys"), " ",
      mayMark && [h("kbd", {}, "g"), " ", t("mark.good"), " · ", h("kbd", {}, "d"), " ", t("mark.defect"), " · "],
      h("kbd", {}, "Enter"), " ", t("record.keys.photo"), " · ", h("kbd", {}, "↑"), " ", h("kbd", {}, "↓"), " ", t("record.keys.rows")),
    found,
    h("div", { class: "scroll" }, h("table", { class: "wider" }, h("thead", {}, h("tr", {},
      ["line.photo", "judge.result", "record.mark", "score", "record.name", "model", "line.time", "record.client"].map(key =>
        h("th", { scope: "col", class: key === "score" ? "number" : null }, t(key))))), rows)),
    h("div", { class: "row" }, older));
  await search();
  return {};
}
