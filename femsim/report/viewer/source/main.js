// The viewer: controls, linked views, time, section and readouts over the packed runs of a page.

import { Vector3, WebGLRenderer } from "three";
import { bytes } from "./decode.js";
import { Eye, NAMED } from "./eye.js";
import { drawScale, drawSwatches, sharedRange } from "./legend.js";
import { h, Words } from "./page.js";
import { COLOURS, mapTexture } from "./shade.js";
import { isLoose, lastDay, valueAt } from "./time.js";
import { View } from "./view.js";

const STATE = { kind: "screw", on: ["screw"], moments: false };
const STATE_COLOURS = { holds: [0x3b, 0x6e, 0x9e], loose: [0xc4, 0x5a, 0x00] };
const FACTORS = [0, 1, 2, 5, 10, 20, 50];
const KEY_TURN = Math.PI / 18;
const KEY_MOVE = 0.05; // of the radius
const DRAG_TURN = 0.008; // per pixel
const PAPER = 0xffffff;
const BACKGROUND = 0xf6f7f7;
const STILL = 5; // a press that moves less is a click [px]
const PLAY_SECONDS = 12;
const FILLED = 0.84; // share of a picture that the jaw fills
const SCREW_SHARE = 0.65; // a screw shown along its section fills about this share of the picture's height
const PLATE_TILT = 0.22;
const DAYS_PER_MONTH = 30.4;
const AXES = { section_x: [1, 0, 0], section_y: [0, 1, 0], section_z: [0, 0, 1] };

class Viewer {
  constructor(root, payload, renderer) {
    Object.assign(this, { root, payload, renderer });
    this.words = new Words(payload.strings);
    this.maps = Object.fromEntries(Object.entries(payload.maps).map(([name, text]) => [name, bytes(text)]));
    this.maps.state = stateMap();
    this.textures = Object.fromEntries(Object.entries(this.maps).map(([name, colours]) => [name, mapTexture(colours)]));
    const shared = new Eye();
    this.views = payload.designs.map((design) => new View(design, this.words, shared));
    this.radius = Math.max(...this.views.map((view) => view.radius));
    this.end = Math.max(...payload.designs.map(lastDay));
    this.day = 0;
    this.picked = null;
    this.makePage();
    for (const view of this.views) this.listen(view);
    this.stand("plate", this.views[0]);
    this.refresh();
    new ResizeObserver(() => this.redraw()).observe(this.grid);
    renderer.domElement.addEventListener("webglcontextlost", () => root.classList.remove("fv-live"));
    renderer.domElement.addEventListener("webglcontextrestored", () => {
      root.classList.add("fv-live");
      this.redraw();
    });
  }

  say(key, filled) {
    return this.words.say(key, filled);
  }

  // ---- page ----

