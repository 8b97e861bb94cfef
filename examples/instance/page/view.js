// What is known and what is seen. It came with the page; acts.js, which follows in the same module, keeps it up to date.
const $ = (id) => document.getElementById(id);
const given = document.body.dataset;
const session = {
  available: given.available === "true",
  // What was read once stays on show while the store is away.
  isKnown: given.available === "true",
  state: given.state,
  user: given.user || null,
  count: Number(given.count),
  endsAt: endsAt(given.expires === "" ? null : Number(given.expires)),
  values: JSON.parse(given.values),
};

// Who answered

const colourOf = (instance) => [...instance].reduce((sum, letter) => sum + letter.codePointAt(0), 7) % 8;

const shares = new Map();

/** What the user asked for is told in words; what the page asks by itself is a square in the row, no more. */
function showAnswer({ instance, status, method, path, took, quiet }) {
  const square = document.createElement("li");
  square.title = `${instance ?? "nobody"}: ${method} ${path}, ${status || "no answer"}`;
  if (instance === null) square.className = "failed";
  else square.dataset.colour = colourOf(instance);
  $("trail").prepend(square);
  if ($("trail").children.length > 80) $("trail").lastChild.remove();
  if (instance !== null) countShare(instance);
  if (quiet) return;
  $("last").textContent = `${method} ${path}: ${status || "no answer"} after ${took} ms.`;
  if (instance !== null) showInstance(instance);
}

function countShare(instance) {
  shares.set(instance, (shares.get(instance) ?? 0) + 1);
  const names = [...shares.keys()].sort();
  $("shares").replaceChildren(...names.map((name) => {
    const share = element("li", `${name} ${shares.get(name)}`);
    share.dataset.colour = colourOf(name);
    return share;
  }));
}

function showInstance(instance) {
  $("tile").dataset.colour = colourOf(instance);
  $("tile").textContent = instance;
  $("tile").classList.toggle("long", instance.length > 3);
  $("instance").textContent = instance;
}

// The session

const hints = {
  new: "Nothing is stored until something is set.",
  live: "",
  stale: "It was ended or replaced a moment ago.",
  unknown: "The store does not answer.",
};

function show() {
  const state = session.available ? session.state : "unknown";
  $("state").textContent = $("state").dataset.state = state;
  $("state-hint").textContent = hints[state] ?? "";
  $("user").textContent = session.user ?? (session.isKnown ? "nobody yet" : "unknown");
  $("user").classList.toggle("nobody", session.user === null);
  $("log-in").hidden = session.user !== null || !session.isKnown;
  $("logged-in").hidden = session.user === null;
  $("count").textContent = session.isKnown ? session.count : "?";
  showTime();
  showValues();
}

function endsAt(left) {
  return left === null ? null : Date.now() + left;
}

const LIFE = { named: Number(given.idle) * 1000, anonymous: Number(given.anonymous) * 1000, refresh: Number(given.refresh) };

const isDue = (me) => me.expires_in_ms !== null && me.expires_in_ms < LIFE.refresh * usualLife(me.user);

function usualLife(user) {
  return user === null ? LIFE.anonymous : LIFE.named;
}

function showTime() {
  if (session.endsAt === null || session.state !== "live") {
    $("left").textContent = session.isKnown ? "no session yet" : "unknown";
    $("left-hint").textContent = "";
    $("bar").hidden = true;
    return;
  }
  $("bar").hidden = false;
  const left = Math.max(0, session.endsAt - Date.now());
  const usual = usualLife(session.user);
  // A session with a longer life of its own fills the bar when it is first seen.
  session.life = Math.max(usual, session.life > usual && session.life >= left ? session.life : left);
  $("left").textContent = left > 0 ? duration(Math.round(left / 1000)) : "ended";
  $("left-hint").textContent = `Using it below the mark makes it ${duration(Math.round(session.life / 1000))} again.`;
  drawBar(left / session.life);
}

function drawBar(part) {
  $("bar").style.setProperty("--part", part);
  $("bar").style.setProperty("--refresh", LIFE.refresh);
  $("bar").setAttribute("aria-valuenow", Math.round(part * 100));
  $("bar").setAttribute("aria-valuetext", $("left").textContent);
}

function duration(seconds) {
  const units = [["day", 86400], ["h", 3600], ["min", 60], ["s", 1]];
  const first = units.findIndex(([, size]) => seconds >= size);
  const parts = [];
  for (const [unit, size] of units.slice(first < 0 ? 3 : first).slice(0, 2)) {
    const number = Math.floor(seconds / size);
    seconds -= number * size;
    if (number > 0 || parts.length === 0) parts.push(`${number} ${unit}${unit === "day" && number !== 1 ? "s" : ""}`);
  }
  return parts.join(" ");
}

function showValues() {
  const entries = Object.entries(session.values);
  $("no-values").hidden = entries.length > 0;
  $("no-values").textContent = session.isKnown ? "Nothing is stored yet." : "Unknown while the store is away.";
  $("values").replaceChildren(...entries.map(([key, value]) => {
    const text = typeof value === "string" ? value : JSON.stringify(value);
    const remove = button("Remove", `Remove ${key}`, (control) => act(control, "POST", `/unset?k=${encodeURIComponent(key)}`));
    return item(element("code", key), element("span", text, "grow"), remove);
  }));
}

// Devices

async function showDevices() {
  const answer = session.user === null ? null : await ask("GET", "/devices", { quiet: true });
  $("devices").hidden = !answer?.ok;
  if (!answer?.ok) return;
  $("others").hidden = answer.json.length < 2;
  $("device-list").replaceChildren(...answer.json.map((device) => {
    const name = device.user_agent ?? "Unknown browser";
    const where = element("span", [device.client_ip, seen(device.seen)].filter(Boolean).join(", "), "hint");
    const end = device.current
      ? element("span", "this one", "tag")
      : button("End", `End the session on ${name}`, (control) =>
          act(control, "POST", `/devices/${encodeURIComponent(device.id)}/logout`, { words: { 404: "That session had ended already." } }));
    return item(element("span", name, "grow"), where, end);
  }));
}

/** A time in milliseconds since 1970. */
function seen(time) {
  const ago = Math.round((Date.now() - time) / 1000);
  return ago < 5 ? "seen just now" : `seen ${duration(ago)} ago`;
}

// Elements

function element(name, text, className = "") {
  const made = document.createElement(name);
  made.textContent = text;
  if (className) made.className = className;
  return made;
}

function button(text, label, onClick) {
  const made = element("button", text, "small");
  made.ariaLabel = label;
  made.addEventListener("click", () => onClick(made));
  return made;
}

function item(...children) {
  const made = document.createElement("li");
  made.append(...children);
  return made;
}
