// The page of `dimm app`: controls ask the server for a scene, files are sent with the question they belong to.
"use strict";
const $ = id => document.getElementById(id), all = query => [...document.querySelectorAll(query)];
const LIMIT = +document.body.dataset.limit, STOPS = document.body.dataset.stops.split(" ").map(Number);
const NUMBERS = all("input[type=range]").map(slider => slider.dataset.field);
const make = (name, words = "", more = {}) => Object.assign(document.createElement(name), {textContent: words}, more);

async function ask(address, options) { // what the server says; a problem is thrown, with the control that it is about
  let reply;
  try { reply = await fetch(address, options); }
  catch { throw {problem: "the server does not answer: is `dimm app` still running?"}; }
  const said = await reply.json().catch(() => ({problem: `the server answers with status ${reply.status}`}));
  if (!reply.ok) throw {...said, status: reply.status};
  return said;
}
const problemOf = error => error.problem || String(error);
function say(id, words) { // beside a control
  const place = $(`${id}-said`) || $(id), control = $(id);
  if (place.textContent !== words) place.textContent = words;
  if (control && control !== place) words ? control.setAttribute("aria-invalid", "true") : control.removeAttribute("aria-invalid");
}

// which part is shown

function turnPage() {
  const part = location.hash === "#data" ? "data" : "explore";
  for (const id of ["explore", "data"]) $(id).hidden = id !== part;
  for (const link of all("nav a")) link.hash === `#${part}` ? link.setAttribute("aria-current", "page") : link.removeAttribute("aria-current");
  if (part === "explore") draw();
}
addEventListener("hashchange", turnPage);

// pictures

const SVG = "http://www.w3.org/2000/svg";
function shape(parent, name, attributes, words) {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  if (words !== undefined) made.textContent = words;
  parent.append(made);
  return made;
}
function canvas(place, width, height, words) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
  svg.setAttribute("role", "img");
  svg.setAttribute("aria-label", words);
  place.replaceChildren(svg);
  return svg;
}
const clip = (x, low, high) => Math.min(Math.max(x, low), high);
function ticks(low, high, n) {
  const rough = (high - low) / n, power = 10 ** Math.floor(Math.log10(rough)), step = [1, 2, 5, 10].find(m => m * power >= rough) * power;
  return Array.from({length: Math.floor(high / step + 1e-9) - Math.ceil(low / step - 1e-9) + 1}, (_, k) => +((Math.ceil(low / step - 1e-9) + k) * step).toPrecision(6));
}
const shorter = (text, most) => text.length > most ? `${text.slice(0, most - 1)}…` : text;

