import * as z from "zod";
import { formatDurationMs } from "../../core/duration.ts";
import { LabError } from "../../core/errors.ts";
import { makeVisibleLine } from "../../core/visible-text.ts";
import { runScript, type Machine } from "./machine-script.ts";

/** When a switch mends a link that nobody came back to, where the fault says nothing. */
const USUAL_MS = 600_000;
const SHORTEST_MS = 1000;
const LONGEST_MS = 3_600_000;
const TIMEOUT_MS = 60_000;

export interface LinkFaultOptions {
  /** When the machine mends the link by itself, 1 s to 1 h; it must be given for the link that we come by. */
  durationMs?: number;
  signal?: AbortSignal;
}

export interface BrokenLink {
  interface: string;
  /** Only the switch mends it: we do not reach the machine until then. */
  isOurWay: boolean;
  /** When the machine mends the link by itself, from now. */
  mendsInMs: number;
}

/** What a link does to packets that leave by it: delay and loss by tc-netem(8), a rate alone by tc-tbf(8). */
export interface LinkShape {
  delayMs?: number;
  /** 0 to 1. */
  loss?: number;
  rateBps?: number;
}

const answer = z.union([
  z.object({ code: z.string(), message: z.string().max(4096) }),
  z.object({ isOurWay: z.boolean(), switch: z.enum(["systemd", "sh"]) }),
  z.object({ mended: z.boolean() }),
]);

/**
 * Takes an interface down. A timer on the machine mends it, addresses and routes included, should nobody do so before: it is armed
 * before the link is touched. Again on a link that is cut: its timer starts anew. Rejects with FAULT_NO_INTERFACE, FAULT_LINK_DOWN,
 * FAULT_DURATION, FAULT_NEEDS_DURATION.
 */
export async function cutLink(machine: Machine, name: string, options: LinkFaultOptions = {}): Promise<BrokenLink> {
  return broken(machine, name, { verb: "cut" }, options);
}

/** Gives a link delay, loss or a rate, mended as {@link cutLink}. Rejects with FAULT_NOT_POSSIBLE where the kernel cannot. */
export async function shapeLink(
  machine: Machine,
  name: string,
  shape: LinkShape,
  options: LinkFaultOptions = {},
): Promise<BrokenLink> {
  return broken(machine, name, { verb: "shape", qdisc: qdiscOf(shape) }, options);
}

async function broken(
  machine: Machine,
  name: string,
  request: { verb: "cut" } | { verb: "shape"; qdisc: string[] },
  { durationMs, signal }: LinkFaultOptions,
): Promise<BrokenLink> {
  const mendsInMs = durationMs ?? USUAL_MS;
  if (!(mendsInMs >= SHORTEST_MS && mendsInMs <= LONGEST_MS)) {
    throw new LabError(
      "FAULT_DURATION",
      `a link cannot be broken for ${formatDurationMs(mendsInMs)}: from ${formatDurationMs(SHORTEST_MS)} to ${formatDurationMs(LONGEST_MS)}`,
    );
  }
  const client = await clientAddress(machine, signal);
  const full = {
    ...request,
    interface: name,
    client,
    durationMs: Math.round(mendsInMs),
    isBounded: durationMs !== undefined,
  };
  const said = await ask(machine, full, signal);
  if (!("isOurWay" in said)) throw new TypeError("a link that is to be broken was mended");
  return { interface: name, isOurWay: said.isOurWay, mendsInMs };
}

/** Where the machine sees us come from (sshd(8), SSH_CONNECTION); "" where it does not say. */
async function clientAddress({ remote }: Machine, signal: AbortSignal | undefined): Promise<string> {
  const { stdout } = await remote.run(
    ["sh", "-c", 'printf %s "${SSH_CONNECTION:-}"'],
    signal === undefined ? {} : { signal },
  );
  return stdout.split(" ")[0] ?? "";
}

/**
 * Brings a link back as it was, unless its switch has done so: false then, and where nothing was broken. Idempotent; resolves when
 * the link is up and its switch is disarmed. For the link that we come by, wait for {@link BrokenLink.mendsInMs} first.
 */
export async function mendLink(machine: Machine, name: string, signal?: AbortSignal): Promise<boolean> {
  const said = await ask(machine, { verb: "mend", interface: name }, signal);
  return "mended" in said && said.mended;
}

async function ask(
  machine: Machine,
  request: Record<string, unknown>,
  signal: AbortSignal | undefined,
): Promise<Exclude<z.infer<typeof answer>, { code: string }>> {
  const options = { timeoutMs: TIMEOUT_MS, ...(signal === undefined ? {} : { signal }) };
  const said = await runScript(machine, "fault.py", request, answer, options);
  if (!("code" in said)) return said;
  const message = `${machine.name}: ${makeVisibleLine(said.message)}`;
  switch (said.code) {
    case "FAULT_NO_INTERFACE":
      throw new LabError("FAULT_NO_INTERFACE", message, { hint: "name one of these" });
    case "FAULT_LINK_DOWN":
      throw new LabError("FAULT_LINK_DOWN", message, { hint: "bring it up first, or break another link" });
    case "FAULT_NEEDS_DURATION":
      throw new LabError("FAULT_NEEDS_DURATION", message, { hint: "say for how long: duration: 30s" });
    default:
      throw new LabError("FAULT_NOT_POSSIBLE", message, { hint: "use a machine whose kernel can, or another fault" });
  }
}

/** Pure: the queueing discipline of a shape, as tc(8) takes it. */
export function qdiscOf({ delayMs = 0, loss = 0, rateBps = 0 }: LinkShape): string[] {
  const isPossible = delayMs >= 0 && loss >= 0 && loss <= 1 && rateBps >= 0 && delayMs + loss + rateBps > 0;
  if (!isPossible || !Number.isFinite(delayMs + rateBps)) {
    throw new LabError("FAULT_SHAPE", "a link's shape needs a delay, a loss from 0 to 1, or a rate");
  }
  if (delayMs === 0 && loss === 0) {
    // A bucket that holds what a timer's tick of 10 ms lets through, and a packet at least (tc-tbf(8), "burst").
    const burst = Math.max(1600, Math.ceil(rateBps / 8 / 100));
    return ["tbf", "rate", `${Math.round(rateBps)}bit`, "burst", `${burst}`, "latency", "50ms"];
  }
  return [
    "netem",
    ...(delayMs > 0 ? ["delay", `${Math.round(delayMs * 1000)}us`] : []),
    ...(loss > 0 ? ["loss", `${(loss * 100).toFixed(4)}%`] : []),
    ...(rateBps > 0 ? ["rate", `${Math.round(rateBps)}bit`] : []),
  ];
}
