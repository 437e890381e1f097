import type { EventSink, RunEvent } from "../core/events.ts";
import type { LabWarning } from "../core/errors.ts";
import { makeVisibleLine } from "../core/visible-text.ts";
import { describeDuration } from "./cell-text.ts";
import { shorten } from "./matrix-table.ts";
import type { Paint } from "./colour.ts";

/** `live`: one line that is redrawn, for a terminal. `plain`: a line a phase, for logs. `none`: warnings only. */
export type ProgressStyle = "live" | "plain" | "none";

/** Which style suits the stream: CI logs and pipes get plain lines. */
export function progressStyle(
  env: Record<string, string | undefined>,
  isTty: boolean,
  isQuiet: boolean,
): ProgressStyle {
  if (isQuiet) return "none";
  const isCi = env["CI"] !== undefined && env["CI"] !== "" && env["CI"] !== "false";
  return isTty && !isCi && env["TERM"] !== "dumb" ? "live" : "plain";
}

export interface ProgressOptions {
  style: ProgressStyle;
  paint: Paint;
  /** Columns of the terminal. */
  width: number;
  write(text: string): void;
  formatWarning(warning: LabWarning): string;
}

/** Draws run events as they come; `close` takes the live line away. */
export interface Progress {
  sink: EventSink;
  close(): void;
}

const clearLine = "\r\x1b[2K";

/** Progress for standard error; nothing of it is for programs to read. */
export function createProgress({ style, paint, width, write, formatWarning }: ProgressOptions): Progress {
  let isLineDrawn = false;
  const clear = (): void => {
    if (isLineDrawn) write(clearLine);
    isLineDrawn = false;
  };
  const draw = (text: string): void => {
    write(`${clearLine}${paint.dim(shorten(makeVisibleLine(text), Math.max(10, width - 1)))}`);
    isLineDrawn = true;
  };
  const line = (text: string): void => {
    clear();
    write(`${text}\n`);
  };

  function sink(event: RunEvent): void {
    if (event.type === "warning") return line(formatWarning(event.warning));
    if (style === "none") return;
    if (event.type === "phase-ended") {
      const mark = event.ok ? paint.green("✓") : paint.red("✗");
      return line(`${mark} ${makeVisibleLine(event.title)} ${paint.dim(describeDuration(event.durationMs))}`);
    }
    if (style === "plain") return;
    if (event.type === "phase-started") return draw(`… ${event.title}`);
    const counted = event.total === undefined ? "" : ` ${event.done ?? 0}/${event.total}`;
    draw(`… ${event.message}${counted}`);
  }
  return { sink, close: clear };
}