  makePage() {
    const control = (key, input) => h("label", { className: "fv-control" }, h("span", {}, this.say(key)), input);
    this.fieldInput = h("select", { onchange: () => this.refresh() }, ...this.fieldGroups());
    this.momentInput = h("select", { onchange: () => this.refresh() }, ...["surgery", "end"].map((m) => h("option", { value: m }, this.say(`moment_${m}`))));
    this.linkInput = h("input", { type: "checkbox", checked: true, onchange: () => this.link() });
    this.removedInput = h("input", { type: "checkbox", checked: true, onchange: () => this.refresh() });
    const tick = (key, input) => h("label", { className: "fv-tickbox" }, input, this.say(key));
    const views = ["frontal", "left", "right", "inferior", "plate"].map((name, k) =>
      h("button", { type: "button", title: String(k + 1), onclick: () => this.go(name) }, this.say(`view_${name}`)));
    this.viewButtons = h("div", { className: "fv-buttons", role: "group", "aria-label": this.say("view") }, ...views);
    const top = h("div", { className: "fv-row" }, control("colour_by", this.fieldInput), control("moment", this.momentInput),
      h("div", { className: "fv-control" }, h("span", { "aria-hidden": "true" }, this.say("view")), this.viewButtons));
    const ticks = h("div", { className: "fv-row fv-small" });
    if (this.views.length > 1) ticks.append(tick("link", this.linkInput));
    if (this.views.some((view) => view.bodies.some((body) => body.kind === "removed"))) ticks.append(tick("removed_part", this.removedInput));

    this.deformInput = h("input", { type: "range", min: 0, max: FACTORS.length - 1, step: 1, value: 0, oninput: () => this.refresh() });
    this.deformText = h("output", {});
    this.sectionInput = h("select", { onchange: () => this.startSection() },
      ...["section_off", "section_x", "section_y", "section_z", "section_screw"].map((key) => h("option", { value: key }, this.say(key))));
    this.placeInput = h("input", { type: "range", min: -50, max: 50, step: 0.25, value: 0, oninput: () => this.section() });
    this.placeText = h("output", {});
    this.flipInput = h("input", { type: "checkbox", onchange: () => this.section() });
    const more = h("details", { className: "fv-more" }, h("summary", {}, this.say("more")),
      h("div", { className: "fv-row" }, control("section", this.sectionInput),
        control("section_place", h("span", { className: "fv-slider" }, this.placeInput, this.placeText)), tick("section_flip", this.flipInput),
        control("deformation", h("span", { className: "fv-slider" }, this.deformInput, this.deformText))));
    for (const view of this.views) {
      if (view.design.section === "hollow") more.append(h("p", { className: "fv-note" }, this.say("section_hollow", { name: view.design.name })));
    }

    this.legendTitle = h("p", { className: "fv-legend-title" });
    this.legendScale = h("div", { className: "fv-legend-scale", role: "img" });
    this.legendNote = h("p", { className: "fv-note" });
    const legend = h("div", { className: "fv-legend" }, this.legendTitle, this.legendScale, this.legendNote);

    this.grid = h("div", { className: `fv-grid fv-of-${this.views.length}` }, this.renderer.domElement, ...this.views.map((view) => view.element));
    Object.assign(this.renderer.domElement, { className: "fv-canvas" });
    this.renderer.domElement.setAttribute("aria-hidden", "true");

    this.timeInput = h("input", { type: "range", className: "fv-time-input", min: 0, max: this.end || 1, step: this.end > 60 ? 1 : "any", value: this.end, oninput: () => this.setDay(Number(this.timeInput.value)), "aria-label": this.say("time") });
    this.timeInput.max = String(this.timeInput.step === "1" ? Math.ceil(this.end) : this.end || 1);
    this.timeInput.value = this.timeInput.max;
    this.day = Number(this.timeInput.max);
    this.timeText = h("output", { className: "fv-when" });
    this.playButton = h("button", { type: "button", className: "fv-play", onclick: () => this.play() }, this.say("play"));
    this.eventMarks = h("div", { className: "fv-marks", "aria-hidden": "true" });
    const time = h("div", { className: "fv-time" }, this.playButton, h("span", { className: "fv-time-label", "aria-hidden": "true" }, this.say("time")), this.timeText,
      h("div", { className: "fv-track" }, this.timeInput, this.eventMarks));
    time.hidden = this.end <= 0;

    this.readout = h("div", { className: "fv-readout" });
    this.status = h("p", { className: "fv-hidden", role: "status" });
    this.live = h("div", { className: "fv-app", role: "region", "aria-label": this.say("viewer") }, top, legend, this.grid, time, this.eventRow(), this.readout, ticks, more,
      h("p", { className: "fv-note" }, this.say("keys")), h("p", { className: "fv-note" }, this.say("research")), this.status);
    this.root.append(this.live);
  }

