// Sorting, filtering, choosing pictures, and the item browser.
// Texts of the study are hostile: they are set with textContent only, never parsed as markup.
"use strict";

const ITEMS_ON_A_PAGE = 10;
const ROWS_ON_A_PAGE = 100;
const data = JSON.parse(document.getElementById("data").textContent);
const $ = (selector, within = document) => within.querySelector(selector);
const $$ = (selector, within = document) => [...within.querySelectorAll(selector)];

function plural(count, word) {
  return `${count} ${word}${count === 1 ? "" : "s"}`;
}

function make(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value !== undefined && value !== null) element.setAttribute(name, value);
  }
  element.append(...children.filter((child) => child !== null));
  return element;
}

// --- pictures: one of several -------------------------------------------------------------

function chooser(form) {
  const figures = $$("figure", document.getElementById(form.dataset.for));
  const empty = $(".empty", document.getElementById(form.dataset.for));
  const selects = $$("select", form);
  const update = () => {
    const wanted = Object.fromEntries(selects.map((s) => [s.dataset.key, s.value]));
    let shown = 0;
    for (const figure of figures) {
      figure.hidden = !Object.entries(wanted).every(([key, value]) => value === "" || figure.dataset[key] === value);
      shown += !figure.hidden;
    }
    empty.hidden = shown > 0;
  };
  form.hidden = false;
  form.addEventListener("change", update);
  form.choose = (wanted) => {
    for (const select of selects) select.value = wanted[select.dataset.key];
    update();
  };
  if (figures.length) form.choose({ ...figures[figures.length - 1].dataset, ...form.dataset });
}
const choosers = $$("form[data-for]");
choosers.forEach(chooser);

// --- what a mark says, beside the pointer -------------------------------------------------

const tip = make("div", { class: "tip", role: "status" });
document.addEventListener("mouseover", (event) => {
  const target = event.target.closest("figure svg [aria-label][role=graphics-symbol]");
  if (!target || target.getAttribute("aria-label").includes("axis")) return tip.remove();
  tip.textContent = target.getAttribute("aria-label");
  document.body.append(tip);
  const box = target.getBoundingClientRect();
  tip.style.left = `${Math.max(8, Math.min(box.left, innerWidth - tip.offsetWidth - 8))}px`;
  tip.style.top = `${box.top > 60 ? box.top - tip.offsetHeight - 8 : box.bottom + 8}px`;
});

// --- the table of all comparisons ---------------------------------------------------------

const table = $("#effects");
const filters = $("#filters");
const pager = $("#pager");
const rows = $$("tbody tr", table);
let page = 0;

function matching() {
  const wanted = $$("[data-key]", filters).map((control) => [control.dataset.key, control.value.trim()]);
  const holds = (row, [key, value]) =>
    value === "" ||
    (key === "text"
      ? row.textContent.toLowerCase().includes(value.toLowerCase())
      : row.dataset[key] === value);
  return rows.filter((row) => wanted.every((pair) => holds(row, pair)));
}

function showRows() {
  const found = matching();
  const pages = Math.max(1, Math.ceil(found.length / ROWS_ON_A_PAGE));
  page = Math.min(Math.max(page, 0), pages - 1);
  const shown = new Set(found.slice(page * ROWS_ON_A_PAGE, (page + 1) * ROWS_ON_A_PAGE));
  for (const row of rows) row.hidden = !shown.has(row);
  $("output", filters).textContent = `${found.length} of ${plural(rows.length, "comparison")}`;
  pager.hidden = pages === 1;
  $("span", pager).textContent = `page ${page + 1} of ${pages}`;
}

function valueOf(row, column) {
  const cell = row.cells[column];
  if (!("v" in cell.dataset)) return cell.textContent;
  return cell.dataset.v === "" ? null : Number(cell.dataset.v);
}

function compare(left, right) {
  if (left === null || right === null) return (left === null) - (right === null);
  return typeof left === "number" ? left - right : left.localeCompare(right, "en");
}

function sortBy(column, header) {
  const ascending = header.getAttribute("aria-sort") !== "ascending";
  $$("th", table).forEach((other) => other.removeAttribute("aria-sort"));
  header.setAttribute("aria-sort", ascending ? "ascending" : "descending");
  rows.sort((a, b) => {
    const [left, right] = [valueOf(a, column), valueOf(b, column)];
    const undefinedLast = left === null || right === null;
    return compare(left, right) * (ascending || undefinedLast ? 1 : -1);
  });
  $("tbody", table).append(...rows);
  page = 0;
  showRows();
}

