// The colour scale: the same 256 colours as on the bodies, with ticks at round numbers.

import { h } from "./page.js";

const NEAREST = 0.09; // two ticks nearer than this share of the scale would run into each other

export function roundSteps(low, high, most) {
  const raw = (high - low) / most;
  const ten = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 5, 10].map((f) => f * ten).find((s) => s >= raw * (1 - 1e-9));
  const steps = [];
  for (let k = Math.ceil(low / step - 1e-9); k * step <= high + 1e-9 * step; k++) steps.push(k * step);
  return steps;
}

// One range over all designs, never empty: a healthy or uniform jaw still needs a scale.
export function sharedRange(ranges) {
  const range = {
    low: Math.min(...ranges.map((one) => one.low)),
    high: Math.max(...ranges.map((one) => one.high)),
    max: Math.max(...ranges.map((one) => one.max)),
  };
  if (range.high - range.low <= 1e-6 * Math.abs(range.high)) range.low = Math.min(0, range.low);
  if (range.high <= range.low) range.high = range.low + 1;
  // Ends that can be read: three digits, outwards.
  const step = 10 ** (Math.ceil(Math.log10(Math.max(Math.abs(range.low), Math.abs(range.high)))) - 3);
  range.low = step * Math.floor(range.low / step + 1e-6);
  range.high = step * Math.ceil(range.high / step - 1e-6);
  return range;
}

export function drawScale(holder, colours, range, marks, number) {
  const canvas = h("canvas", { className: "fv-scale", width: 256, height: 1 });
  const context = canvas.getContext("2d");
  const image = context.createImageData(256, 1);
  for (let i = 0; i < 256; i++) image.data.set([colours[3 * i], colours[3 * i + 1], colours[3 * i + 2], 255], 4 * i);
  context.putImageData(image, 0, 0);
  const place = (value) => `${(100 * (value - range.low)) / (range.high - range.low)}%`;
  const tick = (value, text, kind) => {
    const mark = h("span", { className: kind }, text);
    mark.style.left = place(value);
    return mark;
  };
  const steps = roundSteps(range.low, range.high, 5);
  const clear = (value) => steps.every((other) => Math.abs(other - value) > NEAREST * (range.high - range.low));
  steps.push(...[range.low, range.high].filter(clear));
  const ticks = steps.map((value) => tick(value, number(value), "fv-tick"));
  const limits = marks.filter((m) => m.value >= range.low && m.value <= range.high).map((m) => {
    const text = h("b", {}, m.text);
    text.style.transform = `translateX(-${place(m.value)})`; // stays within the scale
    const mark = tick(m.value, "", "fv-limit");
    mark.append(text);
    return mark;
  });
  holder.replaceChildren(h("div", { className: "fv-limits" }, ...limits), canvas, h("div", { className: "fv-ticks" }, ...ticks));
}

export function drawSwatches(holder, entries) {
  holder.replaceChildren(
    h("div", { className: "fv-swatches" }, ...entries.map(({ colour, text }) => {
      const swatch = h("i", { className: "fv-swatch" });
      swatch.style.background = colour;
      return h("span", {}, swatch, text);
    })),
  );
}