  fieldGroups() {
    const known = Object.entries(this.payload.fields).filter(([name]) => this.ranges(name).length);
    const option = (name) => h("option", { value: name }, this.say(`field_${name}`));
    const groups = ["screw", "bone", "load"].map((kind) => {
      const names = known.filter(([, field]) => field.kind === kind).map(([name]) => name);
      if (kind === "screw") names.unshift("state");
      return names.length ? h("optgroup", { label: this.say(`group_${kind}`) }, ...names.map(option)) : "";
    });
    return groups;
  }

  eventRow() {
    const rows = this.views.map(({ design }) => {
      const jumps = design.events.map((event) => {
        const screw = design.screws.find((one) => one.name === event.subject);
        const day = Math.round(event.day);
        const key = `event_${event.kind.replaceAll(" ", "_")}`;
        const text = this.say(key in this.payload.strings ? key : "event_other", { subject: screw ? this.say("screw", { label: screw.label }) : event.subject, text: event.text, day });
        const mark = h("i", {});
        mark.style.left = `${(100 * event.day) / Number(this.timeInput.max)}%`;
        this.eventMarks.append(mark);
        return h("button", { type: "button", onclick: () => this.jump(event, screw) }, text);
      });
      return jumps.length ? h("div", { className: "fv-events", role: "group", "aria-label": `${this.say("events")}: ${design.name}` },
        h("span", {}, this.views.length > 1 ? design.name : this.say("events")), ...jumps) : "";
    });
    return h("div", { className: "fv-event-rows" }, ...rows);
  }

  // ---- what is shown ----

  ranges(name) {
    return this.payload.designs.map((design) => design.ranges[name]).filter(Boolean);
  }

  get fieldName() {
    return this.fieldInput.value;
  }

  get field() {
    return this.payload.fields[this.fieldName] || STATE;
  }

  refresh() {
    const { field, fieldName } = this;
    const deformation = FACTORS[Number(this.deformInput.value)];
    this.momentInput.disabled = !(field.moments || deformation > 0);
    const moment = this.momentInput.disabled ? "surgery" : this.momentInput.value;
    const map = field.map || "state";
    this.range = fieldName === "state" ? { low: 0, high: 1, max: 1 } : sharedRange(this.ranges(fieldName));
    this.deformText.textContent = deformation ? this.say("deformation_times", { factor: deformation }) : this.say("deformation_none");
    this.deformInput.setAttribute("aria-valuetext", this.deformText.textContent);
    this.look = {
      field, deformation, moment,
      texture: this.textures[map],
      range: this.range,
      removed: this.removedInput.checked,
      scalars: (view, body, day) => this.scalars(view, body, day, field.moments ? moment : "surgery"),
    };
    for (const view of this.views) view.dress(this.look, this.day);
    this.drawLegend(map);
    this.section();
    this.tellDay();
  }

  scalars(view, body, day, moment) {
    if (this.field.kind !== "screw") return body.field(this.fieldName, moment);
    if (!view.design.timeline.days.length) return null;
    const value = this.fieldName === "state" ? Number(isLoose(view.design.screws[body.screw], day)) : valueAt(view.design, this.fieldName, body.screw, day);
    return value === null ? null : new Float32Array(body.points.length / 3).fill(value);
  }