$$("thead th", table).forEach((header, column) => {
  const button = make("button", { type: "button", onclick: () => sortBy(column, header) });
  button.append(...header.childNodes);
  header.append(button);
});
filters.hidden = false;
filters.addEventListener("input", () => { page = 0; showRows(); });
pager.addEventListener("click", (event) => {
  page += Number(event.target.dataset.step ?? 0);
  showRows();
});

// --- texts --------------------------------------------------------------------------------

// C0 and C1 controls but tab and newline, line separators, and overrides, embeddings and isolates of
// direction: spelled out, so that they neither hide nor reorder anything.
const CONTROL = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069]/u;

function spelled(text) {
  const nodes = [];
  let plain = "";
  for (const character of text) {
    if (!CONTROL.test(character)) { plain += character; continue; }
    const name = `U+${character.codePointAt(0).toString(16).toUpperCase().padStart(4, "0")}`;
    nodes.push(plain, make("span", { class: "control" }, name));
    plain = "";
  }
  return [...nodes, plain].filter((node) => node !== "");
}

function marked(text, edges) {
  const characters = [...text];
  const nodes = [];
  let position = 0;
  for (let i = 0; i < edges.length; i += 2) {
    nodes.push(...spelled(characters.slice(position, edges[i]).join("")));
    nodes.push(make("mark", {}, ...spelled(characters.slice(edges[i], edges[i + 1]).join(""))));
    position = edges[i + 1];
  }
  return [...nodes, ...spelled(characters.slice(position).join(""))];
}

function block(text, language, edges = []) {
  const { tag, dir } = data.languages[language];
  if (text === "") return make("p", { class: "text nothing" }, "no text");
  return make("bdi", { class: "text", lang: tag, dir, tabindex: "0" }, ...marked(text, edges));
}

// --- the item browser ---------------------------------------------------------------------

const pick = $("#pick");
const browser = $("#browser");
const FILTERS = [
  ["flips", "broke or fixed", ["broke", "fixed"]],
  ["broke", "broke", ["broke"]],
  ["fixed", "fixed", ["fixed"]],
  ["changed", "output changed", ["broke", "fixed", "changed", "failed"]],
  ["all", "all", ["broke", "fixed", "changed", "failed", "same"]],
];
const state = { cell: null, filter: "all", page: 0 };
const unique = (values) => [...new Set(values)];
const select = (key) => $(`select[data-key=${key}]`, pick);

function fill(key, values, label = (value) => value) {
  const control = select(key);
  const before = control.value;
  control.replaceChildren(...values.map((value) => make("option", { value }, label(value))));
  if (values.includes(before)) control.value = before;
}

const total = (cell, statuses) => statuses.reduce((sum, status) => sum + cell.counts[status], 0);

function refill() {
  fill("variant", unique(data.cells.map((c) => c.variant)));
  const ofVariant = data.cells.filter((c) => c.variant === select("variant").value);
  fill("suite", unique(ofVariant.map((c) => c.suite)));
  const ofSuite = ofVariant.filter((c) => c.suite === select("suite").value);
  fill("language", ofSuite.map((c) => c.language), (code) => data.languages[code].name);
}

function choose(cell) {
  for (const key of ["variant", "suite", "language"]) {
    refill();
    select(key).value = cell[key];
  }
  const firstWithItems = FILTERS.find(([, , statuses]) => total(cell, statuses) > 0) ?? FILTERS[4];
  Object.assign(state, { cell, filter: firstWithItems[0], page: 0 });
  showItems();
}

function chosen() {
  refill();
  const is = (key) => (cell) => cell[key] === select(key).value;
  return data.cells.filter(is("variant")).filter(is("suite")).find(is("language"));
}

function number(value) {
  return value === null ? "–" : String(Math.round(value * 10000) / 10000).replace("-", "−");
}

function side(name, item, cell) {
  const arm = item[name];
  const title = name === "before" ? "baseline" : cell.variant;
  const notes = [`score ${number(arm.score)}`];
  if (arm.cut) notes.push("cut at the length limit");
  if (arm.lost) notes.push(`prompt lost its first ${plural(arm.lost, "token")}`);
  if (arm.remark) notes.push(arm.remark);
  if (arm.failure) notes.push(`failed: ${arm.failure}`);
  const edges = name === "before" ? item.gone : item.new;
  return make("div", { class: `side ${name}` },
    make("h4", {}, make("b", {}, title), ...notes.map((note) => make("span", {}, note))),
    block(data.texts[arm.text], cell.language, edges));
}

