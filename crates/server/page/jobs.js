// Jobs: how each stands, and who asked for a change and why.

import { action, ask, field, fill, h, notice } from "./dom.js";
import { get, post } from "./api.js";
import { losses } from "./plot.js";
import { duration, known, number, percent, promise, score, t, time } from "./words.js";

/** Asks who changes something and why; gives both, or null. */
export async function whoAndWhy(session, title, text, more = []) {
  const last = localStorage.getItem("who") ?? "";
  const form = await ask({
    title, text,
    fields: [more,
      !session.name && field(t("who"), h("input", { name: "who", required: true, maxlength: 200, value: last, autocomplete: "name" })),
      field(t("why"), h("textarea", { name: "why", required: true, maxlength: 1000, rows: 2 }), t("why.note"))],
    confirm: t("confirm"), cancel: t("cancel"),
  });
  if (form?.who) localStorage.setItem("who", form.who);
  return form;
}

const isOpen = job => ["waiting", "running"].includes(job.state);
const CLASS = { done: "good", failed: "bad", stopped: "warn", running: "", waiting: "" };
const LINES = [["hard", "loss.hard"], ["penalty", "loss.penalty"], ["autoencoder", "loss.autoencoder"], ["student_autoencoder", "loss.student_autoencoder"]];

/** The curve of losses of a training. */
export function curve(points) {
  if (!points?.length) return null;
  const lines = LINES.map(([name]) => points.map(({ step, losses }) => [step, losses[name]]).filter(([, value]) => value !== null));
  return h("figure", {}, losses(lines, points[0].steps, t("job.losses")),
    h("ul", { class: "keys" }, LINES.map(([, key], i) => h("li", {}, h("span", { class: `key key-${i}` }), t(key)))),
    h("figcaption", {}, t("job.losses")));
}

/** How a job stands, in a box. `points` are those of its curve, if it is to be drawn. */
export function jobCard(job, session, points) {
  const { state, step, stage, done, total, remarks, error, result } = job;
  const progress = step && stage === "training" ? { value: step.step, max: step.steps } : total ? { value: done, max: total } : null;
  const stop = isOpen(job) && session.role === "engineer" && h("button", { type: "button", class: "danger",
    onclick: action(() => post(`/api/jobs/${job.id}/stop`)) }, t("job.stop"));
  return h("section", { class: "card job", dataset: { state, kind: job.kind } },
    h("h3", {}, t(`job.${job.kind}`), ": ", job.part, " ", h("span", { class: `tag ${CLASS[state]}` }, t(`state.${state}`))),
    h("p", { class: "small soft" }, [job.who, time(job.created, { dateStyle: "short", timeStyle: "short" })].filter(Boolean).join(" · ")),
    state === "running" && progress && h("div", { role: "status" },
      h("progress", { value: progress.value, max: progress.max, "aria-label": t("job.progress") }),
      h("p", { class: "small" }, known(`stage.${(stage ?? "").replaceAll(/[^a-z]+/g, "_")}`, stage), ` ${number(progress.value)} / ${number(progress.max)}`,
        step && stage === "training" && ` · ${t("job.rate", { rate: number(step.steps_per_second, 1) })} · ${t("job.left", { time: duration(step.seconds_left) })}`)),
    curve(points),
    error && h("p", { class: "note bad" }, error),
    result?.threshold && h("p", { class: "note good" }, `${t("threshold")} ${score(result.threshold.value)}. ${promise(result.threshold)}`),
    result?.defects && h("p", {}, t("job.caught", { caught: result.defects.caught, images: result.defects.images })),
    typeof result?.image_auroc === "number" && h("p", {}, t("job.auroc", { value: percent(result.image_auroc, 2) })),
    remarks.length > 0 && h("details", {}, h("summary", {}, t("job.remarks", { count: remarks.length })),
      h("ul", { class: "small" }, remarks.map(it => h("li", {}, it)))),
    h("div", { class: "row" }, stop));
}

/** Whether an event of the stream says that others may have been missed. */
export const isGap = event => ["begun", "missed"].includes(event);

/** Jobs that a view starts, each shown in a place of the view until its end, of which the view is told: `ended(job, place)`. */
export function jobsOf(session, ended) {
  const places = new Map();
  function draw(job) {
    const place = places.get(job.id);
    if (!place) return;
    fill(place, jobCard(job, session));
    if (isOpen(job)) return;
    places.delete(job.id);
    Promise.resolve(ended(job, place)).catch(error => notice(error.message, "bad"));
  }
  return {
    async start(request, place) {
      const job = await post("/api/jobs", request);
      places.set(job.id, place);
      draw(job);
      // What it did before its number was known here was told to nobody.
      draw(await get(`/api/jobs/${job.id}`));
    },
    hear(event, data) {
      if (event === "job") draw(data);
      if (isGap(event)) for (const id of places.keys()) get(`/api/jobs/${id}`).then(draw, error => notice(error.message, "bad"));
    },
  };
}
