import { homedir } from "node:os";
import { resolve } from "node:path";
import * as z from "zod";
import { isIp } from "../core/ip.ts";
import type { PlannedMachine } from "../plan/types.ts";

/*
 * Machines that are there already, as inventories and topologies name them. What is written here becomes words of ssh(1)'s command
 * line and file names: nothing may look like an option or end a word.
 */

/** A host name, an address, or an alias of ssh_config(5). */
const HOST = /^[A-Za-z0-9_][A-Za-z0-9_.:%-]{0,254}$/;
/** As useradd(8) takes them, and those of directory services. */
export const USER = /^[A-Za-z0-9_][A-Za-z0-9_.@+-]{0,63}\$?$/;
/** ssh(1), -J: `[user@]host[:port]`, an IPv6 address in brackets. */
const HOP = /^(?:([^@]+)@)?(?:\[([0-9A-Fa-f:.%]+)\]|([^:@[\]]+))(?::(\d{1,5}))?$/;

export function word(pattern: RegExp, what: string, hint?: string): z.ZodString {
  return z.string().superRefine((text, context) => {
    if (pattern.test(text)) return;
    const shown = JSON.stringify(text.slice(0, 60));
    context.addIssue({ code: "custom", message: `${shown} is no ${what}`, params: { hint } });
  });
}

const hop = z.string().superRefine((text, context) => {
  const [, user, ipv6, host, port] = HOP.exec(text) ?? [];
  const isRight =
    (ipv6 !== undefined || (host !== undefined && HOST.test(host))) &&
    (user === undefined || USER.test(user)) &&
    (port === undefined || (Number(port) >= 1 && Number(port) <= 65535));
  if (isRight) return;
  const message = `${JSON.stringify(text.slice(0, 60))} is no host to go by`;
  context.addIssue({ code: "custom", message, params: { hint: "write [user@]host[:port]" } });
});

/** A path in a file of ours: `~/` is the home folder, what is relative counts from the file's folder. */
export const filePath = z
  .string()
  .min(1)
  .max(4000)
  // eslint-disable-next-line no-control-regex
  .regex(/^[^\u0000-\u001f\u007f]*$/, { error: "a path is one line without control characters" });

/** How a machine is reached. */
export const machineFields = {
  address: word(HOST, "host name or address").optional().describe("default: the machine's name, as ssh(1) finds it"),
  port: z.int().min(1).max(65535).optional(),
  user: word(USER, "user name").optional(),
  key: filePath.optional().describe("file of the private key, beside those that ssh would try"),
  jump: z
    .union([hop, z.array(hop).max(8)])
    .optional()
    .describe("hosts to go by, [user@]host[:port]; default: ProxyJump of ssh_config"),
  sshConfig: filePath.optional().describe("an ssh_config instead of the user's"),
  knownHosts: filePath.optional().describe("a known_hosts file instead of those of ssh_config"),
  nodeAddress: z
    .string()
    .refine((text) => isIp(text), { error: "nodeAddress must be an IP address" })
    .optional()
    .describe("by which other nodes reach it; default: the address of its way to them"),
};

export type MachineInput = z.output<z.ZodObject<typeof machineFields>>;

/** A machine without its node. */
export type Reached = Omit<PlannedMachine, "node">;

/** A path of a file of ours as it is meant; `directory` is the file's. */
export function absolutePath(path: string, directory: string): string {
  return path === "~" || path.startsWith("~/") ? resolve(homedir(), path.slice(2)) : resolve(directory, path);
}

/** What is written of a machine, with absolute paths; `directory` is the file's. */
export function machineOf(name: string, input: MachineInput, directory: string): Reached {
  const { address, port, user, key, jump, sshConfig, knownHosts, nodeAddress } = input;
  const absolute = (path: string): string => absolutePath(path, directory);
  return {
    name,
    host: address ?? name,
    ...(port === undefined ? {} : { port }),
    ...(user === undefined ? {} : { user }),
    ...(key === undefined ? {} : { identityFile: absolute(key) }),
    ...(jump === undefined ? {} : { jump: typeof jump === "string" ? [jump] : jump }),
    ...(sshConfig === undefined ? {} : { configFile: absolute(sshConfig) }),
    ...(knownHosts === undefined ? {} : { knownHostsFile: absolute(knownHosts) }),
    ...(nodeAddress === undefined ? {} : { nodeAddress }),
  };
}
