// One design: its bodies as a scene, and what lies over its picture: screw numbers, letters, scale bar, readout.

import { AddEquation, CustomBlending, Mesh, OneMinusSrcAlphaFactor, Scene, SrcAlphaFactor, Vector3, Vector4 } from "three";
import { Body } from "./body.js";
import { letters } from "./eye.js";
import { h } from "./page.js";
import { COLOURS, solid } from "./shade.js";
import { isLoose, lastDay } from "./time.js";

const LABEL = 26; // side of a screw's number [px]
const LEADER = 20; // from the head up to its number [px]
const BARS = [1, 2, 5, 10, 20, 50, 100]; // [mm]
const GLASS = { bone: 0.5, plate: 0.6, removed: 0.16 };

export class View {
  constructor(design, words, eye) {
    Object.assign(this, { design, words, eye });
    this.bodies = design.parts.map((part) => new Body(part));
    // Glass is drawn first and solid bodies over it, so that no glass dims a colour of the scale.
    this.glass = new Scene();
    this.solid = new Scene();
    this.layers = this.bodies.map((body) => this.layer(body));
    const bone = this.bodies.find((body) => body.kind === "bone") || this.bodies[0];
    ({ centre: this.centre, radius: this.radius, box: this.box } = extent(bone.points));
    const plate = this.bodies.find((body) => body.kind === "plate");
    this.plate = extent((plate || bone).points);
    // The point of each screw next to its head carries its number when the deformation is drawn.
    this.tops = design.screws.map((screw, k) => {
      const body = this.bodies.find((one) => one.screw === k);
      return body ? { body, point: nearestPoint(body.points, screw.head) } : null;
    });
    this.makePage();
  }

  head(k) {
    const head = new Vector3(...this.design.screws[k].head);
    const top = this.tops[k];
    return top ? head.addScaledVector(new Vector3().fromArray(top.body.shift, 3 * top.point), this.look.deformation) : head;
  }

  layer(body) {
    const material = solid(COLOURS[body.kind]);
    const capMaterial = solid(COLOURS[body.kind]);
    const veil = solid(COLOURS[body.kind]);
    for (const one of [material, capMaterial]) {
      Object.assign(one, { blending: CustomBlending, blendEquation: AddEquation, blendSrc: SrcAlphaFactor, blendDst: OneMinusSrcAlphaFactor });
    }
    capMaterial.uniforms.lift.value = 0.25;
    capMaterial.uniforms.inside.value = 1; // triangles of a section turn either way
    // The veil writes depth alone, so that only the nearest face of a glass body is blended.
    veil.colorWrite = false;
    const layer = { body, surface: new Mesh(body.surface, material), veil: new Mesh(body.surface, veil), cap: new Mesh(body.cap, capMaterial) };
    for (const mesh of [layer.surface, layer.veil, layer.cap]) {
      mesh.frustumCulled = false;
      mesh.material.transparent = true; // one order of drawing for all
    }
    this.solid.add(layer.cap);
    return layer;
  }

  makePage() {
    const { design, words } = this;
    this.stage = h("div", { className: "fv-stage", tabIndex: 0, role: "application", "aria-label": words.say("stage", { name: design.name }) });
    this.edges = Object.fromEntries(["left", "right", "top", "bottom"].map((side) => [side, h("span", { className: `fv-edge fv-${side}`, "aria-hidden": "true" })]));
    this.bar = h("span", { className: "fv-bar", "aria-hidden": "true" });
    this.chip = h("span", { className: "fv-chip", hidden: true });
    this.buttons = design.screws.map((screw) => h("button", { type: "button", className: "fv-screw" }, screw.label));
    this.tally = h("p", { className: "fv-tally" });
    this.over = h("div", { className: "fv-over" }, this.stage, ...Object.values(this.edges), this.bar, ...this.buttons, this.chip);
    this.element = h("div", { className: "fv-view", role: "group", "aria-label": design.name }, h("p", { className: "fv-name" }, design.name), this.tally, this.over);
  }

