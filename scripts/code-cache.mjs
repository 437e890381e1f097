/**
 * `node FLAGS… scripts/code-cache.mjs DIST` writes V8's code cache of the files of dist/ that standard input lists, a line each, for
 * this node with these flags (src/loading/load-built.ts reads it).
 */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { setFlagsFromString } from "node:v8";
import { Script } from "node:vm";

const [, , dist = ""] = process.argv;
/** @type {typeof import("../src/loading/load-built.ts")} */
const { wrapped, codeCachePath } = createRequire(import.meta.url)(join(dist, "load-built.cjs"));

/** Of larger files, all packages', little is used: what is used is compiled then. */
const LARGEST = 1 << 20;

for (const file of readFileSync(0, "utf8").split("\n")) {
  const text = wrapped(readFileSync(file, "utf8"));
  // A function that nothing has called yet is in the cache only where it has been compiled all the same.
  if (text.length <= LARGEST) setFlagsFromString("--no-lazy");
  const script = new Script(text, { filename: file });
  // Set back: a cache is for the flags that it was written with.
  setFlagsFromString("--lazy");
  const path = codeCachePath(dist, file);
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, script.createCachedData());
}
