// Small pieces of the page: elements, sentences from the catalogue, numbers for people.

export function h(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [key, value] of Object.entries(properties)) {
    if (key in element && !key.startsWith("aria")) element[key] = value;
    else element.setAttribute(key, value);
  }
  element.append(...children);
  return element;
}

export class Words {
  constructor(strings) {
    this.strings = strings;
  }

  // A sentence of the catalogue with its {names} filled in.
  say(key, filled = {}) {
    if (!(key in this.strings)) throw new Error(`the catalogue of strings lacks '${key}'`);
    return this.strings[key].replace(/\{(\w+)\}/g, (_, name) => filled[name]);
  }

  // Three significant digits without a needless exponent.
  number(value) {
    if (value === null || value === undefined || !Number.isFinite(value)) return "–";
    const size = Math.abs(value);
    const text = size >= 1000 ? String(Math.round(value)) : String(Number(value.toPrecision(3)));
    return text.replace(".", this.strings.decimal);
  }
}
