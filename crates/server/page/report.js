// Report: how well a model works on a data set, and the changes of models and thresholds.

import { action, field, fill, h, notice } from "./dom.js";
import { get, post } from "./api.js";
import { jobsOf } from "./jobs.js";
import { modelChoice } from "./judge.js";
import { t, time } from "./words.js";

export async function view(body, session) {
  const [{ select, models }, { folders }] = await Promise.all([modelChoice(), get("/api/data/folders?path=")]);
  const folder = h("input", { name: "dataset", list: "datasets", autocomplete: "off" });
  const job = h("div"), reports = h("ul"), changes = h("tbody");
  const jobs = jobsOf(session, reload);

  /** Opens a report in a tab of its own; its address is good for ten minutes. */
  const open = name => action(async () => {
    // Opened at once: later a browser would take it for an advertisement.
    const tab = window.open("about:blank", "_blank");
    try {
      const { address } = await post(`/api/reports/${encodeURIComponent(name)}/open`);
      if (tab) { tab.opener = null; tab.location.href = address; } else location.href = address;
    } catch (error) { tab?.close(); throw error; }
  });

  async function reload() {
    const [written, recorded] = await Promise.all([get("/api/reports"), get("/api/changes")]);
    fill(reports, written.reports.map(name => h("li", {}, h("button", { type: "button", onclick: open(name) }, t("report.open", { name })))),
      !written.reports.length && h("li", { class: "soft" }, t("report.none")));
    const short = text => text === null ? "–" : text.length > 20 ? `${text.slice(0, 12)}…` : text;
    fill(changes, recorded.changes.map(it => h("tr", {},
      h("td", {}, time(it.time, { dateStyle: "short", timeStyle: "short" })), h("td", {}, it.who), h("td", {}, it.model),
      h("td", {}, t(`change.${it.what}`)), h("td", {}, `${short(it.before)} → ${short(it.after)}`), h("td", {}, it.why))),
    !recorded.changes.length && h("tr", {}, h("td", { colspan: 6, class: "soft" }, t("report.nochanges"))));
  }

  fill(body,
    session.role === "engineer" && models.length > 0 && h("fieldset", {}, h("legend", {}, t("report.make")),
      h("datalist", { id: "datasets" }, folders.filter(it => it !== "reports").map(it => h("option", { value: it }))),
      h("div", { class: "fields" }, field(t("model"), select), field(t("report.data"), folder, t("report.data.note"))),
      h("div", { class: "row" }, h("button", { type: "button", class: "primary", onclick: action(async () => {
        const value = folder.value.trim();
        await jobs.start({ kind: "evaluate", part: select.value, ...(value ? { folder: value } : {}) }, job);
      }) }, t("report.start")))), job,
    h("h2", {}, t("report.all")), reports,
    h("h2", {}, t("report.changes")), h("div", { class: "scroll" }, h("table", { class: "wide" }, h("thead", {}, h("tr", {},
      ["line.time", "who", "model", "change.what", "change.values", "why"].map(key => h("th", { scope: "col" }, t(key))))), changes)));
  await reload();
  return {
    hear: jobs.hear,
  };
}
