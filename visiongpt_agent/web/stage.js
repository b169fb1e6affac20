// The pictures of the conversation: add, look at, click a region, draw a box. Runs as the body of a function with
// `element`, `props` and `watch`. What the server sends is only ever set as text or as an attribute.

const root = element.querySelector(".vg-stage");
const SVG = "http://www.w3.org/2000/svg";
const COLOURS = ["#0072B2", "#E69F00", "#009E73", "#CC79A7", "#D55E00", "#56B4E9", "#F0E442"];
const ACTIONS = ["remove", "blur", "crop to", "recolour|red", "read", "cut out", "blur everything but"];
let drawing = false; // whether a box is being drawn by taps or keys
let corner = null; // its first corner, in pixels of the picture
let cursor = null; // where the keyboard's crosshair is
let message = "";
let busy = "";

const value = () => props.value || {};
const pictures = () => value().pictures || [];
const current = () => pictures().find((each) => each.name === value().current) || pictures().at(-1);
const selected = () => value().selected || [];

function put(change) {
  props.value = { ...value(), ...change };
  render();
}

function make(tag, attributes = {}, ...children) {
  const made = tag.startsWith("svg:") ? document.createElementNS(SVG, tag.slice(4)) : document.createElement(tag);
  for (const [name, set] of Object.entries(attributes)) {
    if (name.startsWith("on")) made.addEventListener(name.slice(2), set);
    else if (set !== false && set !== undefined) made.setAttribute(name, set === true ? "" : set);
  }
  made.append(...children.filter((child) => child !== null && child !== undefined));
  return made;
}

function button(text, onclick, attributes = {}) {
  return make("button", { type: "button", onclick, ...attributes }, text);
}

// ------------------------------------------------------------------------------------------------- adding pictures

async function add(query, body) {
  const answer = await fetch(`conversations/${value().key}/pictures?${new URLSearchParams(query)}`, { method: "POST", body });
  const told = await answer.json().catch(() => ({ error: `the server answered ${answer.status}` }));
  if (!answer.ok) throw new Error(told.error || `the server answered ${answer.status}`);
  put({ ...told, selected: [] });
}

async function addAll(files) {
  const faults = [];
  message = "";
  for (const file of files) {
    busy = `Adding ${file.name} …`;
    render();
    const most = value().limits.bytes;
    try {
      if (file.size > most)
        throw new Error(`${file.name} is larger than ${Math.floor(most / 2 ** 20)} MB, the most that is taken: make it smaller`);
      await add({ title: file.name || "pasted.png" }, file);
    } catch (fault) {
      faults.push(fault.message);
    }
  }
  busy = "";
  message = faults.join("\n");
  render();
}

async function addSample(sample) {
  try {
    await add({ sample: sample.name });
    say(sample.request);
  } catch (fault) {
    message = fault.message;
    render();
  }
}

function chooser(text) {
  const input = make("input", { type: "file", multiple: true, accept: "image/*", "aria-label": text, "data-focus": "add" });
  input.addEventListener("change", () => addAll([...input.files]));
  return make("label", { class: "vg-button" }, text, input);
}

document.addEventListener("paste", (event) => {
  const files = [...(event.clipboardData?.files || [])].filter((file) => file.type.startsWith("image/"));
  if (files.length && element.isConnected) {
    event.preventDefault();
    addAll(files);
  }
});
for (const kind of ["dragover", "drop"])
  document.addEventListener(kind, (event) => {
    if (!event.dataTransfer?.types.includes("Files")) return;
    event.preventDefault();
    root.classList.toggle("vg-drop", kind === "dragover");
    if (kind === "drop") addAll([...event.dataTransfer.files]);
  });
document.addEventListener("dragleave", (event) => event.relatedTarget || root.classList.remove("vg-drop"));

// ------------------------------------------------------------------------------------------------- words

const box = () => document.querySelector("#vg-request textarea");

function say(text) {
  const field = box();
  if (!field) return;
  Object.getOwnPropertyDescriptor(HTMLTextAreaElement.prototype, "value").set.call(field, text);
  field.dispatchEvent(new Event("input", { bubbles: true }));
  field.focus();
}

const pointer = () => (selected().length > 1 ? "these" : `this ${selected()[0]?.label || ""}`.trim());

function nameIt() {
  const text = box()?.value || "";
  if (!text.trim() || !selected().length) return;
  const named = /\b(this|these)( [a-z]+)?$/i;
  say(named.test(text) ? text.replace(named, pointer()) : `${text.trimEnd()} ${pointer()}`);
}

// ------------------------------------------------------------------------------------------------- pointing

const number = (picture) => Number(picture.name.slice(1));
const same = (a, b) => a.image === b.image && a.box.every((edge, i) => Math.abs(edge - b.box[i]) < 1);

function toggle(picture, region) {
  const chosen = { image: number(picture), box: region.box, label: region.label || "" };
  const here = selected().filter((each) => each.image === chosen.image);
  const known = here.some((each) => same(each, chosen));
  put({ current: picture.name, selected: known ? here.filter((each) => !same(each, chosen)) : [...here, chosen] });
  nameIt();
}

