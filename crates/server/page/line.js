// Line: what the server and stations on its machine judge, as it is judged.

import { check, fill, h } from "./dom.js";
import { get } from "./api.js";
import { isGap } from "./jobs.js";
import { number, percent, score, t, time } from "./words.js";
import { verdictClass, verdictWord } from "./judge.js";
import { photoOf } from "./record.js";

const SHOWN = 12;

/** Two falling tones, made by the browser. */
function alarm(audio) {
  [660, 440].forEach((pitch, i) => {
    const tone = audio.createOscillator(), volume = audio.createGain();
    tone.frequency.value = pitch;
    volume.gain.value = .2;
    tone.connect(volume).connect(audio.destination);
    tone.start(audio.currentTime + i * .18);
    tone.stop(audio.currentTime + i * .18 + .15);
  });
}

/** A verdict with its photo, if the record has it. */
function card(it) {
  const words = [h("span", {}, h("b", {}, score(it.score)), ` · ${time(it.time)}`), h("span", {}, it.model), h("span", {}, it.name)];
  return h("li", {}, it.recorded?.photo_kept ? photoOf(it.recorded.entry, it.name, ...words) : h("div", { class: "thumb" }, words));
}

const table = verdicts => h("div", { class: "scroll" }, h("table", {}, h("thead", {}, h("tr", {},
  ["line.time", "model", "line.photo", "score", "judge.regions"].map((key, i) => h("th", { scope: "col", class: i > 2 ? "number" : null }, t(key))))),
h("tbody", {}, verdicts.map(it => h("tr", {},
  h("td", {}, time(it.time)), h("td", {}, it.model), h("td", {}, it.name), h("td", { class: "number" }, score(it.score)), h("td", { class: "number" }, it.regions ?? "–"))),
!verdicts.length && h("tr", {}, h("td", { colspan: 5, class: "soft" }, t("line.norejects"))))));

/** Rejects as pictures, where photos are kept; else as a table. Pictures that were drawn before stay as they are. */
function rejectsOf() {
  let cards = new Map();
  return verdicts => {
    if (!verdicts.some(it => it.recorded?.photo_kept)) return table(verdicts);
    cards = new Map(verdicts.map(it => [it.recorded.entry, cards.get(it.recorded.entry) ?? card(it)]));
    return h("ul", { class: "thumbs large" }, [...cards.values()]);
  };
}

export async function view(body) {
  let state = await get("/api/line"), audio = null, shift = JSON.parse(sessionStorage.getItem("shift") ?? "null");
  const big = h("p", { class: "verdict huge none", "aria-live": "assertive" }), figures = h("dl", { class: "figures" });
  const drift = h("div", { role: "status" }), cameras = h("div", { role: "status" }), rejects = h("div"), lost = h("p", { class: "note bad", role: "alert", hidden: true }, t("line.lost"));
  const shown = rejectsOf();
  const sound = h("input", { type: "checkbox", onchange: () => {
    if (sound.checked) { audio ??= new AudioContext(); audio.resume(); alarm(audio); }
  } });

  function total() {
    const models = Object.values(state.models);
    const sum = name => models.reduce((all, model) => all + model[name], 0);
    return { judged: sum("judged"), rejected: sum("rejected") };
  }

  function draw() {
    const [last] = state.last;
    big.className = `verdict huge ${last ? verdictClass(last) : "none"}`;
    fill(big, h("b", {}, last ? verdictWord(last) : "–"), h("span", {}, last
      ? `${last.model} · ${t("score")} ${score(last.score)} · ${time(last.time)} · ${last.name}` : t("line.nothing")));
    const all = total();
    // A server that was started anew counts anew.
    const from = shift && shift.since === state.since ? shift : { judged: 0, rejected: 0, since: state.since, begun: state.since };
    const judged = all.judged - from.judged, rejected = all.rejected - from.rejected;
    const figure = (name, value, note) => h("div", {}, h("dt", {}, name), h("dd", {}, h("b", {}, value), note));
    fill(figures,
      figure(t("line.yield"), judged ? percent((judged - rejected) / judged, 1) : "–", t("line.since", { time: time(from.begun, { dateStyle: "short", timeStyle: "short" }) })),
      figure(t("line.judged"), number(judged)), figure(t("line.rejected"), number(rejected)));
    const drifting = Object.entries(state.models).filter(([, model]) => model.drift);
    const watched = Object.values(state.models).some(model => model.watched);
    fill(drift, drifting.map(([name, { drift }]) => h("p", { class: "note warn" }, t(`drift.${drift.direction}`, {
      model: name, beyond: number(drift.beyond), parts: number(drift.parts), explained: percent(drift.explained) }))),
    !drifting.length && h("p", { class: "small soft" }, t(watched ? "drift.none" : "drift.unwatched")));
    fill(cameras, Object.entries(state.logs).flatMap(([line, { lost, stopped, dropped, failed }]) => [
      stopped ? h("p", { class: "note" }, t("line.stopped", { line })) : lost && h("p", { class: "note bad" }, t("line.camera", { line, reason: lost })),
      dropped + failed > 0 && h("p", { class: "note warn" }, t("line.dropped", { line, dropped: number(dropped), failed: number(failed) })),
    ]));
    fill(rejects, shown(state.rejects.slice(0, SHOWN)));
  }

  fill(body, lost, big, h("div", { class: "row" }, check(t("line.sound"), sound),
    h("button", { type: "button", onclick: () => {
      shift = { ...total(), since: state.since, begun: new Date().toISOString() };
      sessionStorage.setItem("shift", JSON.stringify(shift));
      draw();
    } }, t("line.shift"))),
  figures, cameras, drift, h("h2", {}, t("line.rejects")), rejects);
  draw();
  return {
    leave: () => audio?.close(),
    hear: async (event, data) => {
      lost.hidden = event !== "lost";
      if (event === "verdict") {
        const { verdict, counts } = data;
        state.models[verdict.model] = counts;
        state.last = [verdict, ...state.last].slice(0, SHOWN);
        if (verdict.anomalous) {
          state.rejects = [verdict, ...state.rejects].slice(0, SHOWN);
          if (audio && sound.checked) alarm(audio);
        }
      } else if (event === "log") state.logs[data.name] = data.state;
      else if (isGap(event)) state = await get("/api/line");
      else return;
      draw();
    },
  };
}
