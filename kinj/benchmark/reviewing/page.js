"use strict";
// Texts come into the page as text alone (textContent, value), never as markup.
const cards = [...document.querySelectorAll("article.item")];
const MOST_OPTIONS = 10;
const NAMES = { accept: "accepted", strike: "struck", edit: "edited" };
const decided = new Map(); // card -> {decision, row}

function make(tag, values = {}, ...children) {
  const element = Object.assign(document.createElement(tag), values);
  element.append(...children);
  return element;
}

function warn(text) {
  const place = document.getElementById("warning");
  place.textContent = text;
  place.hidden = false;
}

// ---- what is kept in the browser

function stored(key) {
  try {
    return JSON.parse(localStorage.getItem(key));
  } catch {
    return null;
  }
}

function store(key, value) {
  try {
    if (value) localStorage.setItem(key, JSON.stringify(value));
    else localStorage.removeItem(key);
  } catch {
    warn("This browser keeps nothing for this page: save your decisions before you close it.");
  }
}

// ---- one card

const originalOf = (card) => JSON.parse(card.dataset.row);
const rowOf = (card) => (decided.get(card) ?? {}).row ?? originalOf(card);

function show(card) {
  const row = rowOf(card);
  const place = card.querySelector(".shown");
  place.replaceChildren();
  if (!Object.keys(row).length) place.append(make("p", { textContent: "(nothing that could stand in a file)" }));
  if (row.text !== undefined) place.append(make("p", { className: "question", textContent: row.text }));
  if (row.question !== undefined) place.append(make("p", { className: "question", textContent: row.question }));
  if (row.choices?.length) {
    const options = row.choices.map((choice, place) =>
      make("li", { textContent: choice, className: place === row.answer ? "right" : "" }));
    place.append(make("ol", {}, ...options));
  }
  if (typeof row.answer === "string") place.append(make("p", { textContent: "Answer: " + row.answer }));
  if (row.accepted_answers?.length)
    place.append(make("p", { className: "small", textContent: "Accepted: " + row.accepted_answers.join(" · ") }));
  const decision = decided.get(card)?.decision ?? "";
  card.dataset.decision = decision;
  card.querySelector(".decision").textContent = decision && NAMES[decision];
  card.querySelector('[data-do="undo"]').hidden = !decision;
  card.querySelector(".edit").hidden = true;
}

function decide(card, decision, row = originalOf(card)) {
  if (decision) decided.set(card, { decision, row });
  else decided.delete(card);
  store(card.dataset.key, decided.get(card));
  show(card);
  count();
}

// ---- editing

function field(label, value, rows) {
  const input = make("textarea", { value, rows });
  return [make("label", {}, label, input), input];
}

function optionLine(group, text, isRight) {
  const radio = make("input", { type: "radio", name: group, checked: isRight, ariaLabel: "right option" });
  const input = make("input", { type: "text", value: text, ariaLabel: "option" });
  return make("div", { className: "option" }, radio, input);
}

function editQuestion(card, row, form) {
  const [question, questionInput] = field("Question", row.question, 2);
  const options = make("div");
  for (const [place, choice] of (row.choices ?? []).entries())
    options.append(optionLine(card.dataset.key, choice, place === row.answer));
  const more = make("button", { type: "button", textContent: "Another option" });
  more.onclick = () => {
    if (options.children.length < MOST_OPTIONS) options.append(optionLine(card.dataset.key, "", false));
  };
  const [accepted, acceptedInput] = field("Accepted answers, one a line", (row.accepted_answers ?? []).join("\n"), 2);
  form.append(question, make("p", { className: "small", textContent: "Options; the mark is the right one" }), options);
  form.append(more, accepted);
  return () => {
    const lines = [...options.children].map((line) => [...line.querySelectorAll("input")]);
    const filled = lines.filter(([, input]) => input.value.trim());
    const answer = filled.findIndex(([radio]) => radio.checked);
    const answers = acceptedInput.value.split("\n").map((line) => line.trim()).filter(Boolean);
    const changed = { ...row, question: questionInput.value.trim(), choices: filled.map(([, input]) => input.value.trim()) };
    delete changed.accepted_answers;
    delete changed.answer;
    if (answers.length) changed.accepted_answers = answers;
    if (filled.length && row.answerable !== false) changed.answer = answer;
    if (!changed.question) throw new Error("The question is empty.");
    if (filled.length === 1) throw new Error("One option is none: give two to ten, or none.");
    if (filled.length && row.answerable !== false && answer < 0) throw new Error("Mark the right option.");
    if (!filled.length && !answers.length) throw new Error("Without options it needs an accepted answer.");
    return changed;
  };
}

