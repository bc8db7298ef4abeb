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

/** A photo of the server as an address for an <img>; kept for a while. */
const pictures = new Map();
export function picture(path, side = 320) {
  const address = `/api/data/picture?path=${encodeURIComponent(path)}&side=${side}`;
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
