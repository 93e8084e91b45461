// Turns the packed numbers of a payload back into typed arrays.

export function bytes(text) {
  const raw = atob(text);
  const out = new Uint8Array(raw.length);
  for (let i = 0; i < raw.length; i++) out[i] = raw.charCodeAt(i);
  return out;
}

// Points of `columns` numbers each, between the lowest and highest value of each column.
export function values(packed) {
  const level = new Uint16Array(bytes(packed.data).buffer);
  const out = new Float32Array(level.length);
  const { columns, low, step } = packed;
  for (let i = 0; i < level.length; i++) {
    const c = i % columns;
    out[i] = low[c] + step[c] * level[i];
  }
  return out;
}

export function corners(packed) {
  const { buffer } = bytes(packed.data);
  return packed.bits === 16 ? new Uint16Array(buffer) : new Uint32Array(buffer);
}

export function lengths(vectors) {
  const out = new Float32Array(vectors.length / 3);
  for (let i = 0; i < out.length; i++) {
    out[i] = Math.hypot(vectors[3 * i], vectors[3 * i + 1], vectors[3 * i + 2]);
  }
  return out;
}
