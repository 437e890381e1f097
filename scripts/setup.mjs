/**
 * Makes a fresh clone usable: npm dependencies, the build, the host tools that labs run. Plain Node ≥ 20 without any
 * dependency, because it runs before there are any. What is already done costs a few stat calls.
 */
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { accessSync, constants, existsSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { createInterface } from "node:readline/promises";
import { fileURLToPath } from "node:url";

/** The folder of the clone. */
export const root = dirname(dirname(fileURLToPath(import.meta.url)));

/** Exit code for a host that lacks something; see docs/cli.md. */
export const exitHostLacks = 5;

/** The oldest Node that the dependencies support, as `[major, minor]`. */
export const oldestNode = [20, 19];

/** An error for people: its message is all that is printed. */
export class SetupError extends Error {
  /** @param {string} message @param {number} exitCode */
  constructor(message, exitCode = exitHostLacks) {
    super(message);
    this.exitCode = exitCode;
  }
}

/**
 * A host tool: where it is looked for, and the package that has it under each package manager (absent: not packaged).
 * A name with a slash is a library, looked for below the library folders.
 */
export const hostTools = [
  { name: "nft", packages: { apt: "nftables", dnf: "nftables", apk: "nftables", pacman: "nftables", zypper: "nftables" } },
  {
    name: "libnftables.so.1",
    isLibrary: true,
    packages: { apt: "libnftables1", dnf: "nftables", apk: "libnftables", pacman: "nftables", zypper: "libnftables1" },
  },
  { name: "ping", packages: { apt: "iputils-ping", dnf: "iputils", apk: "iputils-ping", pacman: "iputils", zypper: "iputils" } },
  { name: "curl", packages: { apt: "curl", dnf: "curl", apk: "curl", pacman: "curl", zypper: "curl" } },
  { name: "dig", packages: { apt: "dnsutils", dnf: "bind-utils", apk: "bind-tools", pacman: "bind", zypper: "bind-utils" } },
  { name: "iperf3", packages: { apt: "iperf3", dnf: "iperf3", apk: "iperf3", pacman: "iperf3", zypper: "iperf" } },
  { name: "bwrap", packages: { apt: "bubblewrap", dnf: "bubblewrap", apk: "bubblewrap", pacman: "bubblewrap", zypper: "bubblewrap" } },
  { name: "ip", packages: { apt: "iproute2", dnf: "iproute", apk: "iproute2", pacman: "iproute2", zypper: "iproute2" } },
  { name: "unshare", packages: { apt: "util-linux", dnf: "util-linux", apk: "util-linux", pacman: "util-linux", zypper: "util-linux" } },
  { name: "nsenter", packages: { apt: "util-linux", dnf: "util-linux", apk: "util-linux", pacman: "util-linux", zypper: "util-linux" } },
];

/** How each package manager installs without asking; `refresh` fetches its lists. */
export const packageManagers = {
  apt: { program: "apt-get", refresh: ["apt-get", "update"], install: ["apt-get", "install", "-y", "--no-install-recommends"] },
  dnf: { program: "dnf", install: ["dnf", "install", "-y"] },
  apk: { program: "apk", install: ["apk", "add"] },
  pacman: { program: "pacman", install: ["pacman", "-Sy", "--noconfirm", "--needed"] },
  zypper: { program: "zypper", install: ["zypper", "--non-interactive", "install"] },
};

const systemFolders = ["/usr/sbin", "/sbin", "/usr/bin", "/bin"];
const libraryFolders = ["/usr/lib", "/usr/lib64", "/lib", "/lib64", "/usr/local/lib"];

/** Throws on a Node that is too old. @param {string} version as in process.versions.node */
export function checkNode(version) {
  const [major = 0, minor = 0] = version.split(".").map(Number);
  const [oldestMajor = 0, oldestMinor = 0] = oldestNode;
  if (major > oldestMajor || (major === oldestMajor && minor >= oldestMinor)) return;
  throw new SetupError(
    `cnilab needs Node ${oldestNode.join(".")} or newer; this is Node ${version}.\nhttps://nodejs.org/en/download lists ways to get it.`,
  );
}

/** Folders of PATH and those that an ordinary user's PATH often lacks. @param {NodeJS.ProcessEnv} env */
export function programFolders(env) {
  return [...new Set([...(env["PATH"] ?? "").split(":").filter(Boolean), ...systemFolders])];
}

/** @param {string} name @param {string[]} folders */
function hasProgram(name, folders) {
  return folders.some((folder) => {
    try {
      accessSync(join(folder, name), constants.X_OK);
      return true;
    } catch {
      // Not in this folder.
      return false;
    }
  });
}

/** @param {string} name */
function hasLibrary(name) {
  // Debian keeps libraries in a folder named after the machine (x86_64-linux-gnu).
  return libraryFolders.some(
    (folder) =>
      existsSync(join(folder, name)) ||
      (existsSync(folder) &&
        readdirSync(folder).some((entry) => entry.includes("-linux-") && existsSync(join(folder, entry, name)))),
  );
}

/** The tools this host lacks. @param {NodeJS.ProcessEnv} env */
export function missingTools(env) {
  const folders = programFolders(env);
  return hostTools.filter((tool) => !(tool.isLibrary ? hasLibrary(tool.name) : hasProgram(tool.name, folders)));
}

/**
 * The commands that install these tools here, as argv; undefined without a package manager that is known.
 * @param {typeof hostTools} tools @param {(program: string) => boolean} hasManager
 */
export function installCommands(tools, hasManager) {
  for (const [key, manager] of Object.entries(packageManagers)) {
    if (!hasManager(manager.program)) continue;
    const packages = [...new Set(tools.map((tool) => tool.packages[key]).filter(Boolean))];
    const install = [...manager.install, ...packages];
    return manager.refresh === undefined ? { install } : { refresh: manager.refresh, install };
  }
  return undefined;
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

/** Number, newest time and total size of what the build reads: a removed, added or changed file shows. */
function sourceStamp(folder) {
  const inputs = [join(folder, "tsconfig.json"), join(folder, "tsconfig.build.json"), join(folder, "node_modules/.cnilab-lock")];
  for (const entry of readdirSync(join(folder, "src"), { recursive: true, withFileTypes: true })) {
    if (entry.isFile()) inputs.push(join(entry.parentPath ?? entry.path, entry.name));
  }
  let newest = 0;
  let bytes = 0;
  for (const input of inputs) {
    const { mtimeMs, size } = statSync(input, { throwIfNoEntry: false }) ?? { mtimeMs: 0, size: 0 };
    newest = Math.max(newest, mtimeMs);
    bytes += size;
  }
  return `${inputs.length} files, newest ${newest}, ${bytes} bytes\n`;
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

/** Runs a command whose output goes to standard error: standard output is the lab's. @param {string[]} argv */
function run([program, ...args], env = process.env) {
  process.stderr.write(`$ ${[program, ...args].join(" ")}\n`);
  const { status, error } = spawnSync(program, args, { cwd: root, env, stdio: ["ignore", 2, 2] });
  if (error !== undefined) throw new SetupError(`${program} could not be started: ${error.message}`);
  return status === 0;
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
  // tsc removes no outputs of files that are gone, and its state must go with them.
  rmSync(join(root, "dist"), { recursive: true, force: true });
  if (!run([process.execPath, "node_modules/typescript/bin/tsc", "-p", "tsconfig.build.json"])) {
    throw new SetupError("the build failed; the compiler's messages are above", 1);
  }
  stampBuild(root);
}

async function installTools() {
  if (process.platform !== "linux") return;
  const missing = missingTools(process.env);
  if (missing.length === 0) return;
  const names = missing.map((tool) => tool.name).join(", ");
  const folders = programFolders(process.env);
  const commands = installCommands(missing, (program) => hasProgram(program, folders));
  if (commands === undefined) throw new SetupError(`this host lacks ${names}; install them and start again`);
  if (process.getuid?.() !== 0) {
    throw new SetupError(`this host lacks ${names}. Install them with:\n\n  sudo ${commands.install.join(" ")}\n\nand start again.`);
  }
  if (process.stdin.isTTY && process.stderr.isTTY && !(await confirm(`cnilab needs ${names}. Run "${commands.install.join(" ")}"?`))) {
    throw new SetupError(`nothing was installed; this host lacks ${names}`);
  }
  const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive" };
  // The lists may be absent (a fresh container) or name versions that are gone: refreshed only when needed.
  const isInstalled = run(commands.install, env) || (commands.refresh !== undefined && run(commands.refresh, env) && run(commands.install, env));
  const left = missingTools(process.env).map((tool) => tool.name);
  if (!isInstalled || left.length > 0) {
    throw new SetupError(`could not install ${left.join(", ") || names}; the package manager's messages are above`);
  }
}

/** @param {string} question */
async function confirm(question) {
  const lines = createInterface({ input: process.stdin, output: process.stderr });
  const answer = await lines.question(`${question} [Y/n] `);
  lines.close();
  return /^(y|yes|)$/i.test(answer.trim());
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