function drawShares(scene) {
  const place = $("shares"), width = place.clientWidth;
  if (!width) return;
  const phone = width < 560, shown = scene.shares.slice(0, phone ? 8 : Math.floor((width - 100) / 22));
  shown.sort((a, b) => b[1] - a[1] || b[2] - a[2]);
  const high = Math.max(0.02, 1.3 * Math.max(...shown.map(row => row[1]))), low = shown.some(row => row[2] < -1e-6) ? -0.35 * high : 0;
  const label = phone ? 0.42 * width : 0, tall = phone ? 20 * shown.length + 24 : clip(innerHeight * (matchMedia("(min-width: 100rem)").matches ? 0.78 : 0.5), 300, 900), foot = 126, left = 84;
  const svg = canvas(place, width, tall, scene.words);
  const along = k => phone ? 10 + 20 * k : left + (width - left - 8) * (k + 0.5) / shown.length;
  const value = x => (clip(x, low, high) - low) / (high - low) * (phone ? width - label - 16 : tall - foot - 8);
  const point = (k, x, shift) => phone ? [label + 4 + value(x), along(k) + shift] : [along(k) + shift, tall - foot - value(x)];
  for (const tick of ticks(low, high, phone ? 3 : 5)) {
    const [x, y] = point(0, tick, 0), words = `${+(100 * tick).toPrecision(3)} %`;
    if (phone) { shape(svg, "line", {x1: x, x2: x, y1: 0, y2: tall - 18, stroke: "#e3e7eb"}); shape(svg, "text", {x, y: tall - 5, "text-anchor": "middle", "font-size": 11, fill: "#57606a"}, words); }
    else { shape(svg, "line", {x1: left, x2: width, y1: y, y2: y, stroke: "#e3e7eb"}); shape(svg, "text", {x: left - 6, y: y + 4, "text-anchor": "end", "font-size": 12, fill: "#57606a"}, words); }
  }
  shown.forEach(([name, truth, found], k) => {
    const group = shape(svg, "g", {"data-name": name, "data-true": truth, "data-found": found});
    shape(group, "title", {}, `${name}: true ${(100 * truth).toFixed(2)} %, recovered ${(100 * found).toFixed(2)} %`);
    for (const [share, shift, colour, face] of [[truth, -3.5, "#555", "#fff"], [found, 3.5, "#0072b2", "#0072b2"]]) {
      const [x, y] = point(k, share, shift), [x0, y0] = point(k, 0, shift);
      shape(group, "line", {x1: x0, y1: y0, x2: x, y2: y, stroke: colour, "stroke-width": 2});
      if (share > high || share < low) { const up = share > high ? 1 : -1; shape(group, "path", {d: phone ? `M${x} ${y - 4}l${6 * up} 4l${-6 * up} 4z` : `M${x - 4} ${y}l4 ${-6 * up}l4 ${6 * up}z`, fill: colour}); }
      else shape(group, "circle", {cx: x, cy: y, r: 3.6, fill: face, stroke: colour, "stroke-width": 1.5});
    }
    if (phone) shape(group, "text", {x: label - 4, y: along(k) + 4, "text-anchor": "end", "font-size": 12, fill: "#1b1f23"}, shorter(name, Math.floor(label / 6.6)));
    else shape(group, "text", {transform: `translate(${along(k) + 5} ${tall - foot + 12}) rotate(-55)`, "text-anchor": "end", "font-size": 11.5, fill: "#1b1f23"}, shorter(name, 20));
  });
  const rest = scene.shares.length - shown.length;
  if (rest > 0 && !phone) shape(svg, "text", {x: width - 4, y: 14, "text-anchor": "end", "font-size": 12, fill: "#57606a"}, `${scene.catalogue - shown.length} more, none above ${(100 * Math.max(...scene.shares.slice(shown.length).map(row => Math.max(row[1], row[2])))).toPrecision(2)} %`);
}

function drawErrors(scene, points) {
  const place = $("errors"), width = place.clientWidth, tall = clip(width * 0.62, 180, 320);
  if (!width) return;
  const known = [...points.entries()].sort((a, b) => a[0] - b[0]), here = scene.scores[1].value, rows = scene.settings.rows;
  const seen = [...known.map(([, y]) => y), scene.nothing, here].filter(y => y > 0), low = Math.log10(Math.min(...seen, 1)) - 0.15, high = Math.log10(Math.max(...seen, 1e-12)) + 0.15;
  const x = n => 58 + (width - 78) * (Math.log10(n) - 1.85) / 4.3, y = v => 8 + (tall - 46) * (high - Math.log10(Math.max(v, 1e-12))) / (high - low);
  const svg = canvas(place, width, tall, `Mean absolute error of the shares against rows counted: ${known.map(([n, v]) => `${n.toLocaleString("en")} rows ${v.toExponential(1)}`).join(", ") || "being worked out"}. Answering that nothing happened: ${scene.nothing.toExponential(1)}.`);
  for (let power = Math.ceil(low); power <= high; power++) { const v = 10 ** power; shape(svg, "line", {x1: 54, x2: width, y1: y(v), y2: y(v), stroke: "#e3e7eb"}); shape(svg, "text", {x: 50, y: y(v) + 4, "text-anchor": "end", "font-size": 11.5, fill: "#57606a"}, v >= 0.001 ? String(+v.toPrecision(1)) : `1e${power}`); }
  for (const [n, words] of [[100, "100"], [1e3, "1,000"], [1e4, "10,000"], [1e5, "100,000"], [1e6, "1 million"]]) shape(svg, "text", {x: x(n), y: tall - 22, "text-anchor": "middle", "font-size": 11.5, fill: "#57606a"}, words);
  shape(svg, "text", {x: (54 + width) / 2, y: tall - 5, "text-anchor": "middle", "font-size": 12, fill: "#1b1f23"}, "rows counted, N");
  if (scene.nothing > 0) { shape(svg, "line", {x1: 54, x2: width, y1: y(scene.nothing), y2: y(scene.nothing), stroke: "#6e7781", "stroke-dasharray": "5 4"}); shape(svg, "text", {x: width - 2, y: y(scene.nothing) - 4, "text-anchor": "end", "font-size": 11.5, fill: "#57606a"}, "answering “nothing happened”"); }
  if (known.length) shape(svg, "path", {d: `M${known.map(([n, v]) => `${x(n)} ${y(v)}`).join("L")}`, fill: "none", stroke: "#0072b2", "stroke-width": 1.8});
  for (const [n, v] of known) shape(svg, "circle", {cx: x(n), cy: y(v), r: 3, fill: "#0072b2", "data-rows": n, "data-mae": v});
  if (rows !== null) { shape(svg, "circle", {cx: x(rows), cy: y(here), r: 6, fill: "#b84700"}); shape(svg, "text", {x: x(rows) + 9, y: y(here) - 6, "font-size": 11.5, fill: "#9a3c00"}, "here"); }
}