  drawLegend(map) {
    const { field, fieldName, range, words } = this;
    const notes = [];
    if (fieldName === "state") {
      this.legendTitle.textContent = this.say("field_state");
      drawSwatches(this.legendScale, ["holds", "loose"].map((key) => ({ colour: `rgb(${STATE_COLOURS[key]})`, text: this.say(`state_${key}`) })));
      this.legendScale.setAttribute("aria-label", `${this.say("state_holds")}, ${this.say("state_loose")}`);
    } else {
      const label = this.say(`field_${fieldName}`);
      this.legendTitle.textContent = `${label} [${field.unit}]`;
      drawScale(this.legendScale, this.maps[map], range, this.limits(field), (value) => words.number(value));
      this.legendScale.setAttribute("aria-label", this.say("scale", { field: label, low: words.number(range.low), high: words.number(range.high), unit: field.unit }));
      if (range.max > range.high * (1 + 1e-6)) notes.push(this.say("scale_top", { high: words.number(range.high), max: words.number(range.max), unit: field.unit }));
      if (field.kind !== "screw") notes.push(this.say("averaged"));
    }
    if (this.look.deformation > 1) notes.push(this.say("deformation_note", { factor: this.look.deformation }));
    if (this.views.length > 1 && fieldName !== "state") notes.push(this.say("same_scale"));
    if (fieldName !== "state") notes.push(this.say("rims"));
    this.legendNote.textContent = notes.join(" ");
    const lacking = this.views.some((view) => view.layers.some((layer) => field.on.includes(layer.body.kind) && !layer.coloured));
    if (lacking) {
      const swatch = h("i", { className: "fv-swatch" });
      swatch.style.background = COLOURS.unknown;
      this.legendNote.append(" ", swatch, this.say("unknown_swatch"));
    }
  }

  // The criterion's limit on the scale, when all designs share it.
  limits(field) {
    if (!field.limit) return [];
    const values = new Set(this.payload.designs.map((design) => design.criteria[field.limit]));
    const [value] = values;
    return values.size === 1 && value !== undefined ? [{ value: value * field.factor, text: this.say("limit", { value: this.words.number(value * field.factor) }) }] : [];
  }

  setDay(day) {
    this.day = day;
    if (this.field.kind === "screw") {
      for (const view of this.views) {
        view.dress(this.look, day, "screw");
        view.cut(view.plane, "screw");
      }
    }
    this.tellDay();
  }

  tellDay() {
    const text = this.when(this.day);
    this.timeText.textContent = text;
    this.timeInput.setAttribute("aria-valuetext", text);
    for (const view of this.views) view.tell(this.day);
    this.clearChips();
    this.read();
    this.redraw();
  }

  when(day) {
    const shown = this.end > 60 ? Math.round(day) : this.words.number(day);
    return day < 60 ? this.say("day", { day: shown }) : this.say("day_month", { day: shown, month: this.words.number(Math.round((10 * day) / DAYS_PER_MONTH) / 10) });
  }

  play() {
    this.playing = !this.playing;
    this.playButton.textContent = this.say(this.playing ? "pause" : "play");
    if (!this.playing) return;
    const end = Number(this.timeInput.max);
    let [from, start] = [this.day >= end ? 0 : this.day, null];
    const step = (now) => {
      if (!this.playing) return;
      start = start === null ? now : start;
      const day = Math.min(end, from + (end * (now - start)) / (1000 * PLAY_SECONDS));
      this.timeInput.value = day;
      this.setDay(day);
      if (day < end) requestAnimationFrame(step);
      else this.play();
    };
    requestAnimationFrame(step);
  }

  jump(event, screw) {
    this.timeInput.value = this.timeInput.step === "1" ? Math.ceil(event.day) : event.day;
    if (screw) this.pick(screw.name);
    this.setDay(Number(this.timeInput.value));
  }

  // ---- section ----

  startSection() {
    this.placeInput.value = 0;
    const axis = AXES[this.sectionInput.value];
    if (axis) {
      // Start in the middle of the plate, with the half nearer to the eye taken away.
      const view = this.views[0];
      const along = new Vector3(...axis);
      const half = 0.5 * Math.abs(along.dot(new Vector3(...view.box.high).sub(new Vector3(...view.box.low))));
      Object.assign(this.placeInput, { min: Math.floor(-half), max: Math.ceil(half) });
      this.placeInput.value = along.dot(view.plate.centre) - along.dot(view.centre);
    } else Object.assign(this.placeInput, { min: -4, max: 4 });
    const [first] = this.views.flatMap((view) => view.design.screws);
    if (this.sectionInput.value === "section_screw" && !this.picked && first) this.pick(first.name);
    this.faceScrew();
    const plane = this.plane(this.views[0], 1);
    if (plane) this.side = new Vector3(plane[0], plane[1], plane[2]).dot(this.views[0].eye.basis().back) >= 0 ? 1 : -1;
    this.section();
  }

