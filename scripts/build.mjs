/**
 * Builds dist/ from src/: one file a process or thread and shared chunks, npm packages included, because loading some
 * four hundred modules one by one took longer than making a lab. Types are checked apart (`npm run typecheck`).
 */
import { cpSync, existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const dist = join(root, "dist");

/** Processes and threads, each started by its path. */
const entryPoints = [
  "src/cli/main.ts",
  "src/providers/netns/lab/main.ts",
  "src/providers/netns/lab/sweep-worker.ts",
  "src/engine/servers/server-worker.ts",
  "src/providers/real/agents/sweep-worker.ts",
];

/** Native, so that it has to stay a package of its own; the others only make ssh2 faster, which does without them. */
const external = ["koffi", "cpu-features", "*.node"];

rmSync(dist, { recursive: true, force: true });
const { metafile } = await build({
  absWorkingDir: root,
  entryPoints,
  outdir: "dist",
  outbase: "src",
  chunkNames: "chunks/[name]-[hash]",
  bundle: true,
  splitting: true,
  format: "esm",
  platform: "node",
  target: "node20",
  external,
  legalComments: "none",
  metafile: true,
  logLevel: "warning",
  // Packages in CommonJS take these for granted.
  banner: {
    js: [
      'import { createRequire as __createRequire } from "node:module";',
      'import { dirname as __folderOf } from "node:path";',
      'import { fileURLToPath as __fileURLToPath } from "node:url";',
      "const require = __createRequire(import.meta.url), __filename = __fileURLToPath(import.meta.url);",
      "const __dirname = __folderOf(__filename);",
    ].join("\n"),
  },
});
// Sent to where the agents run, as it is.
for (const name of ["agent.py", "image/Dockerfile"]) {
  cpSync(join(root, "src/providers/real/agents", name), join(dist, "providers/real/agents", name));
}
for (const name of readdirSync(join(root, "src/providers/ssh/scripts"))) {
  cpSync(join(root, "src/providers/ssh/scripts", name), join(dist, "providers/ssh/scripts", name));
}
writeFileSync(join(dist, "THIRD-PARTY-LICENSES.txt"), licences(Object.keys(metafile.inputs)));

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

for (const entry of entryPoints) {
  const output = join(dist, relative("src", entry).replace(/\.ts$/, ".js"));
  if (!existsSync(output)) throw new Error(`the build made no ${output}`);
}
