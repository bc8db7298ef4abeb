// Decide: the threshold, and photos of which people say what they show.

import { action, dropZone, field, fill, h, notice } from "./dom.js";
import { get, picture, post, upload } from "./api.js";
import { histogram } from "./plot.js";
import { jobsOf, whoAndWhy } from "./jobs.js";
import { number, percent, promise, score, t } from "./words.js";
import { heatOf, inspect, isShown, modelChoice, verdictClass, verdictWord } from "./judge.js";

export async function view(body, session) {
  const { select, models } = await modelChoice(() => reload());
  if (!models.length) {
    fill(body, h("p", { class: "note" }, t("judge.nomodel"), " ", h("a", { href: "#part" }, t("nav.part"))));
    return {};
  }
  const isEngineer = session.role === "engineer", mayMark = session.role !== "auditor";
  const cutBox = h("section"), asked = h("div"), scoring = h("div"), marked = h("ul", { class: "thumbs" }), toMark = h("ul", { class: "thumbs" });
  let decision = null, isScoring = false, isLeft = false;

  const path = (rest = "") => `/api/models/${encodeURIComponent(select.value)}/decision${rest}`;

  // Marked photos are scored anew unasked when the model is another; what people asked for stays in sight.
  const jobs = jobsOf(session, async (job, place) => {
    if (place === scoring && job.state === "done") {
      isScoring = false;
      fill(scoring);
    }
    if (!isLeft) await reload();
  });

  async function reload() {
    decision = await get(path("?all=true"));
    if (isLeft) return;
    drawCut();
    drawMarked();
    if (decision.unscored && isEngineer && !isScoring) {
      isScoring = true;
      jobs.start({ kind: "score", part: select.value }, scoring).catch(error => notice(error.message, "bad"));
    }
  }

  function drawCut() {
    const { current, proposed } = decision;
    if (!decision.histogram) { fill(cutBox, h("p", { class: "note warn" }, t("decide.uncalibrated"))); return; }
    const { low, high } = decision.histogram;
    const plot = histogram(decision.histogram, current?.value, t("decide.histogram"));
    const slider = h("input", { type: "range", id: "threshold", min: low, max: high, step: (high - low) / 1000, value: current?.value ?? high });
    const exact = h("input", { type: "number", step: "any", value: current?.value.toFixed(4) });
    const figures = h("dl", { class: "figures" }), words = h("p", { class: "note", id: "promise", "aria-live": "polite" });
    let asked = 0, chosen = { value: current?.value };
    const show = ({ proposed, good, defects }) => {
      if (!proposed) return;
      plot.move(proposed.value);
      slider.setAttribute("aria-valuetext", score(proposed.value));
      const share = ({ images, reach }) => images ? `${number(reach)} / ${number(images)}` : "–";
      const interval = ({ images, interval }) => images ? t("decide.interval", { low: percent(interval[0]), high: percent(interval[1]) }) : t("decide.nomarks");
      const figure = (name, value, note) => h("div", {}, h("dt", {}, name), h("dd", {}, h("b", {}, value), note));
      fill(figures,
        figure(t("threshold"), score(proposed.value), current && t("decide.now", { value: score(current.value) })),
        figure(t("decide.caught"), share(defects), interval(defects)),
        figure(t("decide.rejected"), share(good), interval(good)),
        figure(t("decide.calibration"), `${number(proposed.above)} / ${number(proposed.images)}`, t("decide.bound", { bound: percent(proposed.bound, 2) })));
      words.textContent = promise(proposed);
    };
    // The server does the arithmetic; answers that come late are not shown.
    const propose = async query => {
      const mine = ++asked;
      const answer = await get(path(query));
      if (mine === asked && !isLeft) show(answer);
      return answer;
    };
    const choose = value => { chosen = { value: Number(value) }; propose(`?threshold=${value}`).catch(error => notice(error.message, "bad")); };
    slider.addEventListener("input", () => { exact.value = Number(slider.value).toFixed(4); choose(slider.value); });
    exact.addEventListener("change", () => { slider.value = exact.value; choose(exact.value); });
    const rates = decision.rates.map(({ rate, threshold }) => h("button", { type: "button", onclick: () => {
      slider.value = threshold.value;
      exact.value = threshold.value.toFixed(4);
      chosen = { false_reject: rate };
      propose(`?false_reject=${rate}`).catch(error => notice(error.message, "bad"));
    } }, percent(rate, 1)));
    show(decision);
    fill(cutBox, h("figure", {}, plot.svg, h("ul", { class: "keys" },
      [["calibration", "decide.key.calibration"], ["good", "decide.key.good"], ["defect", "decide.key.defect"]].map(([kind, key]) =>
        h("li", {}, h("span", { class: `key key-${kind}` }), t(key))))),
    h("div", { class: "field" }, h("label", { for: "threshold" }, t("decide.slider")), slider),
    h("div", { class: "row end" }, field(t("decide.exact"), exact),
      h("div", { class: "field", role: "group", "aria-label": t("decide.rates") }, h("b", {}, t("decide.rates")), h("div", { class: "row" }, rates))),
    figures, words,
    isEngineer && h("div", { class: "row" }, h("button", { type: "button", class: "primary", onclick: action(async () => {
      const because = await whoAndWhy(session, t("decide.set.title"), t("decide.set.text", { model: select.value }));
      if (!because) return;
      const { threshold } = await post(`/api/models/${encodeURIComponent(select.value)}/threshold`, { ...chosen, ...because });
      notice(t("decide.set.done", { value: score(threshold.value) }), "good");
      await reload();
    }) }, t("decide.set"))));
  }

  function drawMarked() {
    fill(marked, (decision.photos ?? []).map(photo => {
      const image = h("img", { alt: "" });
      picture(photo.path, 240).then(url => image.src = url, () => {});
      return h("li", {}, h("div", { class: `thumb ${photo.mark}` }, image,
        h("span", {}, h("b", {}, t(`mark.${photo.mark}`)), " ", score(photo.score)), h("span", {}, photo.name)));
    }));
    if (!marked.children.length) marked.append(h("li", { class: "soft" }, t("decide.nonemarked")));
  }

  // Photos that wait for a mark: keys g and d mark the one in focus and go to the next.
  async function addToMark(files) {
    for (const file of files) {
      const url = URL.createObjectURL(file);
      const words = h("span", {}, "…");
      const button = h("button", { type: "button", class: "thumb", "aria-keyshortcuts": "g d", onkeydown: event => {
        const mark = { g: "good", d: "defect" }[event.key.toLowerCase()];
        if (mark && !event.ctrlKey && !event.metaKey && !event.altKey) { event.preventDefault(); setMark(item, file, mark); }
      } }, h("img", { src: url, alt: "" }), words, h("span", {}, file.name));
      const item = h("li", {}, button, h("div", { class: "row" },
        h("button", { type: "button", onclick: () => setMark(item, file, "good") }, t("mark.good")),
        h("button", { type: "button", onclick: () => setMark(item, file, "defect") }, t("mark.defect"))));
      toMark.append(item);
      if (toMark.children.length === 1) button.focus();
      try {
        const verdict = await inspect(select.value, file.name, file);
        const image = button.querySelector("img");
        if (!await isShown(url)) image.src = heatOf(verdict);
        fill(words, h("span", { class: `tag ${verdictClass(verdict)}` }, verdictWord(verdict)), " ", score(verdict.score));
      } catch (error) { fill(words, "–"); notice(`${file.name}: ${error.message}`, "bad"); }
    }
  }

  async function setMark(item, file, mark) {
    const next = item.nextElementSibling ?? item.previousElementSibling;
    try {
      await upload(`/api/parts/${encodeURIComponent(select.value)}/marks/${mark}?name=${encodeURIComponent(file.name)}`, file);
      item.remove();
      next?.querySelector("button")?.focus();
      notice(t("mark.done", { name: file.name, mark: t(`mark.${mark}`) }));
      await reload();
    } catch (error) { notice(error.message, "bad"); }
  }

  async function change(title, text, kind, more) {
    const because = await whoAndWhy(session, title, text, more);
    if (because) await jobs.start({ kind, part: select.value, ...because }, asked);
  }

  fill(body, field(t("model"), select), h("div", { class: "split" },
    h("div", {}, cutBox),
    h("div", {},
      mayMark && [h("h2", {}, t("decide.mark")),
        h("p", { class: "small" }, t("decide.mark.how.before"), " ", h("kbd", {}, "g"), " ", t("mark.good"), " · ", h("kbd", {}, "d"), " ", t("mark.defect")),
        dropZone({ title: t("decide.mark.drop"), button: t("choose"), name: "mark" }, addToMark), toMark],
      isEngineer && [h("h2", {}, t("decide.learn")), h("p", { class: "small soft" }, t("decide.learn.text")),
        h("div", { class: "row" },
          h("button", { type: "button", onclick: action(() => change(t("decide.calibrate"), t("decide.calibrate.text"), "calibrate")) }, t("decide.calibrate")),
          h("button", { type: "button", onclick: action(() => change(t("decide.continue"), t("decide.continue.text"), "continue")) }, t("decide.continue")))],
      asked, scoring)),
  h("h2", {}, t("decide.marked")), marked);
  await reload();
  return {
    leave: () => { isLeft = true; },
    hear: jobs.hear,
  };
}
