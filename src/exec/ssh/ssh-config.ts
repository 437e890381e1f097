import { execFile } from "node:child_process";
import { homedir } from "node:os";
import { join } from "node:path";
import { LabError } from "../../core/errors.ts";
import { makeVisible, makeVisibleLine } from "../../core/visible-text.ts";
import type { SshTarget } from "./types.ts";

/** One SSH server on the way, as ssh_config(5) has it. */
export interface Hop {
  /** For messages: the machine's name, or the hop on the way to it. */
  label: string;
  host: string;
  port: number;
  user: string;
  /** Its name in known_hosts. */
  hostKeyName: string;
  /** The user's files, then the system's. */
  knownHostsFiles: readonly string[];
  identityFiles: readonly string[];
  identitiesOnly: boolean;
  /** Socket of the agent; undefined for none. */
  agent: string | undefined;
  proxyCommand: string | undefined;
  family: 0 | 4 | 6;
  bindAddress: string | undefined;
  connectTimeoutMs: number;
  /** Undefined where ssh_config(5) leaves it to us. */
  serverAlive: { intervalMs: number; count: number } | undefined;
  /** Names of RFC 4252 that may be used. */
  methods: ReadonlySet<string>;
  /** Nothing may be asked (BatchMode). */
  isBatch: boolean;
  algorithms: { hostKey: readonly string[]; kex: readonly string[]; cipher: readonly string[]; mac: readonly string[] };
}

const DEFAULT_CONNECT_TIMEOUT_MS = 15_000;
const SSH_TIMEOUT_MS = 15_000;
const MAX_HOPS = 16;