// the scene

let scene = null, before = null, points = new Map(), turn = 0, busy = false, again = false, job = null;
const solved = new Map(); // what slow solvers found, by settings

const query = () => new URLSearchParams([...NUMBERS.map(field => [field, field === "rows" && $("exact").checked ? "inf" : $(field).value.trim()]), ["network", $("network").value], ["solver", $("solver").value]]).toString();

function draw() { if (scene) { drawShares(scene); drawErrors(scene, points); } }

function change(now, old) {
  if (old === undefined || now === old) return make("td", old === undefined ? "–" : "same");
  return make("td", `${now < old ? "▼" : "▲"} ${Math.abs(now - old).toExponential(2)} ${now < old ? "better" : "worse"}`, {className: now < old ? "better" : "worse"});
}
function show(found) {
  before = scene;
  scene = found;
  points = new Map();
  const table = make("table"), head = make("tr");
  head.append(...["metric", "now", "change"].map(words => make("th", words, {scope: "col"})));
  table.append(head, ...found.scores.map(({name, words, text, value}, k) => {
    const row = make("tr"), title = make("th", `${name} `, {scope: "row"});
    title.append(make("small", words));
    row.append(title, make("td", text), change(value, before?.scores[k].value));
    return row;
  }));
  $("numbers").replaceChildren(table, make("p", found.objective), make("p", found.untouched));
  draw();
}

async function refresh() { // one question at a time; what moves meanwhile is asked for next
  if (busy) { again = true; return; }
  busy = true;
  do {
    again = false;
    const asked = query();
    try {
      const found = solved.get(asked) || await ask(`scene?${asked}`);
      [...NUMBERS, "network", "solver"].forEach(id => say(id, ""));
      const most = $("n_interventions-slider");
      most.max = found.room;
      place("n_interventions");
      $("run").disabled = !found.slow;
      if (!job) $("note").textContent = found.stand_in ? "shown: DIMM, conic. “Run the solver” takes seconds" : "";
      show(found);
    } catch (error) {
      if (error.room !== undefined && +$("n_interventions").value > error.room) { $("n_interventions").value = error.room; again = true; }
      else { [...NUMBERS, "network", "solver"].forEach(id => say(id, "")); say(error.control || "solver", problemOf(error)); }
    }
  } while (again);
  busy = false;
  curve(turn, query());
}
async function curve(mine, asked) {
  const found = new Map();
  await new Promise(resume => setTimeout(resume, 300)); // a slider that still moves comes first
  for (const rows of STOPS) {
    if (mine !== turn) return;
    const address = new URLSearchParams(asked);
    address.set("rows", rows);
    try { found.set(rows, (await ask(`error?${address}`)).mae); } catch { return; }
  }
  if (mine !== turn || !scene) return;
  points = found;
  drawErrors(scene, points);
}
function moved() {
  turn += 1;
  if (job) stopSolver("");
  refresh();
}

