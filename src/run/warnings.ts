import type { LabWarning } from "../core/errors.ts";
import type { RunContext } from "./context.ts";

/** The same context, whose warnings are also kept for the report. */
export function collectWarnings(outer: RunContext): { context: RunContext; warnings: LabWarning[] } {
  const warnings: LabWarning[] = [];
  const context: RunContext = {
    ...outer,
    emit: (event) => {
      if (event.type === "warning") warnings.push(event.warning);
      outer.emit(event);
    },
  };
  return { context, warnings };
}
