/**
 * Builds dist/ from src/: one file a process or thread and shared chunks, npm packages included, because loading some
 * four hundred modules one by one took longer than making a lab. V8's code cache of each file spares compiling it. Types are checked
 * apart (`npm run typecheck`).
 */
import { execFileSync } from "node:child_process";
import { cpSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { basename, dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { build, transform } from "esbuild";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const dist = join(root, "dist");

/** What a node with default flags runs, and what a lab's does: processes and threads, each started by its path. */
const labFlags = JSON.parse(readFileSync(join(root, "src/providers/netns/node-flags.json"), "utf8"));
const starts = [
  { flags: [], entries: ["cli/main", "providers/real/agents/sweep-worker"] },
  {
    flags: labFlags,
    entries: ["providers/netns/lab/main", "providers/netns/lab/sweep-worker", "engine/servers/server-worker"],
  },
];

rmSync(dist, { recursive: true, force: true });
const shared = /** @type {const} */ ({
  absWorkingDir: root,
  bundle: true,
  platform: "node",
  target: "node20",
  legalComments: "none",
  logLevel: "warning",
});
const { metafile, outputFiles } = await build({
  ...shared,
  entryPoints: starts.flatMap(({ entries }) => entries.map((entry) => `src/${entry}.ts`)),
  outdir: "dist",
  outbase: "src",
  outExtension: { ".js": ".cjs" },
  chunkNames: "chunks/[name]-[hash]",
  splitting: true,
  format: "esm",
  // Native, so that it has to stay a package of its own; the others only make ssh2 faster, which does without them.
  external: ["koffi", "cpu-features", "*.node"],
  metafile: true,
  write: false,
});
// Only modules of ECMAScript are split, and only CommonJS can be compiled from a code cache.
for (const { path, text } of outputFiles) {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, await asCommonJs(text));
}
await build({ ...shared, entryPoints: ["src/loading/load-built.ts"], outfile: "dist/load-built.cjs", format: "cjs" });
for (const { flags, entries } of starts) {
  for (const entry of entries) writeStart(entry);
  const files = filesOf(entries).map((file) => join(root, file));
  execFileSync(process.execPath, [...flags, join(root, "scripts/code-cache.mjs"), dist], { input: files.join("\n") });
}
// Sent to where the agents run, as it is.
for (const name of ["agent.py", "image/Dockerfile"]) {
  cpSync(join(root, "src/providers/real/agents", name), join(dist, "providers/real/agents", name));
}
for (const name of readdirSync(join(root, "src/providers/ssh/scripts"))) {
  cpSync(join(root, "src/providers/ssh/scripts", name), join(dist, "providers/ssh/scripts", name));
}
writeFileSync(join(dist, "THIRD-PARTY-LICENSES.txt"), licences(Object.keys(metafile.inputs)));

/** @param {string} text */
async function asCommonJs(text) {
  const { code } = await transform(text.replace(/^#!.*\n/, ""), {
    format: "cjs",
    platform: "node",
    target: "node20",
    supported: { "dynamic-import": false },
    define: { "import.meta.dirname": "__dirname" },
  });
  return code;
}

/** What is started by its path. @param {string} entry */
function writeStart(entry) {
  const name = `./${basename(entry)}.cjs`;
  const loader = join(relative(dirname(entry), ""), "load-built.cjs");
  const text = `#!/usr/bin/env node
import { fileURLToPath } from "node:url";
import { run } from ${JSON.stringify(loader)};

run(fileURLToPath(new URL(${JSON.stringify(name)}, import.meta.url)));
`;
  writeFileSync(join(dist, `${entry}.js`), text, { mode: 0o755 });
}

/** The entries' files in dist/, and all that these may load. @param {string[]} entries */
function filesOf(entries) {
  const found = new Set();
  /** @param {string} file */
  const add = (file) => {
    if (found.has(file)) return;
    found.add(file);
    for (const { path, external } of metafile.outputs[file]?.imports ?? []) if (external !== true) add(path);
  };
  for (const entry of entries) add(`dist/${entry}.cjs`);
  return [...found];
}

/** The licence texts of the packages that the built files contain. @param {string[]} inputs */
function licences(inputs) {
  const folders = new Set(inputs.map((path) => /^.*node_modules\/(?:@[^/]+\/)?[^/]+/.exec(path)?.[0] ?? ""));
  folders.delete("");
  const texts = [...folders].toSorted().map((folder) => {
    const { name, version, license } = JSON.parse(readFileSync(join(root, folder, "package.json"), "utf8"));
    const file = readdirSync(join(root, folder)).find((each) => /^licen[cs]e/i.test(each));
    const text = file === undefined ? `Licence: ${license}` : readFileSync(join(root, folder, file), "utf8").trim();
    return `${name} ${version}\n\n${text}\n`;
  });
  return texts.join(`\n${"-".repeat(80)}\n\n`);
}