function addBox(picture, a, b) {
  const edges = [Math.min(a.x, b.x), Math.min(a.y, b.y), Math.max(a.x, b.x), Math.max(a.y, b.y)].map(Math.round);
  const inside = [Math.max(0, edges[0]), Math.max(0, edges[1]), Math.min(picture.width, edges[2]), Math.min(picture.height, edges[3])];
  stopDrawing();
  if (inside[2] - inside[0] < 2 || inside[3] - inside[1] < 2) return render();
  toggle(picture, { box: inside, label: "" });
}

function stopDrawing() {
  drawing = false;
  corner = cursor = null;
}

function setCorner(picture, at) {
  if (corner) return addBox(picture, corner, at);
  corner = at;
  render();
}

function place(event, svg, picture) {
  const frame = svg.getBoundingClientRect();
  return {
    x: ((event.clientX - frame.left) / frame.width) * picture.width,
    y: ((event.clientY - frame.top) / frame.height) * picture.height,
  };
}

function listen(svg, picture) {
  let begun = null;
  let band = null;
  svg.addEventListener("pointerdown", (event) => {
    if (event.button !== 0 || (event.pointerType === "touch" && !drawing)) return;
    begun = { at: place(event, svg, picture), x: event.clientX, y: event.clientY, id: event.pointerId };
  });
  svg.addEventListener("pointermove", (event) => {
    if (!begun || event.pointerId !== begun.id) return;
    if (!band && Math.hypot(event.clientX - begun.x, event.clientY - begun.y) < 6) return;
    if (!band) {
      band = make("svg:rect", { class: "vg-band" });
      svg.append(band);
      svg.setPointerCapture(begun.id);
    }
    const at = place(event, svg, picture);
    band.setAttribute("x", Math.min(at.x, begun.at.x));
    band.setAttribute("y", Math.min(at.y, begun.at.y));
    band.setAttribute("width", Math.abs(at.x - begun.at.x));
    band.setAttribute("height", Math.abs(at.y - begun.at.y));
  });
  svg.addEventListener("pointerup", (event) => {
    if (!begun || event.pointerId !== begun.id) return;
    const from = begun.at;
    begun = null;
    if (band) {
      svg.addEventListener("click", (click) => click.stopPropagation(), { capture: true, once: true });
      addBox(picture, from, place(event, svg, picture));
    } else if (drawing) setCorner(picture, from);
  });
  svg.addEventListener("pointercancel", () => {
    begun = null;
    band?.remove();
    band = null;
  });
  svg.addEventListener("keydown", (event) => {
    if (!drawing) return;
    const step = (event.shiftKey ? 0.1 : 0.02) * Math.max(picture.width, picture.height);
    const moves = { ArrowLeft: [-step, 0], ArrowRight: [step, 0], ArrowUp: [0, -step], ArrowDown: [0, step] };
    const at = cursor || { x: picture.width / 2, y: picture.height / 2 };
    if (event.key in moves) {
      const [x, y] = moves[event.key];
      cursor = { x: Math.min(picture.width, Math.max(0, at.x + x)), y: Math.min(picture.height, Math.max(0, at.y + y)) };
      render();
    } else if (event.key === "Enter" || event.key === " ") setCorner(picture, at);
    else if (event.key === "Escape") {
      stopDrawing();
      render();
    } else return;
    event.preventDefault();
  });
}

function overlay(picture) {
  const svg = make("svg:svg", {
    viewBox: `0 0 ${picture.width} ${picture.height}`,
    class: drawing ? "vg-drawing" : "",
    tabindex: drawing ? 0 : false,
    role: "group",
    "data-focus": "canvas",
    "aria-label": drawing ? "Draw a box: arrow keys move, Enter sets a corner, Escape ends" : "Regions of the picture",
  });
  const labels = [...new Set(picture.regions.map((region) => region.label))].sort();
  const area = (region) => (region.box[2] - region.box[0]) * (region.box[3] - region.box[1]);
  const drawn = selected().filter((each) => each.image === number(picture));
  const own = drawn.filter((each) => !picture.regions.some((region) => same({ ...region, image: each.image }, each)));
  const all = [...picture.regions].sort((a, b) => area(b) - area(a)).concat(own);
  for (const region of all) {
    const chosen = drawn.some((each) => same(each, { ...region, image: number(picture) }));
    const [x1, y1, x2, y2] = region.box;
    const shape = make("svg:rect", {
      x: x1, y: y1, width: x2 - x1, height: y2 - y1,
      class: `vg-region${chosen ? " vg-chosen" : ""}`,
      stroke: COLOURS[Math.max(0, labels.indexOf(region.label)) % COLOURS.length],
      "data-label": region.label || "region",
      onclick: () => drawing || toggle(picture, region),
    }, make("svg:title", {}, region.name || "the region that you drew"));
    svg.append(shape);
  }
  for (const [at, kind] of [[corner, "vg-corner"], [cursor, "vg-cursor"]]) {
    if (!at) continue;
    const arm = Math.max(picture.width, picture.height) / 30;
    svg.append(make("svg:path", { class: kind, d: `M${at.x - arm},${at.y}h${2 * arm}M${at.x},${at.y - arm}v${2 * arm}` }));
  }
  listen(svg, picture);
  return svg;
}

