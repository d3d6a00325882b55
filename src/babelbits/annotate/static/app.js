// The rating page: keys, drafts kept here and on the server, answers sent until they are recorded.
// Times are milliseconds since the page was shown, by a clock that never jumps. What is typed is kept
// as a draft only until there is an answer; single key strokes are not recorded.
"use strict";

const form = document.getElementById("form");
const status_ = document.getElementById("status");
const words = JSON.parse(document.getElementById("words").textContent);
const help = document.getElementById("help");
const ended = document.getElementById("ended");
const submit = form.querySelector("button[type=submit]");
const pair = form.dataset.pair;
const revision = Number(form.dataset.revision);
let csrf = form.dataset.csrf;
let sending = false;
let touched = false;
let timer = 0;

const STORE = "draft:";
const key = `${STORE}${pair}:${revision}`;
const KEEP_MS = 30 * 24 * 3600 * 1000;
const elapsed = () => Math.round(performance.now());

function tell(text, alarm = false) {
  status_.textContent = text;
  status_.classList.toggle("alarm", alarm);
}

// --- the form ---------------------------------------------------------------------------------

const checked = (name) => [...form.querySelectorAll(`[name=${name}]:checked`)].map((e) => e.value);

function read() {
  const choice = checked("choice")[0];
  return {
    choice: choice === undefined ? null : Number(choice),
    unusable: form.unusable.checked,
    first_reasons: checked("first_reasons"),
    second_reasons: checked("second_reasons"),
    comment: form.comment.value,
  };
}

function fill(kept) {
  for (const input of form.querySelectorAll("[name=choice]")) {
    input.checked = kept.choice !== null && Number(input.value) === kept.choice;
  }
  form.unusable.checked = kept.unusable;
  for (const name of ["first_reasons", "second_reasons"]) {
    for (const input of form.querySelectorAll(`[name=${name}]`)) {
      input.checked = kept[name].includes(input.value);
    }
  }
  form.comment.value = kept.comment;
}

function choose(value) {
  const input = form.querySelector(`[name=choice][value="${value}"]`);
  input.checked = true;
  input.focus({ preventScroll: true });
  changed();
}

// --- the browser's own memory -------------------------------------------------------------------

function remember() {
  try {
    localStorage.setItem(key, JSON.stringify({ at: Date.now(), form: read() }));
  } catch { /* private windows may have no room: the server keeps drafts, too */ }
}

function recall() {
  try {
    for (const name of Object.keys(localStorage).filter((name) => name.startsWith(STORE))) {
      const kept = JSON.parse(localStorage.getItem(name));
      if (name === key) {
        fill(kept.form);
        tell(words.kept);
      } else if (!(Math.abs(Date.now() - kept.at) < KEEP_MS)) {
        localStorage.removeItem(name);
      }
    }
  } catch { /* what cannot be read is no draft */ }
}

function forget() {
  try {
    localStorage.removeItem(key);
  } catch { /* nothing was kept */ }
}

// --- the server ---------------------------------------------------------------------------------

async function post(path, body, options = {}) {
  const reply = await fetch(path, {
    method: "POST",
    headers: { "content-type": "application/json", "x-csrf-token": csrf },
    body: JSON.stringify(body),
    ...options,
  });
  let said = {};
  try {
    said = await reply.json();
  } catch { /* no JSON: the status says enough */ }
  return { status: reply.status, said };
}

const note = (kind) =>
  post("/api/event", { pair, kind, elapsed_ms: elapsed() }, { keepalive: true }).catch(() => {});

const wait = (ms) => new Promise((done) => setTimeout(done, ms));

// Send until there is a reply; a recorded revision is never recorded twice.
async function persist(path, body) {
  for (let pause = 500; ; pause = Math.min(2 * pause, 15000)) {
    try {
      const reply = await post(path, body);
      if (reply.status < 500 && reply.status !== 429) return reply;
    } catch { /* no connection */ }
    tell(words.offline, true);
    await wait(pause);
  }
}

function changed() {
  remember();
  clearTimeout(timer);
  timer = setTimeout(async () => {
    if (sending) return;
    try {
      const { status, said } = await post("/api/draft", { pair, revision, form: read() });
      if (sending) return;
      if (status === 401) ended.showModal();
      else if (status === 200) tell(words.kept);
      else tell(said.message || words.offline, true);
    } catch {
      tell(words.offline, true);
    }
  }, 700);
}