// controls: a slider and a box that mean one number

function place(field) { // the slider where the box is
  const slider = $(`${field}-slider`), value = +$(field).value;
  if (Number.isFinite(value)) slider.value = "log" in slider.dataset ? Math.log10(value) : value;
  slider.setAttribute("aria-valuetext", $(field).value);
}
const spelled = x => Math.abs(x) >= 1000 || Number.isInteger(x) ? String(Math.round(x)) : x < 1e-3 && x > 0 ? x.toExponential(2).replace(/\.?0+e/, "e").replace(/e-(\d)$/, "e-0$1") : String(+x.toPrecision(6));
for (const field of NUMBERS) {
  const slider = $(`${field}-slider`), box = $(field);
  slider.addEventListener("input", () => {
    const value = "log" in slider.dataset ? 10 ** slider.value : +slider.value;
    box.value = spelled("whole" in slider.dataset ? Math.round(value) : value);
    slider.setAttribute("aria-valuetext", box.value);
    if (field === "rows") $("exact").checked = false;
    moved();
  });
  box.addEventListener("change", () => { place(field); moved(); });
  place(field);
}
for (const id of ["network", "solver", "exact"]) $(id).addEventListener("change", moved);
$("new").addEventListener("click", () => { $("seed").value = ((+$("seed").value || 0) + 1) % 1000; place("seed"); moved(); });

// what takes seconds, in a process of its own

async function work(form, hear, mine) { // until it is done, or `mine.stopped`
  let id;
  while (id === undefined) {
    try { id = (await ask("jobs", {method: "POST", headers: {"Content-Type": "application/json"}, body: JSON.stringify(form)})).id; }
    catch (error) {
      if (error.status !== 503 || mine.stopped) throw error;
      hear({line: problemOf(error)});
      await new Promise(resume => setTimeout(resume, 1000));
    }
  }
  mine.id = id;
  for (;;) {
    if (mine.stopped) { await ask(`jobs/${id}`, {method: "DELETE"}).catch(() => 0); throw {stopped: true}; }
    const news = await ask(`jobs/${id}`);
    if (mine.stopped) continue;
    if (news.answer?.problem) throw news.answer;
    if (news.answer) return news.answer;
    hear(news);
    await new Promise(resume => setTimeout(resume, 250));
  }
}
function stopSolver(words) {
  if (job) job.stopped = true;
  job = null;
  $("note").textContent = words;
  $("cancel").disabled = $("progress").hidden = true;
  $("run").disabled = !scene?.slow;
}
$("run").addEventListener("click", async () => {
  const mine = job = {}, asked = query();
  $("run").disabled = true;
  $("cancel").disabled = $("progress").hidden = false;
  $("note").textContent = "running …";
  try {
    const found = await work({task: "solve", settings: Object.fromEntries(new URLSearchParams(asked))}, news => { $("progress").max = news.total || 1; $("progress").value = news.done || 0; }, mine);
    if (job !== mine) return;
    solved.set(asked, found);
    const known = points;
    show(found);
    points = known;
    draw();
    stopSolver("done");
  } catch (error) { if (job === mine) { stopSolver(""); if (!error.stopped) say("solver", problemOf(error)); } }
});
$("cancel").addEventListener("click", () => stopSolver("cancelled"));

// own data