function editTexts(row, form, names) {
  const inputs = names.map(([name, label, rows]) => {
    const [line, input] = field(label, row[name], rows);
    form.append(line);
    return [name, input];
  });
  return () => {
    const values = Object.fromEntries(inputs.map(([name, input]) => [name, input.value.trim()]));
    if (Object.values(values).some((text) => !text)) throw new Error("A text is empty.");
    return { ...row, ...values };
  };
}

function edit(card) {
  const form = card.querySelector(".edit");
  const row = rowOf(card);
  form.replaceChildren();
  const read = {
    question: () => editQuestion(card, row, form),
    paraphrase: () => editTexts(row, form, [["text", "Paraphrase", 8]]),
    pair: () => editTexts(row, form, [["question", "Question", 2], ["answer", "Answer", 2]]),
  }[card.dataset.what]();
  const fault = make("p", { className: "fault" });
  const cancel = make("button", { type: "button", textContent: "Cancel" });
  cancel.onclick = () => { form.hidden = true; };
  form.append(fault, make("button", { type: "submit", textContent: "Keep this edit" }), " ", cancel);
  form.onsubmit = (event) => {
    event.preventDefault();
    try {
      decide(card, "edit", read());
    } catch (error) {
      fault.textContent = error.message;
    }
  };
  form.hidden = false;
  form.querySelector("textarea").focus();
}

function act(card, what) {
  if (!card.querySelector(`[data-do="${what}"]`)) return; // nothing was written that could be accepted
  if (what === "edit") edit(card);
  else decide(card, what === "undo" ? "" : what);
}

// ---- all cards

function count() {
  const counts = Object.keys(NAMES).map((decision) =>
    [...decided.values()].filter((one) => one.decision === decision).length + " " + NAMES[decision]);
  document.getElementById("counts").textContent = counts.join(", ") + ", " + (cards.length - decided.size) + " not decided";
}

function filter() {
  const wanted = document.getElementById("filter").value;
  for (const card of cards) {
    const isShown = { all: true, open: !decided.has(card), decided: decided.has(card) }[wanted] ?? card.dataset.state === wanted;
    card.hidden = !isShown;
  }
}

function save() {
  const lines = cards.filter((card) => decided.has(card)).map((card) => {
    const { decision, row } = decided.get(card);
    const { id, what, was } = card.dataset; // was: the row that is decided on, which may be another by then
    return JSON.stringify({ id, what, decision, row, was }) + "\n";
  });
  const address = URL.createObjectURL(new Blob(lines, { type: "application/jsonl" }));
  make("a", { href: address, download: "decisions.jsonl" }).click();
  setTimeout(() => URL.revokeObjectURL(address), 10_000);
}

function move(step) {
  const shown = cards.filter((card) => !card.hidden);
  const now = shown.indexOf(document.activeElement?.closest?.("article.item"));
  const next = shown[Math.min(Math.max(now + step, 0), shown.length - 1)];
  next?.focus();
  next?.scrollIntoView({ block: "start" });
}

for (const card of cards) {
  const kept = stored(card.dataset.key);
  if (kept && kept.decision in NAMES) decided.set(card, kept);
  for (const button of card.querySelectorAll(".buttons button"))
    button.onclick = () => act(card, button.dataset.do);
  show(card);
}
document.getElementById("filter").onchange = filter;
document.getElementById("save").onclick = save;
document.addEventListener("keydown", (event) => {
  if (event.target.closest("input, textarea, select") || event.ctrlKey || event.metaKey || event.altKey) return;
  const card = document.activeElement?.closest?.("article.item");
  const what = { a: "accept", s: "strike", e: "edit", u: "undo" }[event.key];
  if (event.key === "j" || event.key === "k") move(event.key === "j" ? 1 : -1);
  else if (what && card) act(card, what);
  else return;
  event.preventDefault();
});
count();
