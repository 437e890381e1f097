import { LabError } from "../../../core/errors.ts";
import { quoteWord } from "../../../core/shell-word.ts";
import type { SshTarget } from "../../../exec/ssh/types.ts";

/** What ssh(1) may be asked at every hop: nothing. Keys of hosts that it does not know end the connection. */
const STRICT = ["StrictHostKeyChecking=yes", "BatchMode=yes", "UpdateHostKeys=no"];

/**
 * Options of ssh(1) for a machine, as words for a POSIX shell: Ansible splits them like one. Its user, port and key are variables of
 * their own. Throws ANSIBLE_BAD_VALUE for what ssh_config(5) cannot express.
 */
export function sshArguments(target: SshTarget): string {
  const hops = target.jump ?? [];
  const proxy = hops.length === 0 ? [] : ["-o", `ProxyCommand=${proxyCommand(hops, target)}`];
  return [...optionsOf(target), ...proxy].map(quoteWord).join(" ");
}

function optionsOf(target: SshTarget): string[] {
  const { configFile, knownHostsFile } = target;
  const files = knownHostsFile === undefined ? [] : [`UserKnownHostsFile=${configPath(knownHostsFile, target)}`];
  return [
    ...(configFile === undefined ? [] : ["-F", configFile]),
    ...[...STRICT, ...files, ...(files.length === 0 ? [] : ["GlobalKnownHostsFile=none"])].flatMap((option) => [
      "-o",
      option,
    ]),
  ];
}

/**
 * The command that leads to the machine behind the last hop. ssh's own -J gives a hop nothing but the configuration file, so that it
 * would look into other known_hosts. Each level is quoted for the shell that runs it, its percent signs doubled (ssh_config(5), TOKENS).
 */
function proxyCommand(hops: readonly string[], target: SshTarget): string {
  const hop = hops.at(-1) ?? "";
  const before = hops.slice(0, -1);
  if (!/^(ssh:\/\/)?[\w.@:[\]%-]+$/.test(hop)) throw badValue(target, "jump host", hop);
  const nested = before.length === 0 ? [] : ["-o", `ProxyCommand=${proxyCommand(before, target)}`];
  const words = ["ssh", ...optionsOf(target), ...nested].map((word) => quoteWord(word).replaceAll("%", "%%"));
  const destination = hop.startsWith("ssh://") ? hop : `ssh://${hop}`;
  return ["exec", ...words, "-W", "'[%h]:%p'", quoteWord(destination).replaceAll("%", "%%")].join(" ");
}

/** A path in ssh_config(5): in double quotes, which nothing can stand for, its percent signs doubled; `${…}` is the environment's. */
function configPath(path: string, target: SshTarget): string {
  // oxlint-disable-next-line no-control-regex
  if (/["\u0000-\u001f]|\$\{/.test(path)) throw badValue(target, "known_hosts file", path);
  return `"${path.replaceAll("%", "%%")}"`;
}

/** ANSIBLE_BAD_VALUE for a value of a machine. */
export function badValue({ name }: Pick<SshTarget, "name">, what: string, value: string): LabError {
  return new LabError("ANSIBLE_BAD_VALUE", `${name}: ${JSON.stringify(value)} cannot be a ${what}`, {
    hint: "names and paths without quotes, line breaks and control characters",
  });
}