  // Colour the bodies, or one kind of them. `look`: field, moment, map texture, range, deformation, whether the
  // removed part is shown. The section must be cut again afterwards.
  dress(look, day, kind = null) {
    this.look = look;
    const { field } = look;
    const seeThrough = field.kind === "screw" ? ["bone", "plate"] : field.on.includes("bone") ? [] : ["bone"];
    for (const layer of this.layers) {
      const { body, surface, veil, cap } = layer;
      if (kind && body.kind !== kind) continue;
      const carries = field.on.includes(body.kind);
      const scalars = carries ? look.scalars(this, body, day) : null;
      const glass = body.kind === "removed" || seeThrough.includes(body.kind) ? GLASS[body.kind] : 0;
      body.show(scalars, body.moved(look.moment));
      layer.coloured = scalars !== null;
      layer.glass = glass;
      layer.shown = body.kind !== "removed" || look.removed;
      for (const mesh of [surface, veil, cap]) {
        const { uniforms } = mesh.material;
        uniforms.coloured.value = scalars ? 1 : 0;
        uniforms.map.value = look.texture;
        uniforms.range.value.set(look.range.low, look.range.high);
        uniforms.deform.value = look.deformation;
        uniforms.base.value.setStyle(carries && !scalars ? COLOURS.unknown : COLOURS[body.kind], "srgb-linear");
      }
      surface.material.uniforms.glass.value = glass;
      const order = { removed: 0, bone: 2, plate: 4, screw: 6 }[body.kind];
      veil.renderOrder = order;
      surface.renderOrder = order + 1;
      (glass ? this.glass : this.solid).add(surface, veil);
      surface.visible = layer.shown;
      veil.visible = layer.shown && glass > 0;
    }
  }

  cut(plane, kind = null) {
    this.plane = plane;
    for (const { body, surface, veil, cap, shown } of this.layers) {
      if (kind && body.kind !== kind) continue;
      body.slice(plane && shown ? plane : null);
      cap.visible = Boolean(plane) && shown;
      for (const mesh of [surface, veil]) {
        mesh.material.uniforms.cut.value = plane ? 1 : 0;
        mesh.material.uniforms.plane.value = plane ? new Vector4(...plane) : new Vector4();
      }
    }
  }

  // What the words and numbers over the picture say on a day.
  tell(day) {
    const { design, words } = this;
    const loose = design.screws.map((screw) => isLoose(screw, day));
    const last = lastDay(design);
    const lines = [];
    if (design.status && design.status !== "complete") lines.push(words.say("not_complete", { status: design.status }));
    if (!design.timeline.days.length) lines.push(words.say("no_course"));
    else lines.push(words.say("count_loose", { loose: loose.filter(Boolean).length, all: loose.length }));
    if (day > Math.ceil(last) && last > 0) lines.push(words.say("ended", { day: Math.round(last), why: design.ending }));
    this.tally.textContent = lines.join(" · ");
    design.screws.forEach((screw, k) => {
      const state = !design.timeline.days.length ? words.say("unknown") : loose[k] ? words.say("state_loose_since", { day: Math.round(screw.loose_day) }) : words.say("state_holds");
      this.buttons[k].classList.toggle("fv-loose", loose[k]);
      this.buttons[k].setAttribute("aria-label", words.say("screw_in", { label: screw.label, name: design.name, state }));
    });
  }

  mark(picked) {
    this.design.screws.forEach((screw, k) => {
      this.buttons[k].setAttribute("aria-pressed", String(screw.name === picked));
    });
  }

  draw(renderer, grid, height, radius) {
    const box = this.stage.getBoundingClientRect();
    const [x, y, w, tall] = [box.left - grid.left, box.top - grid.top, box.width, box.height];
    if (w < 2 || tall < 2) return;
    const seen = this.eye.aim(this.centre, radius, w / tall);
    renderer.setViewport(x, height - y - tall, w, tall);
    renderer.setScissor(x, height - y - tall, w, tall);
    renderer.clear();
    renderer.render(this.glass, this.eye.camera);
    renderer.clearDepth();
    renderer.render(this.solid, this.eye.camera);
    this.label(w, tall, seen);
    const { azimuth, elevation, zoom } = this.eye;
    Object.assign(this.stage.dataset, { azimuth: azimuth.toFixed(3), elevation: elevation.toFixed(3), zoom: zoom.toFixed(3) });
  }

  // Let the bone fill the picture as seen from where the eye stands.
  fit(radius, share) {
    const { right, up } = this.eye.basis();
    const { points } = this.bodies.find((body) => body.kind === "bone") || this.bodies[0];
    const [low, high] = [[Infinity, Infinity], [-Infinity, -Infinity]];
    for (let i = 0; i < points.length; i += 3) {
      [right, up].forEach((axis, c) => {
        const place = axis.x * points[i] + axis.y * points[i + 1] + axis.z * points[i + 2];
        low[c] = Math.min(low[c], place);
        high[c] = Math.max(high[c], place);
      });
    }
    const aspect = this.stage.clientWidth / this.stage.clientHeight || 1;
    const half = Math.max((high[0] - low[0]) / 2 / aspect, (high[1] - low[1]) / 2) / share;
    this.eye.zoom = radius / half / Math.min(1, aspect);
    this.eye.target.set(0, 0, 0);
    [right, up].forEach((axis, c) => this.eye.target.addScaledVector(axis, (low[c] + high[c]) / 2 - axis.dot(this.centre)));
  }