// ------------------------------------------------------------------------------------------------- the view

function empty() {
  const cards = (value().samples || []).map((sample) =>
    make("button", { type: "button", class: "vg-card", onclick: () => addSample(sample) },
      make("img", { src: sample.url, alt: "", loading: "lazy" }), make("span", {}, sample.request)));
  return make("div", { class: "vg-empty" },
    make("p", { class: "vg-lead" }, "Add pictures, then say what you want done with them."),
    make("p", { class: "vg-hint" }, "Drop files here, paste, or "), chooser("Choose pictures"),
    make("h2", {}, "Or begin with a photo"), make("div", { class: "vg-cards" }, ...cards));
}

function strip() {
  const thumbs = pictures().map((each) =>
    make("button", {
      type: "button", class: "vg-thumb", title: each.title, "data-focus": `thumb ${each.name}`,
      "aria-pressed": String(each === current()), "aria-label": `Show ${each.name} ${each.title}`,
      onclick: () => { stopDrawing(); put({ current: each.name }); },
    }, make("img", { src: each.url, alt: "" }), make("span", {}, each.name)));
  return make("div", { class: "vg-strip" }, ...thumbs, chooser("Add"));
}

function regionList(picture) {
  const chips = picture.regions.map((region) =>
    button(region.name, () => toggle(picture, region), {
      class: "vg-choice", "data-focus": `region ${region.name}`,
      "aria-pressed": String(selected().some((each) => same(each, { ...region, image: number(picture) }))),
    }));
  return chips.length ? make("div", { class: "vg-choices", "aria-label": "Regions found" }, ...chips) : null;
}

function pointed(picture) {
  const here = selected().filter((each) => each.image === number(picture));
  if (!here.length) {
    const box = matchMedia("(pointer: coarse)").matches ? "draw a box" : "drag a box";
    return make("p", { class: "vg-hint" }, picture.regions.length
      ? `Choose a region or ${box} to point at it, then say “this”.`
      : `${box[0].toUpperCase()}${box.slice(1)} to point at something, then say “this”.`);
  }
  const actions = ACTIONS.map((action) => {
    const [verb, rest] = action.split("|");
    return button(`${verb[0].toUpperCase()}${verb.slice(1)} ${here.length > 1 ? "these" : "this"}`,
      () => say([verb, pointer(), rest].filter(Boolean).join(" ")), { class: "vg-action" });
  });
  return make("div", { class: "vg-pointed" }, ...actions,
    button("Clear", () => put({ selected: [] }), { class: "vg-action vg-quiet", "data-focus": "clear" }));
}

function view(picture) {
  const draw = button(drawing ? (corner ? "Set the second corner" : "Set the first corner") : "Draw a box", () => {
    if (drawing) stopDrawing();
    else [drawing, cursor] = [true, { x: picture.width / 2, y: picture.height / 2 }];
    render();
    if (drawing) root.querySelector("svg").focus({ preventScroll: true });
  }, { class: "vg-button vg-draw", "aria-pressed": String(drawing), "data-focus": "draw" });
  return [
    make("div", { class: "vg-canvas" },
      make("div", { class: "vg-frame", style: `aspect-ratio:${picture.width}/${picture.height};--ratio:${picture.width / picture.height}` },
        make("img", { src: picture.url, alt: `${picture.name} ${picture.title}`, draggable: "false" }), overlay(picture))),
    make("div", { class: "vg-caption" },
      make("span", {}, make("b", {}, picture.name), ` ${picture.title}, ${picture.width}×${picture.height}`), draw,
      make("a", { class: "vg-button", href: picture.url, download: `${picture.title.replace(/\.\w+$/, "")}.png` }, "Download")),
    regionList(picture),
    pointed(picture),
  ];
}

function render() {
  const focus = root.contains(document.activeElement) ? document.activeElement.dataset.focus : null;
  const picture = current();
  root.replaceChildren(
    ...(picture ? [strip(), ...view(picture).filter(Boolean)] : [empty()]),
    make("p", { class: "vg-note", "aria-live": "polite" }, busy),
    ...(message ? [make("p", { class: "vg-fault", role: "alert" }, message)] : []),
  );
  if (focus) [...root.querySelectorAll("[data-focus]")].find((each) => each.dataset.focus === focus)?.focus({ preventScroll: true });
}

document.addEventListener("vg-show", (event) => {
  if (!element.isConnected || !pictures().some((each) => each.name === event.detail)) return;
  put({ current: event.detail });
  root.scrollIntoView({ block: "nearest", behavior: "smooth" });
});
document.addEventListener("vg-say", (event) => element.isConnected && say(event.detail));
watch("value", () => {
  stopDrawing();
  message = "";
  render();
});
render();