async function send() {
  const answer = read();
  if (sending) return;
  if (answer.choice === null && !answer.unusable) {
    tell(words.choose_first, true);
    return;
  }
  sending = true;
  submit.disabled = true;
  clearTimeout(timer);
  remember();
  tell(words.saving);
  const body = { pair, revision, elapsed_ms: elapsed(), form: answer };
  const { status, said } = await persist("/api/answer", body);
  if (status === 200 || status === 409) forget();
  if (status === 200) {
    location.assign("/rate");
    return;
  }
  sending = false;
  submit.disabled = false;
  if (status === 401) ended.showModal();
  else if (status === 409) leaveBe(said.message || words.already);
  else tell(said.message, true);
}

// Answered in another tab: that stands, and this form is done with.
function leaveBe(text) {
  tell(text, true);
  for (const field of form.querySelectorAll("input, textarea")) field.disabled = true;
  submit.textContent = words.go_on;
  sending = true;
  submit.disabled = false;
  submit.addEventListener("click", () => location.assign("/rate"));
  submit.focus();
}

async function back() {
  if (sending) return;
  try {
    const { status, said } = await post("/api/back", { pair });
    if (status === 200) location.assign(`/rate/${said.pair}`);
    else if (status === 401) ended.showModal();
    else tell(said.message, true);
  } catch {
    tell(words.offline, true);
  }
}

document.getElementById("renew").addEventListener("click", async () => {
  const where = document.getElementById("ended-status");
  try {
    const { status, said } = await post("/api/renew", { link: document.getElementById("link").value });
    if (status !== 200) {
      where.textContent = said.message;
      return;
    }
    csrf = said.csrf;
    where.textContent = "";
    ended.close();
    changed();
  } catch {
    where.textContent = words.offline;
  }
});

// --- keys and events ----------------------------------------------------------------------------

const typing = (target) =>
  target instanceof HTMLElement && target.matches("textarea, select, input[type=text], input[type=password]");

const STEPS = { 1: -2, 2: -1, 3: 0, 4: 1, 5: 2 };

document.addEventListener("keydown", (event) => {
  if (!touched) {
    touched = true;
    note("first_key");
  }
  if (event.isComposing || event.keyCode === 229) return;
  if (help.open || ended.open || event.ctrlKey || event.metaKey || event.altKey) return;
  if (typing(event.target)) {
    if (event.code === "Escape") event.target.blur();
    return;
  }
  // The place of a key, not its letter: it is the same on Arabic, Korean and Malayalam keyboards.
  const step = /^(?:Digit|Numpad)([1-5])$/.exec(event.code);
  if (event.key === "?" || event.key === "؟" || (event.code === "Slash" && event.shiftKey)) {
    event.preventDefault();
    help.showModal();
  } else if (event.repeat || event.shiftKey) {
    return;
  } else if (step) {
    event.preventDefault();
    choose(STEPS[step[1]]);
  } else if (event.code === "KeyB") {
    event.preventDefault();
    form.unusable.checked = !form.unusable.checked;
    changed();
  } else if (event.code === "KeyU") {
    event.preventDefault();
    back();
  } else if (event.code === "Enter" || event.code === "NumpadEnter") {
    if (event.target instanceof HTMLElement && event.target.closest("button, a, summary")) return;
    event.preventDefault();
    send();
  }
});

form.addEventListener("submit", (event) => {
  event.preventDefault();
  send();
});
form.addEventListener("input", changed);
document.getElementById("back").addEventListener("click", back);
document.getElementById("help-open").addEventListener("click", () => help.showModal());
help.querySelector("[data-close]").addEventListener("click", () => help.close());
document.addEventListener("visibilitychange", () => note(document.hidden ? "hidden" : "visible"));
window.addEventListener("pageshow", (event) => {
  if (event.persisted) location.reload(); // from the back button's memory: it may be out of date
});

// --- letters that this device cannot draw ---------------------------------------------------------

// Where a font is missing, different letters look the same: an empty box.
function lacksLetters(text) {
  const letters = [...new Set(text.match(/\p{L}/gu) || [])].filter((l) => l > "\u024f").slice(0, 5);
  if (letters.length < 3) return false;
  const context = new OffscreenCanvas(40, 40).getContext("2d", { willReadFrequently: true });
  context.font = `28px ${getComputedStyle(form).fontFamily}`;
  const pictures = letters.map((letter) => {
    context.clearRect(0, 0, 40, 40);
    context.fillText(letter, 4, 30);
    return context.getImageData(0, 0, 40, 40).data.join();
  });
  return new Set(pictures).size === 1;
}

try {
  const texts = [...document.querySelectorAll(".text")].map((e) => e.textContent);
  document.getElementById("no-font").hidden = !texts.some(lacksLetters);
} catch { /* an old browser: people see boxes themselves */ }

recall();
note("shown");