/** What ssh(1) takes for a host or user name since 9.6, and never for an option. */
function checkName(kind: string, text: string, label: string): void {
  // eslint-disable-next-line no-control-regex
  if (text !== "" && !text.startsWith("-") && !/[\s\u0000-\u001f\u007f'"`$\\;&<>|(){}*?!]/.test(text)) return;
  throw new LabError("SSH_CONFIG", `${makeVisibleLine(label)}: ${JSON.stringify(text)} cannot be a ${kind}`);
}

/** `[user@]host[:port]`, also as `ssh://…`, with an IPv6 address in brackets (ssh_config(5), ProxyJump). */
export function parseHop(text: string): Pick<SshTarget, "host" | "port" | "user"> {
  const match =
    /^(?:ssh:\/\/)?(?:(?<user>.+)@)?(?:\[(?<v6>[^\]]+)\]|(?<host>[^@:[\]]+))(?::(?<port>\d{1,5}))?\/?$/.exec(text);
  const { user, v6, host, port } = match?.groups ?? {};
  const name = v6 ?? host;
  if (name === undefined || Number(port ?? 22) > 65_535) {
    throw new LabError("SSH_CONFIG", `${JSON.stringify(text)} is no jump host: it is [user@]host[:port]`);
  }
  return { host: name, ...(user !== undefined && { user }), ...(port !== undefined && { port: Number(port) }) };
}

/**
 * The way to a machine, its jump hosts first, as `ssh -G` answers for each. Rejects with SSH_MISSING where ssh(1) is not installed,
 * SSH_CONFIG where it refuses the configuration, or where that asks for what is not supported.
 */
export async function resolveHops(
  target: SshTarget,
  environment: Record<string, string | undefined>,
): Promise<readonly Hop[]> {
  const hops: Hop[] = [];
  let jumps = target.jump;
  let next: SshTarget | undefined = target;
  while (next !== undefined) {
    if (hops.length === MAX_HOPS) {
      throw new LabError("SSH_CONFIG", `${target.name}: more than ${MAX_HOPS} hops; is a jump host its own jump host?`);
    }
    const label = next === target ? target.name : `${target.name}, jump host ${next.host}`;
    const { hop, proxyJump } = await resolveHop(next, label, environment);
    // A hop of a list has the one before it; only the first one's own configuration may lead further.
    jumps ??= proxyJump;
    hops.unshift(jumps.length === 0 ? hop : { ...hop, proxyCommand: undefined });
    const before = jumps.at(-1);
    jumps = jumps.length > 1 ? jumps.slice(0, -1) : undefined;
    const { jump: _, port: __, user: ___, ...rest } = target;
    next = before === undefined ? undefined : { ...rest, ...parseHop(before) };
  }
  return hops;
}

async function resolveHop(
  target: SshTarget,
  label: string,
  environment: Record<string, string | undefined>,
): Promise<{ hop: Hop; proxyJump: readonly string[] }> {
  checkName("host name", target.host, label);
  if (target.user !== undefined) checkName("user name", target.user, label);
  const { configFile, port, user, identityFile } = target;
  const args = [
    "-G",
    ...(configFile === undefined ? [] : ["-F", configFile]),
    ...(port === undefined ? [] : ["-p", String(port)]),
    ...(user === undefined ? [] : ["-l", user]),
    ...(identityFile === undefined ? [] : ["-i", identityFile]),
    "--",
    target.host,
  ];
  const said = parseAnswer(await askSsh(args, label, environment));
  const one = (key: string): string | undefined => said.get(key)?.[0];
  const words = (key: string): string[] => (one(key) ?? "").split(" ").filter((each) => each !== "" && each !== "none");
  const is = (key: string): boolean => ["yes", "true"].includes(one(key) ?? "");
  const list = (key: string): string[] => (one(key) ?? "").split(",").filter((each) => each !== "");
  const host = one("hostname") ?? target.host;
  const login = one("user") ?? "";
  checkName("host name", host, label);
  checkName("user name", login, label);
  const number = Number(one("port") ?? 22);
  if (is("proxyusefdpass")) throw new LabError("SSH_CONFIG", `${label}: ProxyUseFdpass is not supported`);
  const home = environment["HOME"] ?? homedir();
  const path = (text: string): string => (text.startsWith("~/") ? join(home, text.slice(2)) : text);
  const alias = one("hostkeyalias");
  const interval = Number(one("serveraliveinterval") ?? 0);
  const timeout = Number(one("connecttimeout"));
  const methods = ["publickey", "keyboard-interactive", "password"].filter(
    (method) => !NO_METHOD[method]?.some((key) => ["no", "false"].includes(one(key) ?? "")),
  );
  const knownHosts =
    target.knownHostsFile === undefined
      ? [...words("userknownhostsfile"), ...words("globalknownhostsfile")]
      : [target.knownHostsFile];
  const hop: Hop = {
    label: `${makeVisibleLine(label)} (${host}${number === 22 ? "" : ` port ${number}`})`,
    host,
    port: number,
    user: login,
    hostKeyName: alias ?? (number === 22 ? host.toLowerCase() : `[${host.toLowerCase()}]:${number}`),
    knownHostsFiles: knownHosts.map(path).filter((each) => each !== "/dev/null"),
    identityFiles: (said.get("identityfile") ?? []).filter((each) => each !== "none").map(path),
    identitiesOnly: is("identitiesonly"),
    agent: agentOf(one("identityagent"), environment, path),
    proxyCommand: proxyCommandOf(one("proxycommand"), { host, port: number, user: login, alias: target.host }, label),
    family: one("addressfamily") === "inet" ? 4 : one("addressfamily") === "inet6" ? 6 : 0,
    bindAddress: one("bindaddress"),
    connectTimeoutMs: timeout > 0 ? timeout * 1000 : DEFAULT_CONNECT_TIMEOUT_MS,
    serverAlive:
      interval > 0 ? { intervalMs: interval * 1000, count: Number(one("serveralivecountmax") ?? 3) } : undefined,
    methods: new Set(methods),
    isBatch: is("batchmode"),
    algorithms: {
      hostKey: list("hostkeyalgorithms"),
      kex: list("kexalgorithms"),
      cipher: list("ciphers"),
      mac: list("macs"),
    },
  };
  const jump = one("proxyjump");
  return { hop, proxyJump: jump === undefined || jump === "none" ? [] : jump.split(",") };
}

/** Options that turn a method off. */
const NO_METHOD: Readonly<Record<string, readonly string[]>> = {
  publickey: ["pubkeyauthentication"],
  "keyboard-interactive": ["kbdinteractiveauthentication"],
  password: ["passwordauthentication"],
};

/** Lines of a key in small letters and its value; some keys come several times. */
function parseAnswer(text: string): Map<string, string[]> {
  const said = new Map<string, string[]>();
  for (const line of text.split("\n")) {
    const at = line.indexOf(" ");
    if (at === -1) continue;
    const key = line.slice(0, at).toLowerCase();
    said.set(key, [...(said.get(key) ?? []), line.slice(at + 1).trim()]);
  }
  return said;
}

function agentOf(
  identityAgent: string | undefined,
  environment: Record<string, string | undefined>,
  path: (text: string) => string,
): string | undefined {
  if (identityAgent === "none") return undefined;
  const socket = environment["SSH_AUTH_SOCK"];
  if (identityAgent === undefined || identityAgent === "SSH_AUTH_SOCK") return socket === "" ? undefined : socket;
  if (identityAgent.startsWith("$")) return environment[identityAgent.slice(1).replaceAll(/[{}]/g, "")];
  return path(identityAgent);
}

/** ssh(1) expands these (ssh_config(5), TOKENS); names have been checked for what a shell would read. */
function proxyCommandOf(
  command: string | undefined,
  { host, port, user, alias }: { host: string; port: number; user: string; alias: string },
  label: string,
): string | undefined {
  if (command === undefined || command === "none") return undefined;
  const tokens: Readonly<Record<string, string>> = { "%": "%", h: host, n: alias, p: String(port), r: user };
  return command.replaceAll(/%(.?)/g, (token, letter: string) => {
    const value = tokens[letter];
    if (value === undefined) throw new LabError("SSH_CONFIG", `${label}: ProxyCommand with ${token} is not supported`);
    return value;
  });
}

function askSsh(
  args: readonly string[],
  label: string,
  environment: Record<string, string | undefined>,
): Promise<string> {
  return runTool("ssh", args, environment).then(({ exitCode, stdout, stderr }) => {
    if (exitCode === 0) return stdout;
    const said = makeVisible(stderr.trim()).split("\n").slice(-5).join("\n");
    throw new LabError("SSH_CONFIG", `${makeVisibleLine(label)}: ssh refuses its configuration: ${said}`);
  });
}

interface ToolResult {
  exitCode: number;
  stdout: string;
  stderr: string;
}

/** What is being asked just now, by the environment and the question. */
const asked = new WeakMap<object, Map<string, Promise<ToolResult>>>();

/**
 * A program of OpenSSH, to its end; those who ask the same at the same time share one answer. Rejects with SSH_MISSING where it is not
 * installed.
 */
export async function runTool(
  program: "ssh" | "ssh-keygen",
  args: readonly string[],
  environment: Record<string, string | undefined>,
): Promise<ToolResult> {
  const questions = asked.get(environment) ?? new Map<string, Promise<ToolResult>>();
  asked.set(environment, questions);
  const question = JSON.stringify([program, ...args]);
  const answer = questions.get(question) ?? startTool(program, args, environment);
  questions.set(question, answer);
  try {
    return await answer;
  } finally {
    questions.delete(question);
  }
}

function startTool(
  program: string,
  args: readonly string[],
  environment: Record<string, string | undefined>,
): Promise<ToolResult> {
  return new Promise((resolve, reject) => {
    const options = { env: environment, timeout: SSH_TIMEOUT_MS, killSignal: "SIGKILL", maxBuffer: 4 << 20 } as const;
    const child = execFile(program, args, options, (error, stdout, stderr) => {
      if (error === null) resolve({ exitCode: 0, stdout, stderr });
      else if (error.code === "ENOENT") {
        const hint = "install OpenSSH's client (Debian: openssh-client, RHEL: openssh-clients)";
        reject(new LabError("SSH_MISSING", `${program} is not installed on this host`, { hint, cause: error }));
      } else if (typeof error.code === "number") resolve({ exitCode: error.code, stdout, stderr });
      else
        reject(
          new LabError("SSH_CONFIG", `${program} did not end within ${SSH_TIMEOUT_MS / 1000} s`, { cause: error }),
        );
    });
    child.stdin?.end();
  });
}
