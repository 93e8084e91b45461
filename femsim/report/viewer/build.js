// Bundles the viewer into one script without modules, eval or workers; the licence of three.js goes on top.
import { build } from "esbuild";
import { createHash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";

const licence = readFileSync(new URL("node_modules/three/LICENSE", import.meta.url), "utf8").trim();

if (!licence.startsWith("The MIT License")) throw new Error("three.js has changed its licence; read it first");

// A test compares this mark with the sources, so that the committed bundle is never an old one.
const sources = createHash("sha256");
for (const name of readdirSync("source").sort()) sources.update(readFileSync(`source/${name}`));

await build({
  entryPoints: ["source/main.js"],
  outfile: "viewer.min.js",
  bundle: true,
  minify: true,
  format: "iife",
  target: "es2020",
  charset: "ascii",
  legalComments: "none",
  banner: { js: `/* Made from source/ (sha256 ${sources.digest("hex")}). Contains three.js.\n${licence}\n*/`.replace(/©/g, "(c)") },
});