function choices(item, cell) {
  if (!item.before.lp || !item.after.lp) return null;
  const best = (values) => values.indexOf(Math.max(...values));
  const head = make("tr", {}, ...["choice", "baseline", cell.variant].map((name) => make("th", { scope: "col" }, name)));
  const line = (value, index) => make("tr", {},
    make("td", {}, String(index + 1)),
    ...[item.before.lp, item.after.lp].map((values) =>
      make("td", { class: "num" }, `${values[index].toFixed(3).replace("-", "−")}${best(values) === index ? " ●" : ""}`)));
  return make("table", { class: "choices" },
    make("caption", {}, "Log-likelihood of each choice, nats; ● preferred"),
    make("thead", {}, head), make("tbody", {}, ...item.before.lp.map(line)));
}

function card(item, cell) {
  return make("article", { class: "item" },
    make("header", {}, make("span", { class: `badge ${item.status}` }, item.status),
      make("h3", {}, item.source), make("code", {}, item.id)),
    make("div", { class: "asked" },
      make("div", {}, make("h4", {}, "prompt"), block(data.texts[item.prompt], cell.language)),
      make("div", {}, make("h4", {}, "target"), block(data.texts[item.target], cell.language))),
    make("div", { class: "sides" }, side("before", item, cell), side("after", item, cell)),
    choices(item, cell));
}

function quoted(word) {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'"'"'`)}'`;
}

function commandLine(cell, flips) {
  if (!data.folder) return null;
  const words = ["babelbits", "show", data.folder, "--variant", cell.variant, "--suite", cell.suite,
    "--language", cell.language, ...(flips ? ["--flips"] : [])].map(quoted).join(" ");
  const copy = make("button", { type: "button", onclick: (event) => {
    navigator.clipboard?.writeText(words).then(() => { event.target.textContent = "Copied"; }, () => {});
  } }, "Copy");
  return make("p", { class: "command" }, make("code", {}, words), copy);
}

function filterButtons(cell) {
  return FILTERS.map(([name, label, statuses]) => make("button", {
    type: "button", "aria-pressed": String(state.filter === name),
    onclick: () => { Object.assign(state, { filter: name, page: 0 }); showItems(); },
  }, `${label} ${total(cell, statuses)}`));
}

function pages(count) {
  const last = Math.ceil(count / ITEMS_ON_A_PAGE) - 1;
  if (last < 1) return null;
  const step = (by, label) => {
    const button = make("button", { type: "button", onclick: () => { state.page += by; showItems(); } }, label);
    button.disabled = state.page + by < 0 || state.page + by > last;
    return button;
  };
  return make("p", { class: "pager" }, step(-1, "Previous"), ` page ${state.page + 1} of ${last + 1} `, step(1, "Next"));
}

function showItems() {
  const cell = state.cell;
  const statuses = FILTERS.find(([name]) => name === state.filter)[2];
  const found = cell.items.filter((item) => statuses.includes(item.status));
  const missing = total(cell, statuses) - found.length;
  const start = state.page * ITEMS_ON_A_PAGE;
  $("fieldset", pick).replaceChildren(...filterButtons(cell));
  const shared = cell.preamble === null ? null : make("details", {},
    make("summary", {}, "What every prompt of this cell begins with"),
    block(data.texts[cell.preamble], cell.language));
  browser.replaceChildren(...[
    make("p", { class: "lead" }, `${found.length} shown here` + (missing ? `; ${missing} more left out to keep the page small.` : ".")
      + (!data.folder ? "" : missing ? " This shows them all:" : " In a terminal:")),
    commandLine(cell, state.filter !== "all" && state.filter !== "changed"),
    shared,
    ...found.slice(start, start + ITEMS_ON_A_PAGE).map((item) => card(item, cell)),
    pages(found.length),
  ].filter((node) => node !== null));
}

pick.addEventListener("change", () => {
  const cell = chosen();
  if (cell) choose(cell);
});

// --- links --------------------------------------------------------------------------------

function follow() {
  const anchor = decodeURIComponent(location.hash.slice(1));
  const cell = data.cells.find((one) => one.anchor === anchor);
  if (cell) {
    choose(cell);
    $("#items").scrollIntoView();
    return;
  }
  const figure = document.getElementById(anchor);
  if (figure?.tagName === "DETAILS") {
    figure.open = true;
    figure.scrollIntoView();
    return;
  }
  const form = figure?.tagName === "FIGURE" && choosers.find((one) => one.dataset.for === figure.parentElement.id);
  if (form) {
    form.choose(figure.dataset);
    $("#intervals").scrollIntoView();
  }
}

document.addEventListener("click", (event) => {
  const link = event.target.closest("a");
  const href = link?.getAttribute("href") ?? "";
  if (href.startsWith("#") && href === location.hash) follow();
});
addEventListener("hashchange", follow);
showRows();
if (data.cells.length) {
  pick.hidden = false;
  choose(data.cells.reduce((most, cell) => (cell.counts.broke > most.counts.broke ? cell : most)));
}
follow();
