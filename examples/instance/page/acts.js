// What the user does, and what comes of it: one request for one act.

// Requests

/** Asks, and shows who answered. A status of 0 is no answer at all. */
async function ask(method, path, { quiet = false } = {}) {
  const started = performance.now();
  let answer = null;
  try {
    answer = await fetch(path, { method, cache: "no-store" });
  } catch {
    // Told by the status.
  }
  const status = answer?.status ?? 0;
  const instance = answer?.headers.get("x-instance") ?? null;
  showAnswer({ instance, status, method, path: path.split("?")[0], took: Math.round(performance.now() - started), quiet });
  const isJson = answer?.headers.get("content-type")?.startsWith("application/json");
  return { status, ok: answer?.ok ?? false, instance, json: isJson ? await answer.json().catch(() => null) : null };
}

/** One act of the user: its request, what came of it, and how things stand then. Whether it was done. */
async function act(control, method, path, { words = {}, changes = "values" } = {}) {
  return busy(control, async () => {
    const answer = await ask(method, path);
    if (answer.ok) say("");
    else tellTrouble(answer.status, words);
    if (!isAway(answer.status)) await refresh(changes);
    return answer.ok;
  });
}

async function busy(control, work) {
  if (control.ariaDisabled === "true") return false;
  // Not `disabled`: the focus would be lost.
  control.ariaDisabled = "true";
  try {
    return await work();
  } finally {
    control.ariaDisabled = "false";
  }
}

/** After what changes the count alone there is no need to read all values and devices. */
async function refresh(changes = "values") {
  const read = (path) => ask("GET", path, { quiet: true });
  let me = await read("/me");
  // Reading made it slide, beside the answer: the next one shows by how much.
  if (me.ok && isDue(me.json)) me = await read("/me");
  if (!me.ok) return tellTrouble(me.status);
  const isLive = me.json.state === "live";
  const all = changes === "values" || me.json.user !== session.user;
  const dump = all && isLive ? await read("/dump") : null;
  if (dump && !dump.ok) return tellTrouble(dump.status);
  takeIn(me.json);
  if (!isLive) session.values = {};
  else if (dump) session.values = dump.json.data;
  else session.values.n = me.json.count;
  show();
  if (all) await showDevices();
}

function takeIn(me) {
  const before = session.endsAt;
  const sameUser = session.user === me.user;
  Object.assign(session, { available: true, isKnown: true, state: me.state, user: me.user, count: me.count, endsAt: endsAt(me.expires_in_ms) });
  const gained = Math.round((session.endsAt - before) / 1000);
  const slid = before !== null && session.endsAt !== null && sameUser && gained >= 1;
  $("slid").textContent = slid ? `+${duration(gained)}` : "";
  if (slid) {
    $("bar").classList.remove("slid");
    requestAnimationFrame(() => $("bar").classList.add("slid"));
  }
}

// Troubles

const isAway = (status) => status === 503 || status === 0 || status === 502 || status === 504;

function tellTrouble(status, words = {}) {
  const known = {
    0: "No instance can be reached. Your session is kept, and so is your cookie.",
    403: "This user has as many sessions as are allowed: end one on another device first.",
    409: "This session was ended or logged in anew elsewhere, so that was not stored. Log in to begin a new one.",
    502: "No instance can be reached. Your session is kept, and so is your cookie.",
    503: "The store is away. Your session is kept, and so is your cookie: try again in a moment.",
    504: "The instance was too slow to answer. Your session is kept.",
  };
  say(words[status] ?? known[status] ?? `That went wrong: status ${status}.`, "bad");
  if (isAway(status)) {
    session.available = false;
    show();
    waitForReturn();
  }
}

function say(text, kind = "") {
  $("banner").textContent = text;
  $("banner").className = kind;
}

let waiting = false;

