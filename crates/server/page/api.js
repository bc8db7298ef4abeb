// The server: requests with the token, and its stream of events.

const TOKEN = "token";
let askForToken = async () => null;

/** Who asks for a token when one is needed. */
export function onToken(ask) { askForToken = ask; }

export function forgetToken() { sessionStorage.removeItem(TOKEN); }

function headers(more = {}) {
  const token = sessionStorage.getItem(TOKEN);
  return token ? { ...more, Authorization: `Bearer ${token}` } : more;
}

/** Sends a request; asks for a token where one is needed. Throws what the server says. */
async function send(path, options = {}) {
  for (;;) {
    const used = sessionStorage.getItem(TOKEN);
    const response = await fetch(path, { ...options, headers: headers(options.headers), cache: "no-store" });
    if (response.ok) return response;
    const { error } = await response.json().catch(() => ({ error: { message: response.statusText } }));
    if (response.status !== 401) throw Object.assign(new Error(error.message), { code: error.code, status: response.status });
    // Another request may have asked meanwhile.
    if (sessionStorage.getItem(TOKEN) !== used) continue;
    sessionStorage.removeItem(TOKEN);
    sessionStorage.setItem(TOKEN, await askForToken(error.message));
  }
}

export const get = async path => (await send(path)).json();

export const post = async (path, value = {}) =>
  (await send(path, { method: "POST", body: JSON.stringify(value), headers: { "Content-Type": "application/json" } })).json();

/** Sends a photo as it is. */
export const upload = async (path, photo) =>
  (await send(path, { method: "POST", body: photo, headers: { "Content-Type": "application/octet-stream" } })).json();

const pictures = new Map();

/** A picture of the server as an address for an <img>; kept for a while. */
function pictureAt(address) {
  if (!pictures.has(address)) {
    pictures.set(address, send(address).then(response => response.blob()).then(blob => URL.createObjectURL(blob)));
    pictures.get(address).catch(() => pictures.delete(address));
    if (pictures.size > 400) {
      const [oldest, url] = pictures.entries().next().value;
      pictures.delete(oldest);
      url.then(URL.revokeObjectURL, () => {});
    }
  }
  return pictures.get(address);
}

/** A photo below the folder of data. */
export const picture = (path, side = 320) => pictureAt(`/api/data/picture?path=${encodeURIComponent(path)}&side=${side}`);

/** The photo of an entry of the record. */
export const recordedPicture = (entry, side = 320) => pictureAt(`/api/record/${entry}/photo?side=${side}`);

/** Has the browser save what the server sends, once all of it is here. */
export async function save(path, name) {
  const url = URL.createObjectURL(await (await send(path)).blob());
  Object.assign(document.createElement("a"), { href: url, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
}

/** Tells `listen(event, data)` all that happens, until the page is left. After a break it begins anew, with `begun`. */
export async function follow(listen) {
  for (;;) {
    try {
      const response = await send("/api/events");
      const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
      let text = "";
      for (;;) {
        const { value, done } = await reader.read();
        if (done) break;
        text += value;
        const events = text.split("\n\n");
        text = events.pop();
        for (const event of events) {
          const [, name, data] = event.match(/^event: (.*)\ndata: (.*)$/) ?? [];
          if (name) listen(name, JSON.parse(data));
        }
      }
    } catch { /* The server is away: try again. */ }
    listen("lost", {});
    await new Promise(resolve => setTimeout(resolve, 1000));
  }
}
