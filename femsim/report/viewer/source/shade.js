// Materials: solid bodies under a lamp at the viewer's shoulder, glass, and fields in exactly the legend's colours.

import { Color, DataTexture, DoubleSide, NearestFilter, RGBAFormat, ShaderMaterial, UnsignedByteType, Vector2, Vector4 } from "three";

export const COLOURS = {
  bone: "#efe2c8",
  plate: "#a9b1bb",
  screw: "#7d8793",
  removed: "#c9a58a",
  unknown: "#c4c8cd",
};

const vertexShader = `
attribute vec3 moved;
attribute float value;
uniform float deform;
varying vec3 rest;
varying vec3 facing;
varying float shown;
void main() {
  rest = position;
  shown = value;
  facing = normalMatrix * normal;
  gl_Position = projectionMatrix * modelViewMatrix * vec4(position + deform * moved, 1.0);
}`;

// Surfaces turned by less than about sixty degrees from the viewer show the map's colour itself; only rims darken.
const fragmentShader = `
uniform sampler2D map;
uniform vec2 range;
uniform vec4 plane;
uniform float cut;
uniform float coloured;
uniform float glass;
uniform vec3 base;
uniform float lift;
uniform float inside;
varying vec3 rest;
varying vec3 facing;
varying float shown;
void main() {
  if (cut > 0.5 && dot(plane.xyz, rest) > plane.w + 1e-3) discard;
  vec3 n = normalize(facing);
  if (n.z < 0.0) n = -n;
  float rim = smoothstep(0.0, 0.45, n.z);
  vec3 colour;
  float alpha = 1.0;
  if (coloured > 0.5) {
    float t = clamp((shown - range.x) / (range.y - range.x), 0.0, 1.0);
    colour = texture2D(map, vec2((floor(t * 255.0 + 0.5) + 0.5) / 256.0, 0.5)).rgb * mix(0.55, 1.0, rim);
  } else {
    float lamp = 0.5 + 0.5 * dot(n, normalize(vec3(-0.35, 0.55, 0.75)));
    float spot = pow(max(dot(n, normalize(vec3(-0.2, 0.35, 0.95))), 0.0), 40.0);
    colour = base * (0.42 + 0.62 * lamp) * mix(0.8, 1.0, rim) + 0.10 * spot;
    if (!gl_FrontFacing) colour *= inside;
    colour = mix(colour, vec3(1.0), lift);
    if (glass > 0.0) alpha = mix(0.78, glass, smoothstep(0.0, 0.75, n.z));
  }
  gl_FragColor = vec4(colour, alpha);
}`;

export function solid(colour) {
  return new ShaderMaterial({
    vertexShader,
    fragmentShader,
    side: DoubleSide,
    uniforms: {
      map: { value: null },
      range: { value: new Vector2(0, 1) },
      plane: { value: new Vector4() },
      cut: { value: 0 },
      coloured: { value: 0 },
      glass: { value: 0 },
      lift: { value: 0 },
      inside: { value: 0.82 },
      deform: { value: 0 },
      // Written as they shall appear: no conversion between colour spaces anywhere.
      base: { value: new Color().setStyle(colour, "srgb-linear") },
    },
  });
}

export function mapTexture(colours) {
  const data = new Uint8Array(4 * 256);
  for (let i = 0; i < 256; i++) data.set([colours[3 * i], colours[3 * i + 1], colours[3 * i + 2], 255], 4 * i);
  const texture = new DataTexture(data, 256, 1, RGBAFormat, UnsignedByteType);
  texture.minFilter = texture.magFilter = NearestFilter;
  texture.needsUpdate = true;
  return texture;
}
