import type { RunContext } from "./context.ts";

/** The same context, whose progress says what it is about: several labs are worked on at once. */
export function prefixedContext(outer: RunContext, prefix: string): RunContext {
  return {
    ...outer,
    emit: (event) => {
      if (event.type === "warning") outer.emit(event);
      else if (event.type === "progress") outer.emit({ ...event, message: prefix + event.message });
      else outer.emit({ ...event, title: prefix + event.title });
    },
  };
}
