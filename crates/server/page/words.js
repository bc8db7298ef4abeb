// Texts in the language of the person, and numbers as that language writes them.

const LANGUAGES = ["en", "de", "zh"];
let words = {};
let language = "en";
/** As the browser has that language: with the dates of its country. */
let locale = "en";

/** The language that was chosen, or the first of the browser's that there is. */
function preferred() {
  const chosen = localStorage.getItem("language");
  const wanted = [chosen, ...navigator.languages.map(it => it.slice(0, 2))];
  return wanted.find(it => LANGUAGES.includes(it)) ?? "en";
}

/** Reads the texts of a language, and writes those of the first page. */
export async function speak(chosen) {
  if (chosen) localStorage.setItem("language", chosen);
  language = chosen ?? preferred();
  locale = navigator.languages.find(it => it.startsWith(language)) ?? language;
  words = await (await fetch(`/page/${language}.json`)).json();
  document.documentElement.lang = language === "zh" ? "zh-Hans" : language;
  document.getElementById("language").value = language;
  for (const element of document.querySelectorAll("[data-t]")) element.textContent = words[element.dataset.t];
  for (const element of document.querySelectorAll("[data-label]")) element.setAttribute("aria-label", words[element.dataset.label]);
}

/** A text; what stands in braces in it is taken from `values`. */
export function t(key, values = {}) {
  const text = words[key] ?? key;
  return text.replace(/\{(\w+)\}/g, (_, name) => values[name] ?? "");
}

/** A text of a kind that the server names; the server's word where there is none. */
export function known(key, word) {
  return words[key] ?? word;
}

export function number(value, digits = 0) {
  return new Intl.NumberFormat(locale, { minimumFractionDigits: digits, maximumFractionDigits: digits }).format(value);
}

/** A score, with as many digits as tell scores apart. */
export function score(value) {
  return value === null || value === undefined ? "–" : number(value, 4);
}

export function percent(share, digits = 1) {
  return new Intl.NumberFormat(locale, { style: "percent", maximumFractionDigits: digits }).format(share);
}

/** What a threshold promises, of what the server computed. Shares are rounded up: a promise is no lower than it is. */
export function promise({ basis, false_reject, above, images, images_needed, bound, expected }) {
  const share = value => new Intl.NumberFormat(locale, { style: "percent", maximumSignificantDigits: 3, roundingMode: "ceil" }).format(value);
  return t(`promise.${basis}`, {
    rate: false_reject === null ? "" : share(false_reject), above: number(above), images: number(images),
    needed: number(images_needed ?? 0), bound: share(bound), expected: share(expected ?? 1),
  });
}

export function time(text, style = { timeStyle: "medium" }) {
  return new Intl.DateTimeFormat(locale, style).format(new Date(text));
}

/** A span of time in seconds. */
export function duration(seconds) {
  if (!Number.isFinite(seconds)) return "–";
  const minutes = Math.round(seconds / 60);
  if (seconds < 90) return t("time.seconds", { count: number(Math.round(seconds)) });
  if (minutes < 90) return t("time.minutes", { count: number(minutes) });
  return t("time.hours", { hours: number(Math.floor(minutes / 60)), minutes: number(minutes % 60) });
}
