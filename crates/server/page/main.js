// The frame of the page: views, the token, language and theme.

import { ask, field, fill, h, notice } from "./dom.js";
import { follow, forgetToken, get, onToken } from "./api.js";
import { speak, t } from "./words.js";
import { view as part } from "./part.js";
import { view as judge } from "./judge.js";
import { view as decide } from "./decide.js";
import { view as line } from "./line.js";
import { view as record } from "./record.js";
import { view as report } from "./report.js";

const views = { part, judge, decide, line, record, report };
const main = document.getElementById("main");
let session = null;
let shown = null;

/** Asks for the token, once for all requests that need one. */
let asking = null;
onToken(reason => asking ??= ask({
  title: t("token.title"),
  text: reason,
  fields: field(t("token.label"), h("input", { type: "password", name: "token", required: true, autocomplete: "off" }), t("token.note")),
  confirm: t("token.confirm"),
}).then(form => (form?.token ?? "").trim()).finally(() => asking = null));

/** Shows the view that the address names. */
async function show() {
  const name = location.hash.slice(1).split("/")[0];
  const wanted = views[name] ? name : session.data ? "part" : "judge";
  for (const link of document.querySelectorAll("nav a")) {
    const isThis = link.hash === `#${wanted}`;
    if (isThis) link.setAttribute("aria-current", "page"); else link.removeAttribute("aria-current");
  }
  shown?.leave?.();
  const heading = h("h1", { tabindex: -1 }, t(`nav.${wanted}`));
  document.title = `${t(`nav.${wanted}`)} · efficientad`;
  const body = h("div");
  fill(main, heading, body);
  shown = { name: wanted };
  const mine = shown;
  if (!session.data && ["part", "decide", "record", "report"].includes(wanted)) {
    body.append(h("p", { class: "note warn" }, t("nodata")));
    return;
  }
  try {
    const made = await views[wanted](body, session);
    if (mine === shown) Object.assign(shown, made); else made?.leave?.();
  } catch (error) {
    notice(error.message, "bad");
  }
}

function who() {
  const name = session.name ?? t("role.everybody");
  fill(document.getElementById("who"), `${name} · ${t(`role.${session.role}`)}`, session.name && [" ",
    h("button", { type: "button", class: "small", onclick: () => { forgetToken(); location.reload(); } }, t("token.forget"))]);
}

async function speakAndShow(language) {
  await speak(language);
  if (session) { who(); await show(); }
}

document.getElementById("language").addEventListener("change", event => speakAndShow(event.target.value));
const theme = document.getElementById("theme");
theme.value = localStorage.getItem("theme") ?? "auto";
document.documentElement.dataset.theme = theme.value;
theme.addEventListener("change", () => {
  localStorage.setItem("theme", theme.value);
  document.documentElement.dataset.theme = theme.value;
});
window.addEventListener("hashchange", async () => { await show(); main.focus({ preventScroll: true }); scrollTo(0, 0); });
// A photo that misses its place must not replace the page.
for (const event of ["dragover", "drop"]) window.addEventListener(event, event => event.preventDefault());

await speakAndShow();
session = await get("/api/session");
who();
await show();
follow((event, data) => shown?.hear?.(event, data));
