import * as z from "zod";
import { describeBounds, parseBound, type Dimension, type ParsedBound } from "../core/bound.ts";
import { formatDurationMs, parseDurationMs } from "../core/duration.ts";
import { LabError } from "../core/errors.ts";
import { parseIp } from "../core/ip.ts";
import type { EndpointRef } from "../plan/types.ts";
import { parseEndpointRef, parsePodPattern, type PodPattern } from "./refs.ts";

/**
 * Schema pieces for the options of probe and scenario kinds. A custom issue may carry `params: {code, hint}`, which
 * become the LabError's.
 */

/** Runs a parser that throws LabError and hands its code and hint on as a zod issue. */
export function parsedBy<Output>(parse: (text: string) => Output): z.ZodType<Output, string> {
  return z.string().transform((text, context) => {
    try {
      return parse(text);
    } catch (error) {
      if (!(error instanceof LabError)) throw error;
      context.addIssue({ code: "custom", message: error.message, params: { code: error.code, hint: error.hint } });
      return z.NEVER;
    }
  });
}

const HOUR_MS = 3_600_000;

/** `30s`, `1m30s`, `500ms` → milliseconds, at most `mostMs`, by default an hour. */
export function durationField(mostMs = HOUR_MS): z.ZodType<number, string | number> {
  const longest = formatDurationMs(mostMs);
  const [most, words] = mostMs === HOUR_MS ? ["60m", "an hour"] : [longest, longest];
  // A number is taken in only to be told what it lacks; editors should refuse it.
  return z
    .union([z.string(), z.number()])
    .transform((written, context) => {
      const durationMs = typeof written === "string" ? parseDurationMs(written) : undefined;
      if (durationMs !== undefined && durationMs <= mostMs) return durationMs;
      const text = JSON.stringify(written);
      const problem =
        durationMs !== undefined
          ? { message: `${text} is longer than ${words}`, hint: `the longest is ${most}` }
          : /^"?\d+"?$/.test(text)
            ? { message: `duration ${text} has no unit`, hint: `write ${text.replaceAll('"', "")}s for seconds` }
            : { message: `${text} is no duration`, hint: "write it like 500ms, 30s or 1m30s" };
      context.addIssue({
        code: "custom",
        message: problem.message,
        params: { code: "LAB_BAD_DURATION", hint: problem.hint },
      });
      return z.NEVER;
    })
    .meta({ type: "string", examples: ["30s", "1m30s", "500ms"] });
}

/** A reference such as `shop/deployment/web`; see {@link parseEndpointRef}. */
export function endpointField(): z.ZodType<EndpointRef, string> {
  return parsedBy(parseEndpointRef);
}

/** A pod pattern such as `shop/*`; see {@link parsePodPattern}. */
export function podPatternField(): z.ZodType<PodPattern, string> {
  return parsedBy(parsePodPattern);
}

/** A comparison such as ">= 500 Mbit/s", its value in the dimension's base unit. */
export function boundField(dimension: Dimension): z.ZodType<ParsedBound, string | number> {
  return z.union([z.string(), z.number()]).transform((written, context) => {
    const bound = parseBound(written, dimension);
    if (bound !== undefined) return bound;
    context.addIssue({
      code: "custom",
      message: `${JSON.stringify(written)} is no bound on a ${dimension}`,
      params: { code: "LAB_BAD_BOUND", hint: describeBounds(dimension) },
    });
    return z.NEVER;
  });
}

/** `10 Mbit/s` → bits a second, more than none and at most `mostBps`. */
export function rateField(mostBps: number): z.ZodType<number, string> {
  return parsedBy((text) => {
    const rateBps = /^\d/.test(text.trim()) ? parseBound(`== ${text}`, "rate")?.value : undefined;
    if (rateBps !== undefined && rateBps >= 1000 && rateBps <= mostBps) return rateBps;
    throw new LabError("LAB_BAD_RATE", `${JSON.stringify(text)} is no rate of 1 kbit/s to ${mostBps / 1e9} Gbit/s`, {
      hint: "write it like 10 Mbit/s; units: bit/s, kbit/s, Mbit/s, Gbit/s",
    });
  });
}

/** A port number, 1 to 65535. */
export function portField(): z.ZodType<number, number> {
  return z.int().min(1).max(65_535);
}

const PORT_PROTOCOLS = ["tcp", "udp", "sctp"] as const;

/** A port with its protocol. SCTP is read so that the plan can say where it is asked for: nothing sends it. */
export interface ProtocolPort {
  port: number;
  protocol: (typeof PORT_PROTOCOLS)[number];
}

/** `5432/tcp`, `53/udp`, `3868/sctp`, or a number, which means TCP. */
export function protocolPortField(): z.ZodType<ProtocolPort, string | number> {
  return z.union([z.string(), z.number()]).transform((written, context) => {
    const [, number, word = "tcp"] = /^(\d{1,5})(?:\/([a-z]+))?$/i.exec(String(written)) ?? [];
    const port = Number(number);
    const protocol = PORT_PROTOCOLS.find((each) => each === word.toLowerCase());
    if (protocol !== undefined && port >= 1 && port <= 65_535) return { port, protocol };
    context.addIssue({
      code: "custom",
      message: `${JSON.stringify(written)} is no port`,
      params: { code: "LAB_BAD_PORT", hint: "write PORT/tcp or PORT/udp, for example 5432/tcp; ports are 1 to 65535" },
    });
    return z.NEVER;
  });
}

/** Families that a probe may ask for. */
const ADDRESS_FAMILIES = ["ipv4", "ipv6"] as const;
export type AddressFamily = (typeof ADDRESS_FAMILIES)[number];

/** Which of its target's addresses a probe takes. */
export function familyField() {
  return z
    .enum(ADDRESS_FAMILIES)
    .optional()
    .describe("Of the target's address; default its first that the source has one of, too");
}

/** An IP literal of either family. */
export function addressField(): z.ZodType<string, string> {
  return parsedBy((text) => {
    if (parseIp(text) === undefined) {
      throw new LabError("LAB_BAD_ADDRESS", `${JSON.stringify(text)} is no IP address`);
    }
    return text;
  });
}
