import { setTimeout as delay } from "node:timers/promises";
import type { Duplex } from "node:stream";
import type { Client } from "ssh2";
import { LabError } from "../../core/errors.ts";
import { dial, openStream, Turned } from "./dial.ts";
import type { DialOptions } from "./dial.ts";
import { Slots } from "./slots.ts";
import { findKnownKeys } from "./known-hosts.ts";
import { resolveHops } from "./ssh-config.ts";
import type { Hop } from "./ssh-config.ts";
import type { SshTarget } from "./types.ts";

/** Of one sshd at a time: sshd turns some away from the tenth on (MaxStartups 10:30:100 of sshd_config(5)). */
const OPENING_LIMIT = 6;
const TURNED_LIMIT_MS = 30_000;
const FIRST_PAUSE_MS = 50;
const LONGEST_PAUSE_MS = 1000;

/** By the way to it, for all connections of this process. */
const opening = new Map<string, Slots>();

/** The connections of a machine: its own, and those to the hops before it. */
export interface Login {
  client: Client;
  hop: Hop;
  /** Ends all of them. */
  end(): void;
}

/** Logs in to a machine over all its hops. Rejects as `openRemote` does; nothing stays open then. */
export async function login(target: SshTarget, options: DialOptions): Promise<Login> {
  const hops = await resolveHops(target, options.environment);
  const clients: Client[] = [];
  const end = (): void => clients.toReversed().forEach((client) => client.end());
  try {
    let way = "";
    for (const hop of hops) {
      const before = clients.at(-1);
      way = `${way} ${hop.host}:${hop.port}`;
      // One hop leads to the next.
      clients.push(await reach(hop, way, before, options));
    }
    const [client, hop] = [clients.at(-1), hops.at(-1)];
    if (client === undefined || hop === undefined) throw new Error("a machine is its own last hop");
    // A client without a listener would take the process with it.
    for (const each of clients) each.on("error", () => undefined);
    return { client, hop, end };
  } catch (error) {
    end();
    throw error;
  }
}

/** One hop; who is turned away because too many come at once tries again, a little later each time. */
async function reach(hop: Hop, way: string, before: Client | undefined, options: DialOptions): Promise<Client> {
  const slots = opening.get(way) ?? new Slots(OPENING_LIMIT);
  opening.set(way, slots);
  const known = await findKnownKeys(hop, options.environment);
  const giveBack = await slots.take(options.signal);
  try {
    const until = Date.now() + TURNED_LIMIT_MS;
    for (let pause = FIRST_PAUSE_MS; ; pause = Math.min(2 * pause, LONGEST_PAUSE_MS)) {
      options.signal?.throwIfAborted();
      try {
        const stream = await (before === undefined ? openStream(hop, options.signal) : forward(before, hop));
        return await dial(hop, known, stream, options);
      } catch (error) {
        if (!(error instanceof Turned)) throw error;
        if (Date.now() + pause > until) {
          const why = `the server closed each connection before it began, for ${TURNED_LIMIT_MS / 1000} s`;
          throw new LabError("SSH_UNREACHABLE", `${hop.label}: no SSH connection: ${why}`, {
            hint: "it may have too many connections (MaxStartups of sshd_config(5)), or something else listens on the port",
            cause: error,
          });
        }
        // Those turned away together must not come back together.
        await delay(pause * (0.5 + Math.random()), undefined, { signal: options.signal });
      }
    }
  } finally {
    giveBack();
  }
}

/** A stream to the next hop, which the hop before opens. */
function forward(client: Client, hop: Hop): Promise<Duplex> {
  return new Promise((resolve, reject) => {
    const limit = setTimeout(
      () => failed(new Error(`no answer in ${hop.connectTimeoutMs / 1000} s`)),
      hop.connectTimeoutMs,
    );
    const failed = (error: Error): void => {
      clearTimeout(limit);
      reject(
        new LabError("SSH_UNREACHABLE", `${hop.label}: the hop before it opens no connection to it: ${error.message}`, {
          cause: error,
        }),
      );
    };
    try {
      client.forwardOut("127.0.0.1", 0, hop.host, hop.port, (error, channel) => {
        clearTimeout(limit);
        if (error === undefined) resolve(channel);
        else failed(error);
      });
    } catch (error) {
      failed(error as Error);
    }
  });
}
