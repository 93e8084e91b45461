// A coloured body: its surface with creases kept sharp, its section by a plane, and where a ray meets it.

import { BufferAttribute, BufferGeometry } from "three";
import { corners, lengths, values } from "./decode.js";

const CREASE = Math.cos((40 * Math.PI) / 180);

export class Body {
  constructor(part) {
    this.kind = part.kind;
    this.screw = part.screw;
    this.points = values(part.points);
    this.triangles = corners(part.triangles);
    this.tets = corners(part.tets);
    this.fields = part.fields;
    this.movedPacked = part.moved;
    this.cache = new Map();
    this.still = new Float32Array(this.points.length);
    this.surface = surfaceOf(this.points, this.triangles);
    this.cap = new BufferGeometry();
  }

  // Displacement (n, 3) at a moment; zero where it is not known.
  moved(moment) {
    return this.cached(`moved/${moment}`, () => {
      const packed = this.movedPacked[moment];
      return packed ? values(packed) : this.still;
    });
  }

  // Values (n) of a field at a moment, or null when this body does not carry it.
  field(name, moment) {
    return this.cached(`${name}/${moment}`, () => {
      if (name === "displacement") return this.movedPacked[moment] ? lengths(this.moved(moment)) : null;
      const packed = this.fields[name] && this.fields[name][moment];
      return packed ? values(packed) : null;
    });
  }

  cached(key, make) {
    if (!this.cache.has(key)) this.cache.set(key, make());
    return this.cache.get(key);
  }

  // Give the surface the values and displacements that are shown.
  show(scalars, moved) {
    this.scalars = scalars;
    this.shift = moved;
    spread(this.surface.getAttribute("value"), scalars, this.triangles, 1);
    spread(this.surface.getAttribute("moved"), moved, this.triangles, 3);
  }

  // Cut the tetrahedra with the plane n.x = d; the faces of the cut become the cap.
  slice(plane) {
    const place = [], moved = [], value = [];
    if (plane) {
      const { points, tets, scalars, shift } = this;
      const side = new Float32Array(points.length / 3);
      for (let i = 0; i < side.length; i++) {
        side[i] = plane[0] * points[3 * i] + plane[1] * points[3 * i + 1] + plane[2] * points[3 * i + 2] - plane[3];
      }
      const add = (a, b) => {
        const t = side[a] / (side[a] - side[b]);
        for (let c = 0; c < 3; c++) {
          place.push(points[3 * a + c] + t * (points[3 * b + c] - points[3 * a + c]));
          moved.push(shift[3 * a + c] + t * (shift[3 * b + c] - shift[3 * a + c]));
        }
        value.push(scalars ? scalars[a] + t * (scalars[b] - scalars[a]) : 0);
      };
      const up = [], down = [];
      for (let k = 0; k < tets.length; k += 4) {
        up.length = down.length = 0;
        for (let j = 0; j < 4; j++) (side[tets[k + j]] > 0 ? up : down).push(tets[k + j]);
        if (up.length === 1) for (const other of down) add(up[0], other);
        else if (up.length === 3) for (const other of up) add(down[0], other);
        else if (up.length === 2) {
          add(up[0], down[0]), add(up[0], down[1]), add(up[1], down[1]);
          add(up[0], down[0]), add(up[1], down[1]), add(up[1], down[0]);
        }
      }
    }
    const normal = new Float32Array(place.length);
    for (let i = 0; i < normal.length; i++) normal[i] = plane[i % 3];
    this.cap.dispose();
    this.cap.setAttribute("position", new BufferAttribute(new Float32Array(place), 3));
    this.cap.setAttribute("normal", new BufferAttribute(normal, 3));
    this.cap.setAttribute("moved", new BufferAttribute(new Float32Array(moved), 3));
    this.cap.setAttribute("value", new BufferAttribute(new Float32Array(value), 1));
  }

  // The nearest place where a ray meets the shown surface or the cap: {distance, value} or null.
  meet(origin, direction, scale, plane) {
    const onCap = nearest(this.cap, origin, direction, scale, null);
    const onSurface = nearest(this.surface, origin, direction, scale, plane);
    if (!onCap || !onSurface) return onCap || onSurface;
    return onCap.distance < onSurface.distance ? onCap : onSurface;
  }
}

