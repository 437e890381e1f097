/** The programs that labs run: which this host lacks, and how to get them. */
import { accessSync, constants, existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline/promises";
import { run, SetupError } from "./command.mjs";

/**
 * A host tool: where it is looked for, and the package that has it under each package manager (absent: not packaged).
 * A name with a slash is a library, looked for below the library folders.
 */
export const hostTools = [
  {
    name: "nft",
    packages: { apt: "nftables", dnf: "nftables", apk: "nftables", pacman: "nftables", zypper: "nftables" },
  },
  {
    name: "libnftables.so.1",
    isLibrary: true,
    packages: { apt: "libnftables1", dnf: "nftables", apk: "libnftables", pacman: "nftables", zypper: "libnftables1" },
  },
  {
    name: "ping",
    packages: { apt: "iputils-ping", dnf: "iputils", apk: "iputils-ping", pacman: "iputils", zypper: "iputils" },
  },
  { name: "curl", packages: { apt: "curl", dnf: "curl", apk: "curl", pacman: "curl", zypper: "curl" } },
  {
    name: "dig",
    packages: { apt: "dnsutils", dnf: "bind-utils", apk: "bind-tools", pacman: "bind", zypper: "bind-utils" },
  },
  { name: "iperf3", packages: { apt: "iperf3", dnf: "iperf3", apk: "iperf3", pacman: "iperf3", zypper: "iperf" } },
  {
    name: "tcpdump",
    packages: { apt: "tcpdump", dnf: "tcpdump", apk: "tcpdump", pacman: "tcpdump", zypper: "tcpdump" },
  },
  {
    name: "bwrap",
    packages: { apt: "bubblewrap", dnf: "bubblewrap", apk: "bubblewrap", pacman: "bubblewrap", zypper: "bubblewrap" },
  },
  {
    name: "ip",
    packages: { apt: "iproute2", dnf: "iproute", apk: "iproute2", pacman: "iproute2", zypper: "iproute2" },
  },
  {
    name: "unshare",
    packages: { apt: "util-linux", dnf: "util-linux", apk: "util-linux", pacman: "util-linux", zypper: "util-linux" },
  },
  {
    name: "nsenter",
    packages: { apt: "util-linux", dnf: "util-linux", apk: "util-linux", pacman: "util-linux", zypper: "util-linux" },
  },
];

/** How each package manager installs without asking; `refresh` fetches its lists. */
export const packageManagers = {
  apt: {
    program: "apt-get",
    refresh: ["apt-get", "update"],
    install: ["apt-get", "install", "-y", "--no-install-recommends"],
  },
  dnf: { program: "dnf", install: ["dnf", "install", "-y"] },
  apk: { program: "apk", install: ["apk", "add"] },
  pacman: { program: "pacman", install: ["pacman", "-Sy", "--noconfirm", "--needed"] },
  zypper: { program: "zypper", install: ["zypper", "--non-interactive", "install"] },
};

const systemFolders = ["/usr/sbin", "/sbin", "/usr/bin", "/bin"];
const libraryFolders = ["/usr/lib", "/usr/lib64", "/lib", "/lib64", "/usr/local/lib"];

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

/** Installs what is missing, or says how. Throws SetupError. */
export async function installTools() {
  if (process.platform !== "linux") return;
  const missing = missingTools(process.env);
  if (missing.length === 0) return;
  const names = missing.map((tool) => tool.name).join(", ");
  const folders = programFolders(process.env);
  const commands = installCommands(missing, (program) => hasProgram(program, folders));
  if (commands === undefined) throw new SetupError(`this host lacks ${names}; install them and start again`);
  if (process.getuid?.() !== 0) {
    throw new SetupError(
      `this host lacks ${names}. Install them with:\n\n  sudo ${commands.install.join(" ")}\n\nand start again.`,
    );
  }
  if (
    process.stdin.isTTY &&
    process.stderr.isTTY &&
    !(await confirm(`cnilab needs ${names}. Run "${commands.install.join(" ")}"?`))
  ) {
    throw new SetupError(`nothing was installed; this host lacks ${names}`);
  }
  const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive" };
  // The lists may be absent (a fresh container) or name versions that are gone: refreshed only when needed.
  const isInstalled =
    run(commands.install, env) ||
    (commands.refresh !== undefined && run(commands.refresh, env) && run(commands.install, env));
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