  // Look straight at the section along the picked screw, from the side that is nearer.
  faceScrew() {
    if (this.sectionInput.value !== "section_screw") return;
    for (const view of this.linkInput.checked ? [this.active || this.views[0]] : this.views) {
      const plane = this.plane(view, 1);
      if (!plane) continue;
      const normal = new Vector3(plane[0], plane[1], plane[2]);
      if (normal.dot(view.eye.basis().back) < 0) normal.negate();
      const screw = view.design.screws.find((one) => one.name === this.picked);
      const middle = new Vector3(...screw.head).addScaledVector(new Vector3(...screw.axis), 0.5 * screw.length_mm);
      view.eye.azimuth = Math.atan2(normal.x, -normal.y);
      view.eye.elevation = 0;
      view.eye.zoom = (SCREW_SHARE * this.radius) / screw.length_mm;
      view.eye.target.copy(middle).sub(view.centre);
    }
    const first = this.plane(this.views[0], 1);
    if (first) this.side = new Vector3(first[0], first[1], first[2]).dot(this.views[0].eye.basis().back) >= 0 ? 1 : -1;
  }

  // n.x > d is cut away.
  plane(view, side) {
    const kind = this.sectionInput.value;
    const offset = Number(this.placeInput.value);
    if (kind === "section_off") return null;
    let [normal, point] = [AXES[kind] && new Vector3(...AXES[kind]), view.centre];
    if (kind === "section_screw") {
      const screw = view.design.screws.find((one) => one.name === this.picked);
      if (!screw) return null;
      normal = new Vector3(...screw.axis).cross(new Vector3(0, 0, 1));
      if (normal.length() < 1e-6) normal.set(1, 0, 0); // an upright screw lies in every upright plane
      normal.normalize();
      point = new Vector3(...screw.head);
    }
    return [...normal.clone().multiplyScalar(side).toArray(), side * (normal.dot(point) + offset)];
  }

  section() {
    const side = (this.side || 1) * (this.flipInput.checked ? -1 : 1);
    this.placeInput.disabled = this.flipInput.disabled = this.sectionInput.value === "section_off";
    this.placeText.textContent = this.placeInput.disabled ? "" : this.say("mm", { value: this.words.number(Number(this.placeInput.value)) });
    for (const view of this.views) view.cut(this.plane(view, side));
    this.clearChips();
    this.redraw();
  }

  // ---- screws ----

  pick(name) {
    this.picked = name;
    for (const view of this.views) view.mark(name);
    if (this.sectionInput.value === "section_screw") {
      this.faceScrew();
      this.section();
    }
    this.read();
  }

  read() {
    if (!this.picked) {
      this.readout.replaceChildren(h("p", { className: "fv-note" }, this.say("pick")));
      return;
    }
    const { words, day, payload } = this;
    const found = payload.designs.map((design) => design.screws.findIndex((screw) => screw.name === this.picked));
    const screws = payload.designs.map((design, i) => design.screws[found[i]]);
    const label = screws.find(Boolean).label;
    const row = (head, cells) => h("tr", {}, h("th", { scope: "row" }, head), ...cells.map((text) => h("td", {}, text)));
    const each = (make) => payload.designs.map((design, i) => (found[i] < 0 ? "–" : make(design, screws[i], found[i])));
    const rows = [row(this.say("row_state"), each((design, screw) => !design.timeline.days.length ? this.say("unknown")
      : isLoose(screw, day) ? this.say("state_loose_since", { day: Math.round(screw.loose_day) }) : this.say("state_holds")))];
    for (const [name, field] of Object.entries(payload.fields)) {
      if (field.kind !== "screw" || !this.ranges(name).length) continue;
      rows.push(row(`${this.say(`field_${name}`)} [${field.unit}]`, each((design, screw, k) => words.number(valueAt(design, name, k, day)))));
    }
    for (const [key, unit] of [["eqd2_gy", "Gy"], ["length_in_bone_mm", "mm"], ["distance_to_cut_mm", "mm"]]) {
      rows.push(row(`${this.say(`row_${key}`)} [${unit}]`, each((_, screw) => words.number(screw[key]))));
    }
    const heads = payload.designs.map((design) => h("th", { scope: "col" }, design.name));
    this.readout.replaceChildren(h("div", { className: "fv-scroll", tabIndex: 0, role: "region", "aria-label": this.say("screw", { label }) },
      h("table", {}, h("caption", {}, this.say("picked", { label, when: this.when(day) })),
        h("thead", {}, h("tr", {}, h("th", { scope: "col" }, this.say("quantity")), ...heads)), h("tbody", {}, ...rows))));
  }

