/**
 * Makes a fresh clone usable: npm dependencies, the build, the host tools that labs run. Plain Node ≥ 20 without any
 * dependency, because it runs before there are any. What is already done costs a few stat calls.
 */
import { createHash } from "node:crypto";
import { readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { root, run, SetupError } from "./command.mjs";
import { installTools } from "./host-tools.mjs";

/** The oldest Node that the dependencies support, as `[major, minor]`. */
export const oldestNode = [20, 19];

/** Throws on a Node that is too old. @param {string} version as in process.versions.node */
export function checkNode(version) {
  const [major = 0, minor = 0] = version.split(".").map(Number);
  const [oldestMajor = 0, oldestMinor = 0] = oldestNode;
  if (major > oldestMajor || (major === oldestMajor && minor >= oldestMinor)) return;
  throw new SetupError(
    `cnilab needs Node ${oldestNode.join(".")} or newer; this is Node ${version}.\nhttps://nodejs.org/en/download lists ways to get it.`,
  );
}

/** Whether npm has to install: no stamp, or one of another package-lock.json. @param {string} folder */
export function needsDependencies(folder) {
  const stamp = readText(join(folder, "node_modules/.cnilab-lock"));
  if (stamp === undefined) return true;
  const lock = join(folder, "package-lock.json");
  const { size, mtimeMs } = statSync(lock);
  const [seenStat, seenHash] = stamp.split("\n");
  // The cheap comparison first; a checkout that only touched the file must not cost an install.
  return seenStat !== `${size} ${mtimeMs}` && seenHash !== hashOf(lock);
}

/** @param {string} folder */
export function stampDependencies(folder) {
  const lock = join(folder, "package-lock.json");
  const { size, mtimeMs } = statSync(lock);
  writeFileSync(join(folder, "node_modules/.cnilab-lock"), `${size} ${mtimeMs}\n${hashOf(lock)}\n`);
}

/** Whether dist/ is missing or older than its sources. @param {string} folder */
export function needsBuild(folder) {
  return readText(join(folder, "dist/.built")) !== sourceStamp(folder);
}

/** @param {string} folder */
export function stampBuild(folder) {
  writeFileSync(join(folder, "dist/.built"), sourceStamp(folder));
}

/**
 * Number, newest change and total size of what the build reads: a removed, added or changed file shows. The inode's
 * change time, unlike the modification time, cannot be set back by what restores or copies files. V8's code cache is for one node.
 */
function sourceStamp(folder) {
  const inputs = [
    join(folder, "tsconfig.json"),
    join(folder, "scripts/build.mjs"),
    join(folder, "scripts/code-cache.mjs"),
    join(folder, "node_modules/.cnilab-lock"),
  ];
  for (const entry of readdirSync(join(folder, "src"), { recursive: true, withFileTypes: true })) {
    if (entry.isFile()) inputs.push(join(entry.parentPath ?? entry.path, entry.name));
  }
  let newest = 0;
  let bytes = 0;
  for (const input of inputs) {
    const { ctimeMs, size } = statSync(input, { throwIfNoEntry: false }) ?? { ctimeMs: 0, size: 0 };
    newest = Math.max(newest, ctimeMs);
    bytes += size;
  }
  return `${inputs.length} files, newest ${newest}, ${bytes} bytes, node ${process.version}\n`;
}

/** @param {string} path */
function readText(path) {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    if (error.code === "ENOENT") return undefined;
    throw error;
  }
}

/** @param {string} path */
function hashOf(path) {
  return createHash("sha256").update(readFileSync(path)).digest("hex");
}

function installDependencies() {
  if (!needsDependencies(root)) return;
  process.stderr.write("cnilab: installing npm dependencies\n");
  if (!run(["npm", "ci", "--no-audit", "--no-fund"])) {
    throw new SetupError(
      [
        "npm ci failed; its output above says why. Frequent causes:",
        "  no network, or a proxy: npm needs its registry once (npm config get registry)",
        "  a home folder that cannot be written: npm_config_cache=/tmp/npm-cache npm start",
      ].join("\n"),
    );
  }
  stampDependencies(root);
}

function build() {
  if (!needsBuild(root)) return;
  process.stderr.write("cnilab: building\n");
  if (!run([process.execPath, "scripts/build.mjs"])) {
    throw new SetupError("the build failed; the messages are above", 1);
  }
  stampBuild(root);
}

/** Does whatever is missing. Throws {@link SetupError}. */
export async function setUp() {
  checkNode(process.versions.node);
  await installTools();
  installDependencies();
  build();
}

/** Ends the process as a failed set-up should; rethrows what is a fault of ours. @param {unknown} error */
export function exitForSetupError(error) {
  if (!(error instanceof SetupError)) throw error;
  process.stderr.write(`cnilab: ${error.message}\n`);
  process.exit(error.exitCode);
}
