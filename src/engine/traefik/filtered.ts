import type { Headers } from "./forwarded-headers.ts";
import type { GoPath } from "./go-path.ts";

/** A request as it comes to a router's filters. */
export interface Asked {
  /** Path and query. */
  target: string;
  /** As the client wrote it, or as it was rewritten. */
  host: string;
  headers: Headers;
  method: string;
  clientAddress: string;
  isTls: boolean;
}

/** The same behind them. */
export interface Filtered extends Asked {
  /** Changes the headers of whatever answer there will be. */
  change?: (headers: Headers) => void;
  /** The answer, where a filter gives it. */
  redirect?: { status: number; location: string };
  /** A status that a filter answers with, and its words where they are not the status's own. */
  refused?: number;
  why?: string;
}

/** The same on its way through them. */
export interface Filtering extends Filtered {
  /** Of the target, as filters have left it. */
  path: GoPath;
  /** With its question mark. */
  query: string;
}

/** A further change of answers: that of an inner filter comes first. */
export function changingAnswers(at: Filtering, inner: (headers: Headers) => void): Filtering {
  const outer = at.change;
  const change = (headers: Headers): void => {
    inner(headers);
    outer?.(headers);
  };
  return { ...at, change };
}