  // ---- eyes and hands ----

  link() {
    const first = (this.active || this.views[0]).eye;
    for (const view of this.views) {
      if (this.linkInput.checked) view.eye = first;
      else if (view.eye === first) {
        view.eye = new Eye();
        view.eye.copy(first);
      }
    }
    this.redraw();
  }

  stand(name, view) {
    const { eye } = view;
    eye.target.set(0, 0, 0);
    eye.zoom = 1;
    if (NAMED[name]) {
      [eye.azimuth, eye.elevation] = NAMED[name];
      view.fit(this.radius, FILLED);
    } else {
      const out = view.plate.centre.clone().sub(view.centre);
      eye.azimuth = Math.hypot(out.x, out.y) > 1 ? Math.atan2(out.x, -out.y) : 0;
      eye.elevation = PLATE_TILT;
      eye.target.copy(out);
      eye.zoom = Math.min(4, (0.9 * this.radius) / view.plate.radius);
    }
  }

  go(name) {
    const views = this.linkInput.checked ? [this.active || this.views[0]] : this.views;
    for (const view of views) this.stand(name, view);
    this.moved();
  }

  moved() {
    this.clearChips();
    this.redraw();
  }

  clearChips() {
    for (const view of this.views) view.say(null);
  }

  shift(view, right, up) {
    const basis = view.eye.basis();
    view.eye.target.addScaledVector(basis.right, right).addScaledVector(basis.up, up);
  }