let network = null; // {name, data, made}: what was learned
const size = bytes => bytes < 1e6 ? `${Math.ceil(bytes / 1000)} kB` : `${(bytes / 1e6).toFixed(1)} MB`;
const packed = file => new Promise((resolve, reject) => {
  const reader = new FileReader();
  reader.onload = () => resolve({name: file.name, data: reader.result.split(",")[1] || ""});
  reader.onerror = () => reject({problem: `${file.name} cannot be read: choose it again`});
  reader.readAsDataURL(file);
});
function good(input) { // whether the file that was chosen, if any, can be sent
  const file = input.files[0];
  const problem = !file ? "" : !file.size ? `${file.name} is empty: choose another file` : file.size > LIMIT ? `${file.name} has ${size(file.size)}, and a page takes up to ${size(LIMIT)}: use the dimm command for it` : "";
  say(input.id, problem);
  if (problem) input.value = "";
  return !problem;
}
const source = () => document.querySelector("input[name=source]:checked").value;
const options = verb => Object.fromEntries(all(`[data-verb=${verb}][data-option]`).map(input => [input.dataset.option, input.type === "checkbox" ? input.checked : input.value.trim()]).filter(([, value]) => value !== "" && value !== false));
async function chosen(...inputs) {
  const files = {};
  for (const input of inputs) if (input.files[0]) files[input.dataset.file] = await packed(input.files[0]);
  return files;
}
function saver(name, words, text, type) {
  return make("a", words, {download: name, href: URL.createObjectURL(new Blob([text], {type}))});
}
function fillMetrics(nodes) {
  const menu = $("attribute--metric"), kept = menu.value;
  menu.replaceChildren(menu.options[0], ...Object.entries(nodes || {}).map(([node, states]) => {
    const group = make("optgroup", "", {label: node});
    group.append(...states.map(state => make("option", `${node}=${state}`)));
    return group;
  }));
  menu.value = kept;
  if (menu.selectedIndex < 0) menu.selectedIndex = 0;
}
function running(button, stop, mine) { // one button starts, the other ends
  $(button).disabled = true;
  $(stop).disabled = false;
  $(stop).onclick = () => { mine.stopped = true; };
  return () => { $(button).disabled = false; $(stop).disabled = true; };
}
const clock = (what, begun) => `${what} … ${Math.round((Date.now() - begun) / 1000)} s`;
let lookups = 0;
async function lookAt(what) { // the states of a network, for the menu of metrics
  const mine = ++lookups;
  $("learned").replaceChildren();
  say("network-problem", "");
  fillMetrics();
  if (!what) return;
  try {
    const found = await work({task: "look", ...what}, () => 0, {});
    if (mine !== lookups) return;
    fillMetrics(found.nodes);
    $("learned").replaceChildren(make("p", found.words));
  } catch (error) { if (mine === lookups) say("network-problem", problemOf(error)); }
}
async function sourceMoved() {
  for (const part of all("[data-source]")) part.hidden = part.dataset.source !== source();
  if (source() === "packaged") return lookAt({packaged: $("packaged").value});
  if (source() === "file") return lookAt($("bif").files[0] && {files: await chosen($("bif"))});
  if (network) showLearned(); else lookAt();
}
function showLearned() {
  lookups += 1;
  say("network-problem", "");
  fillMetrics(network.nodes);
  const save = make("p");
  save.append(saver("network.bif", "Save the network", network.text, "text/plain"));
  $("learned").replaceChildren(make("pre", network.lines.join("\n")), save);
}
for (const input of all("input[name=source]")) input.addEventListener("change", sourceMoved);
$("packaged").addEventListener("change", sourceMoved);
for (const input of all("input[type=file]")) input.addEventListener("change", async () => {
  if (!good(input)) { if (input.id === "bif") sourceMoved(); return; }
  if (input.id === "bif") sourceMoved();
  if (input.id === "table" && input.files[0]) await draft();
});
async function draft() { // what is known beforehand, from the table's own columns
  network = null;
  lookAt();
  say("tiers", "");
  $("tiers").value = "";
  $("learned").replaceChildren(make("p", "looking at the columns …"));
  try { $("tiers").value = (await work({task: "init", options: {}, files: await chosen($("table"))}, () => 0, {})).files["tiers.yaml"]; }
  catch (error) { say("table", problemOf(error)); }
  $("learned").replaceChildren();
}
async function learn() {
  if (!$("table").files[0]) { say("table", "choose a table first"); return false; }
  const mine = {}, done = running("learn", "learn-stop", mine), begun = Date.now(), files = await chosen($("table"), ...all("[data-verb=learn][data-file]"));
  if ($("tiers").value.trim()) files["--tiers"] = await packed(new File([$("tiers").value], "tiers.yaml"));
  network = null;
  ["table", "tiers", "network-problem"].forEach(id => say(id, ""));
  try {
    const found = await work({task: "learn", options: options("learn"), files}, news => $("learned").replaceChildren(make("pre", [...(news.lines || []), news.line || clock("learning", begun)].join("\n"))), mine);
    network = {name: "network.bif", text: found.files["network.bif"], lines: found.lines, nodes: found.nodes, extra: found.extra};
    showLearned();
  } catch (error) {
    $("learned").replaceChildren();
    if (!error.stopped) say(error.control === "--tiers" ? "tiers" : error.control === "TABLE" ? "table" : "network-problem", problemOf(error));
  } finally { done(); }
  return network !== null;
}
$("learn").addEventListener("click", learn);