function surfaceOf(points, triangles) {
  const count = triangles.length / 3;
  const face = new Float32Array(3 * count); // area vectors
  const around = new Map();
  for (let k = 0; k < count; k++) {
    const [a, b, c] = [3 * triangles[3 * k], 3 * triangles[3 * k + 1], 3 * triangles[3 * k + 2]];
    const u = [0, 1, 2].map((i) => points[b + i] - points[a + i]);
    const v = [0, 1, 2].map((i) => points[c + i] - points[a + i]);
    face[3 * k] = u[1] * v[2] - u[2] * v[1];
    face[3 * k + 1] = u[2] * v[0] - u[0] * v[2];
    face[3 * k + 2] = u[0] * v[1] - u[1] * v[0];
    for (let j = 0; j < 3; j++) {
      const point = triangles[3 * k + j];
      if (around.has(point)) around.get(point).push(k);
      else around.set(point, [k]);
    }
  }
  const place = new Float32Array(9 * count);
  const normal = new Float32Array(9 * count);
  const length = (k) => Math.hypot(face[3 * k], face[3 * k + 1], face[3 * k + 2]) || 1;
  for (let k = 0; k < count; k++) {
    for (let j = 0; j < 3; j++) {
      const point = triangles[3 * k + j];
      const at = 9 * k + 3 * j;
      for (let i = 0; i < 3; i++) place[at + i] = points[3 * point + i];
      for (const other of around.get(point)) {
        const dot = face[3 * k] * face[3 * other] + face[3 * k + 1] * face[3 * other + 1] + face[3 * k + 2] * face[3 * other + 2];
        if (dot >= CREASE * length(k) * length(other)) for (let i = 0; i < 3; i++) normal[at + i] += face[3 * other + i];
      }
      const size = Math.hypot(normal[at], normal[at + 1], normal[at + 2]) || 1;
      for (let i = 0; i < 3; i++) normal[at + i] /= size;
    }
  }
  const geometry = new BufferGeometry();
  geometry.setAttribute("position", new BufferAttribute(place, 3));
  geometry.setAttribute("normal", new BufferAttribute(normal, 3));
  geometry.setAttribute("moved", new BufferAttribute(new Float32Array(9 * count), 3));
  geometry.setAttribute("value", new BufferAttribute(new Float32Array(3 * count), 1));
  return geometry;
}

function spread(attribute, source, triangles, width) {
  const target = attribute.array;
  if (!source) target.fill(0);
  else {
    for (let k = 0; k < triangles.length; k++) {
      for (let c = 0; c < width; c++) target[width * k + c] = source[width * triangles[k] + c];
    }
  }
  attribute.needsUpdate = true;
}

// Moeller and Trumbore's test over all triangles of a geometry, moved as drawn.
function nearest(geometry, origin, direction, scale, plane) {
  const attribute = geometry.getAttribute("position");
  if (!attribute) return null;
  const place = attribute.array;
  const moved = geometry.getAttribute("moved").array;
  const value = geometry.getAttribute("value").array;
  const [dx, dy, dz] = direction;
  const p = new Float64Array(9);
  let best = null;
  for (let k = 0; k < place.length; k += 9) {
    for (let i = 0; i < 9; i++) p[i] = place[k + i] + scale * moved[k + i];
    const e1x = p[3] - p[0], e1y = p[4] - p[1], e1z = p[5] - p[2];
    const e2x = p[6] - p[0], e2y = p[7] - p[1], e2z = p[8] - p[2];
    const hx = dy * e2z - dz * e2y, hy = dz * e2x - dx * e2z, hz = dx * e2y - dy * e2x;
    const det = e1x * hx + e1y * hy + e1z * hz;
    if (Math.abs(det) < 1e-12) continue;
    const sx = origin[0] - p[0], sy = origin[1] - p[1], sz = origin[2] - p[2];
    const u = (sx * hx + sy * hy + sz * hz) / det;
    if (u < 0 || u > 1) continue;
    const qx = sy * e1z - sz * e1y, qy = sz * e1x - sx * e1z, qz = sx * e1y - sy * e1x;
    const v = (dx * qx + dy * qy + dz * qz) / det;
    if (v < 0 || u + v > 1) continue;
    const distance = (e2x * qx + e2y * qy + e2z * qz) / det;
    if (best && distance >= best.distance) continue;
    const w = 1 - u - v;
    if (plane) {
      let height = -plane[3];
      for (let i = 0; i < 3; i++) height += plane[i] * (w * place[k + i] + u * place[k + 3 + i] + v * place[k + 6 + i]);
      if (height > 0) continue;
    }
    best = { distance, value: w * value[k / 3] + u * value[k / 3 + 1] + v * value[k / 3 + 2] };
  }
  return best;
}