  listen(view) {
    const { stage } = view;
    const fingers = new Map();
    let path = 0;
    view.buttons.forEach((button, k) => button.addEventListener("click", () => this.pick(view.design.screws[k].name)));
    stage.addEventListener("pointerdown", (event) => {
      stage.setPointerCapture(event.pointerId);
      if (!fingers.size) path = 0;
      fingers.set(event.pointerId, [event.clientX, event.clientY]);
      this.active = view;
    });
    stage.addEventListener("pointermove", (event) => {
      const before = fingers.get(event.pointerId);
      if (!before) return;
      const now = [event.clientX, event.clientY];
      const [dx, dy] = [now[0] - before[0], now[1] - before[1]];
      path += Math.hypot(dx, dy);
      const perPixel = (view.eye.camera.top - view.eye.camera.bottom) / stage.clientHeight;
      if (fingers.size === 2) {
        const [other] = [...fingers].filter(([id]) => id !== event.pointerId).map(([, place]) => place);
        const apart = (place) => Math.hypot(place[0] - other[0], place[1] - other[1]) || 1;
        view.eye.nearer(apart(now) / apart(before));
        this.shift(view, (-dx * perPixel) / 2, (dy * perPixel) / 2);
      } else if (event.shiftKey || event.buttons === 2 || event.buttons === 4) this.shift(view, -dx * perPixel, dy * perPixel);
      else view.eye.turn(-DRAG_TURN * dx, DRAG_TURN * dy);
      fingers.set(event.pointerId, now);
      if (path > STILL) this.moved();
    });
    const lift = (event) => {
      fingers.delete(event.pointerId);
      if (event.type === "pointerup" && path <= STILL && !fingers.size) this.press(view, event);
    };
    stage.addEventListener("pointerup", lift);
    stage.addEventListener("pointercancel", lift);
    stage.addEventListener("contextmenu", (event) => event.preventDefault());
    stage.addEventListener("focus", () => (this.active = view));
    stage.addEventListener("wheel", (event) => {
      // A page that scrolls past the picture must not zoom it.
      if (document.activeElement !== stage && !event.ctrlKey) return;
      event.preventDefault();
      view.eye.nearer(Math.exp(-0.0015 * event.deltaY));
      this.moved();
    }, { passive: false });
    stage.addEventListener("keydown", (event) => {
      if (event.ctrlKey || event.altKey || event.metaKey) return;
      const far = KEY_MOVE * this.radius;
      const turns = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };
      if (turns[event.key]) {
        const [right, up] = turns[event.key];
        if (event.shiftKey) this.shift(view, (far * right) / view.eye.zoom, (far * up) / view.eye.zoom);
        else view.eye.turn(KEY_TURN * right, KEY_TURN * up);
      } else if (event.key === "+" || event.key === "=") view.eye.nearer(1.2);
      else if (event.key === "-") view.eye.nearer(1 / 1.2);
      else if (/^[1-5]$/.test(event.key)) this.stand(["frontal", "left", "right", "inferior", "plate"][event.key - 1], view);
      else return;
      event.preventDefault();
      this.moved();
    });
  }

  press(view, event) {
    const box = view.stage.getBoundingClientRect();
    const [x, y] = [event.clientX - box.left, event.clientY - box.top];
    const hit = view.under(x, y);
    this.clearChips();
    if (hit && hit.screw >= 0) this.pick(view.design.screws[hit.screw].name);
    if (hit && hit.value !== null && this.fieldName !== "state") {
      const text = `${this.words.number(hit.value)} ${this.field.unit}`;
      view.say(text, x, y);
      this.status.textContent = text;
    }
  }

  redraw() {
    if (this.asked) return;
    this.asked = true;
    requestAnimationFrame(() => {
      this.asked = false;
      this.draw();
    });
  }

  draw() {
    const { renderer, grid } = this;
    const box = grid.getBoundingClientRect();
    if (box.width < 2) return;
    renderer.setPixelRatio(Math.min(2, window.devicePixelRatio || 1));
    const size = `${box.width}x${box.height}x${renderer.getPixelRatio()}`;
    if (size !== this.size) {
      renderer.setSize(box.width, box.height);
      this.size = size;
    }
    renderer.setScissorTest(false);
    renderer.setClearColor(PAPER, 1);
    renderer.clear();
    renderer.setScissorTest(true);
    renderer.setClearColor(BACKGROUND, 1);
    for (const view of this.views) view.draw(renderer, box, box.height, this.radius);
    this.root.dataset.drawn = String(Number(this.root.dataset.drawn || 0) + 1);
  }
}

function stateMap() {
  const colours = new Uint8Array(3 * 256);
  for (let i = 0; i < 256; i++) colours.set(i < 128 ? STATE_COLOURS.holds : STATE_COLOURS.loose, 3 * i);
  return colours;
}

// Without WebGL the pictures stay where they are.
function start(root) {
  const payload = JSON.parse(root.querySelector("script[type='application/json']").textContent);
  const canvas = document.createElement("canvas");
  const context = canvas.getContext("webgl2", { antialias: true, alpha: false });
  const note = root.querySelector(".fv-why");
  if (!context) {
    note.textContent = payload.strings.no_webgl;
    return;
  }
  const renderer = new WebGLRenderer({ canvas, context });
  renderer.autoClear = false;
  root.classList.add("fv-live");
  new Viewer(root, payload, renderer);
}

for (const root of document.querySelectorAll(".fv")) start(root);