/** Asks once a second whether the store answers again: a route that uses no session. */
async function waitForReturn() {
  if (waiting) return;
  waiting = true;
  for (let ready = false; !ready; ) {
    await new Promise((resolve) => setTimeout(resolve, 1000));
    ready = await fetch("/readyz", { cache: "no-store" }).then((answer) => answer.ok, () => false);
  }
  waiting = false;
  say("");
  const user = session.user;
  await refresh();
  if (session.available) say(session.user === user ? "It is back, and so is your session." : "It is back.");
}

// Twenty at once

async function twenty() {
  // Twenty first visits would be twenty sessions: the first request begins one.
  if (session.state !== "live") {
    const first = await ask("GET", "/count");
    if (!first.ok) return tellTrouble(first.status);
    session.count = first.json.count;
  }
  const before = session.count;
  const squares = Array.from({ length: 20 }, () => document.createElement("li"));
  $("squares").replaceChildren(...squares);
  $("verdict").textContent = "";
  const answers = await Promise.all(squares.map(async (square) => {
    const answer = await ask("GET", "/count");
    if (answer.ok) square.dataset.colour = colourOf(answer.instance ?? "");
    else square.className = "failed";
    square.textContent = answer.ok ? answer.json.count : "!";
    square.title = `${answer.instance ?? "nobody"}: ${answer.ok ? answer.json.count : answer.status || "no answer"}`;
    return answer;
  }));
  await refresh();
  judge(before, answers);
  const failed = answers.find((answer) => !answer.ok);
  if (failed) tellTrouble(failed.status);
}

/** None is lost when each has a sum of its own and the counter holds them all. */
function judge(before, answers) {
  const done = answers.filter((answer) => answer.ok);
  const sums = new Set(done.map((answer) => answer.json.count));
  const instances = [...new Set(done.map((answer) => answer.instance))].sort();
  const shares = instances.map((name) => `${name}\u00a0${done.filter((answer) => answer.instance === name).length}`);
  const lost = done.length - Math.min(sums.size, session.available ? session.count - before : sums.size);
  const unanswered = answers.length - done.length;
  $("verdict").className = lost > 0 ? "bad" : "good";
  const sum = element("b", `${before} + ${done.length} = ${Math.max(before, ...sums)}: ${lost > 0 ? `${lost} lost.` : "none lost."}`);
  const more = [
    unanswered > 0 ? `${unanswered} of ${answers.length} failed, and said so.` : "",
    shares.length > 0 ? `Answered by ${shares.join(", ")}.` : "",
  ];
  $("verdict").replaceChildren(sum, ` ${more.filter(Boolean).join(" ")}`);
}

// What the user does

const on = (id, work) => $(id).addEventListener("click", () => work($(id)));

on("add", (control) => act(control, "GET", "/count", { changes: "count" }));
on("twenty", (control) => busy(control, twenty));
on("log-out", (control) => act(control, "POST", "/logout"));
on("remember", (control) => act(control, "POST", "/remember-me?days=30"));
on("refresh", (control) => busy(control, refresh));
on("others", (control) => act(control, "POST", "/logout-others"));
on("everywhere", (control) => act(control, "POST", "/logout-everywhere"));

for (const [id, path] of [["log-in", "/login"], ["set", "/set"]]) {
  $(id).addEventListener("submit", (event) => {
    event.preventDefault();
    const form = event.target;
    const query = new URLSearchParams(new FormData(form));
    act(form.querySelector("button"), "POST", `${path}?${query}`).then((done) => done && form.reset());
  });
}

// A page that the browser kept alive knows nothing of a log-out since.
addEventListener("pageshow", (event) => event.persisted && refresh());
document.addEventListener("visibilitychange", () => document.hidden || refresh());
setInterval(showTime, 1000);

showAnswer({ instance: given.instance, status: session.available ? 200 : 503, method: "GET", path: "/", quiet: true });
showInstance(given.instance);
show();
if (session.available) showDevices();
else tellTrouble(503);
