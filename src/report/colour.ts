import picocolors from "picocolors";

/** The colours that reports use, each a function from text to text. */
export type Paint = ReturnType<typeof picocolors.createColors>;

/** Colours, or functions that leave the text as it is. */
export function paintFor(colour: boolean): Paint {
  return picocolors.createColors(colour);
}

/**
 * Whether a stream gets colour: NO_COLOR (no-color.org) wins when it is not empty, then FORCE_COLOR (`0` and `false`
 * mean no), then whether the stream is a terminal that can.
 */
export function wantsColour(env: Record<string, string | undefined>, isTty: boolean): boolean {
  if (env["NO_COLOR"] !== undefined && env["NO_COLOR"] !== "") return false;
  const forced = env["FORCE_COLOR"];
  if (forced !== undefined && forced !== "") return forced !== "0" && forced !== "false";
  return isTty && env["TERM"] !== "dumb";
}