  label(w, tall, seen) {
    const { eye, design } = this;
    const { back } = eye.basis();
    const placed = [];
    const order = design.screws.map((_, k) => [this.head(k).project(eye.camera), k]).sort((a, b) => a[0].x - b[0].x);
    for (const [head, k] of order) {
      const x = (0.5 + 0.5 * head.x) * w;
      const y = (0.5 - 0.5 * head.y) * tall;
      const free = (top, step) => {
        while (placed.some((p) => Math.abs(p.x - x) < LABEL && Math.abs(p.top - top) < LABEL)) top += step;
        return top;
      };
      const above = free(y - LEADER - LABEL, -LABEL - 1);
      const top = above >= 0 ? above : free(y + LEADER, LABEL + 1);
      placed.push({ x, top });
      const button = this.buttons[k];
      button.style.transform = `translate(${x - LABEL / 2}px, ${top}px)`;
      button.style.setProperty("--leader", `${above >= 0 ? y - top - LABEL : top - y}px`);
      button.classList.toggle("fv-below", above < 0);
      button.hidden = x < 0 || x > w || y < 0 || y > tall;
      const { head: at, axis } = design.screws[k];
      const away = this.plane && this.plane[0] * at[0] + this.plane[1] * at[1] + this.plane[2] * at[2] > this.plane[3] + 1;
      button.classList.toggle("fv-behind", away || new Vector3(...axis).dot(back) > 0.2);
    }
    const names = letters(eye);
    for (const [side, edge] of Object.entries(this.edges)) {
      edge.hidden = !design.anatomical;
      edge.textContent = this.words.say(`letter_${names[side]}`);
    }
    const pixels = tall / seen; // per mm
    const length = BARS.filter((mm) => mm * pixels <= 0.28 * w).pop() || BARS[0];
    this.bar.style.width = `${length * pixels}px`;
    this.bar.textContent = this.words.say("mm", { value: length });
  }

  // What lies under a place of the picture: {screw} and, where the body is coloured, {value}; null for nothing.
  under(x, y) {
    const { right, up, back } = this.eye.basis();
    const { camera } = this.eye;
    const box = this.stage.getBoundingClientRect();
    const origin = new Vector3().setFromMatrixPosition(camera.matrix);
    origin.addScaledVector(right, (x / box.width - 0.5) * (camera.right - camera.left));
    origin.addScaledVector(up, (0.5 - y / box.height) * (camera.top - camera.bottom));
    const ray = [origin.toArray(), back.clone().negate().toArray()];
    let best = null;
    for (const { body, coloured, glass, shown } of this.layers) {
      if (!shown || glass) continue;
      const hit = body.meet(...ray, this.look.deformation, this.plane);
      if (hit && (!best || hit.distance < best.distance)) best = { ...hit, screw: body.screw, value: coloured ? hit.value : null };
    }
    return best;
  }

  say(text, x, y) {
    this.chip.hidden = text === null;
    if (text === null) return;
    this.chip.textContent = text;
    this.chip.style.transform = `translate(${x}px, ${y}px)`;
  }
}

function extent(points) {
  const low = [Infinity, Infinity, Infinity];
  const high = [-Infinity, -Infinity, -Infinity];
  for (let i = 0; i < points.length; i++) {
    low[i % 3] = Math.min(low[i % 3], points[i]);
    high[i % 3] = Math.max(high[i % 3], points[i]);
  }
  const centre = new Vector3(...low).add(new Vector3(...high)).multiplyScalar(0.5);
  return { centre, box: { low, high }, radius: 0.5 * Math.hypot(...[0, 1, 2].map((i) => high[i] - low[i])) };
}

function nearestPoint(points, place) {
  let [best, found] = [Infinity, 0];
  for (let i = 0; i < points.length; i += 3) {
    const distance = Math.hypot(points[i] - place[0], points[i + 1] - place[1], points[i + 2] - place[2]);
    if (distance < best) [best, found] = [distance, i / 3];
  }
  return found;
}