async function attribute() {
  const mine = {}, begun = Date.now();
  ["attribute-said", "network-problem", "counts", "bif"].forEach(id => say(id, ""));
  all("[data-verb=attribute]").forEach(input => say(input.id, ""));
  if (!$("counts").files[0]) { say("counts", "choose counts first"); $("counts").focus(); return; }
  if (source() === "file" && !$("bif").files[0]) { say("bif", "choose a network file first"); $("bif").focus(); return; }
  if (source() === "table" && !network && !await learn()) return;
  const form = {task: "attribute", options: options("attribute"), files: await chosen($("counts"), ...all("[data-verb=attribute][data-file]"))};
  if (source() === "packaged") form.packaged = $("packaged").value;
  else if (source() === "file") Object.assign(form.files, await chosen($("bif")));
  else form.files.NETWORK = await packed(new File([network.text], "network.bif"));
  const done = running("attribute", "attribute-stop", mine);
  $("answer").replaceChildren();
  try {
    const found = await work(form, news => { $("working").textContent = news.line || clock("working", begun); }, mine);
    showReport(found);
  } catch (error) {
    if (!error.stopped) {
      const near = {NETWORK: source() === "file" ? "bif" : "network-problem", COUNTS: "counts"}[error.control] || (error.control && $(`attribute${error.control}`) ? `attribute${error.control}` : "attribute-said");
      $(near)?.closest("details")?.setAttribute("open", "");
      say(near, problemOf(error));
    }
  } finally { $("working").textContent = ""; done(); }
}
$("attribute").addEventListener("click", attribute);
function showReport(found) {
  const links = make("p"), frame = make("iframe", "", {title: "attribution report", sandbox: "allow-same-origin", srcdoc: found.files["report.html"]});
  links.append(saver("attribution.html", "Save this report", found.files["report.html"], "text/html"), saver("attribution.json", "Save the numbers", found.files["numbers.json"], "application/json"), saver("attribution.csv", "Save the ranking", found.files["ranking.csv"], "text/csv"));
  const fit = () => { const page = frame.contentDocument?.body; if (page) frame.style.height = `${page.getBoundingClientRect().height + 48}px`; };
  frame.addEventListener("load", () => new ResizeObserver(fit).observe(frame.contentDocument.body));
  const title = make("h3", "The report", {tabIndex: -1, id: "report-title"});
  $("answer").replaceChildren(title, links, ...(found.notes.length ? [make("pre", found.notes.join("\n"))] : []), frame);
  title.focus();
}

for (const button of all("[data-example]")) button.addEventListener("click", async () => {
  say("example-said", "");
  button.disabled = true;
  try {
    const found = await ask(`example?name=${button.dataset.example}`);
    document.querySelector(`input[name=source][value=${found.source}]`).checked = true;
    for (const id of ["table", "bif", "counts", "attribute--baseline"]) {
      const given = new DataTransfer(), text = found.files[id];
      if (text) given.items.add(new File([text.text], text.name));
      $(id).files = given.files;
      say(id, "");
    }
    network = null;
    await sourceMoved();
    if (found.tiers) $("tiers").value = found.tiers;
  } catch (error) { say("example-said", problemOf(error)); }
  button.disabled = false;
});

for (const form of document.forms) form.addEventListener("submit", event => event.preventDefault());
turnPage();
refresh();
let resized = 0;
addEventListener("resize", () => { cancelAnimationFrame(resized); resized = requestAnimationFrame(draw); });
