import type { Evidence, Observation } from "../grade/types.ts";
import type { ResolvedSource } from "../providers/source.ts";
import { parseDig } from "./dig-output.ts";
import type { DigReply } from "./dig-output.ts";
import { observation, proofText } from "./observe.ts";
import { dropWatch, resolveHost } from "./resolve.ts";
import type { ResolvedTarget } from "./resolve.ts";
import { endedByDrop, runTool, unreadable } from "./tool.ts";
import type { ToolRun } from "./tool.ts";
import type { ProbeContext } from "./types.ts";

const DNS_PORT = 53;
const TRIES = 2;
const SECONDS_A_TRY = 1;
/** A search path asks once for each of its domains. */
const LONGEST_LOOKUP_MS = 20_000;
const LOOKUP = "lookup of ";

/** What to ask, and whom. */
export interface LookupQuestion {
  name: string;
  type: string;
  /** IP literal of the server; by default those of the source's resolv.conf. */
  server?: string;
  tcp?: boolean;
}

/** How a lookup ended, as an observation about the DNS server. */
export interface Lookup {
  observation: Observation;
  /** Present when the server replied, whatever its code. */
  reply?: DigReply;
  /** The server, where it is known. */
  server?: ResolvedTarget;
}

/**
 * Looks a name up with dig(1) from the source, through its own resolv.conf with its search path; a name that ends in a
 * dot is absolute. A reply with NOERROR is `allowed` even without records; NXDOMAIN, SERVFAIL and REFUSED are
 * `rejected`; silence is `dropped`. A datagram that is lost once is asked for again.
 */
export async function lookUp(question: LookupQuestion, from: ResolvedSource, context: ProbeContext): Promise<Lookup> {
  const protocol = question.tcp === true ? "tcp" : "udp";
  const address = question.server ?? (from.pod === undefined ? undefined : context.plan.cluster.dnsAddress);
  const server = address === undefined ? undefined : resolveHost(address, { port: DNS_PORT, protocol }, from, context);
  const untilDropped = server === undefined ? undefined : dropWatch(server, { port: DNS_PORT, protocol });
  const run = await runTool(context, from, digCommand(question), {
    timeoutMs: LONGEST_LOOKUP_MS,
    ...(untilDropped === undefined ? {} : { untilDropped }),
  });
  return { ...readLookup(run, question), ...(server === undefined ? {} : { server }) };
}

function digCommand({ name, type, server, tcp }: LookupQuestion): string[] {
  return [
    "dig",
    ...(server === undefined ? [] : [`@${server}`]),
    name.endsWith(".") || type === "PTR" ? "+nosearch" : "+search",
    `+time=${SECONDS_A_TRY}`,
    `+tries=${TRIES}`,
    ...(tcp === true ? ["+tcp"] : []),
    ...(type === "PTR" && /^[\d.]+$|:/.test(name) ? ["-x", name] : ["-q", name, "-t", type]),
  ];
}

function readLookup(run: ToolRun, { name, type }: LookupQuestion): Omit<Lookup, "server"> {
  const { result, proof } = run;
  const evidence: Evidence[] = [run.evidence];
  const latencyMs = result.durationMs;
  if (endedByDrop(run) && proof !== undefined) {
    return {
      observation: observation("dropped", `DNS query for ${name}: ${proofText(proof, "dropped")}`, {
        latencyMs,
        proof,
        evidence,
      }),
    };
  }
  const output = parseDig(result.stdout);
  if (output === undefined) throw unreadable("dig", result);
  if (output.kind === "no-reply") {
    const isShown = proof !== undefined;
    const outcome = output.isRefused ? "rejected" : "dropped";
    const how = isShown
      ? proofText(proof, outcome)
      : outcome === "rejected"
        ? output.detail
        : `no reply in ${TRIES} tries`;
    return { observation: observation(outcome, `DNS query for ${name}: ${how}`, { latencyMs, proof, evidence }) };
  }
  const timeMs = output.timeMs ?? latencyMs;
  if (output.rcode === "NOERROR") {
    const found = output.answers.map(({ data }) => data).join(", ");
    const reason = found === "" ? `${name} exists and has no ${type} record` : `${name} → ${found}`;
    return { observation: observation("allowed", reason, { latencyMs: timeMs, evidence }), reply: output };
  }
  return {
    observation: observation("rejected", `DNS answered ${output.rcode} for ${name}`, { latencyMs: timeMs, evidence }),
    reply: output,
  };
}

/** Addresses among the answers, in their order. */
export function answeredAddresses({ answers }: DigReply): string[] {
  return answers.filter(({ type }) => type === "A" || type === "AAAA").map(({ data }) => data);
}

/**
 * The destination that a cell is about when its name could not be looked up. It is the name and not the server it would
 * lead to, so that the server's answers to others never make a DNS fault count as "blocked".
 */
export function lookupDestination(name: string): string {
  return `${LOOKUP}${name}`;
}

/** The name whose lookup failed, where the destination of a cell is one of {@link lookupDestination}. */
export function lookedUpName(destination: string | undefined): string | undefined {
  return destination?.startsWith(LOOKUP) === true ? destination.slice(LOOKUP.length) : undefined;
}
