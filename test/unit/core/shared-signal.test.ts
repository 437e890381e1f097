import { expect, it, vi } from "vitest";
import { sharedSignal } from "../../../src/core/shared-signal.ts";

it("has as many listeners as there are, and is the same signal", () => {
  const warn = vi.spyOn(process, "emitWarning").mockImplementation(() => undefined);
  const listen = (signal: AbortSignal): void => {
    for (let count = 0; count < 50; count++) signal.addEventListener("abort", () => count);
  };
  const [shared, plain] = [new AbortController().signal, new AbortController().signal];
  expect(sharedSignal(shared)).toBe(shared);
  listen(shared);
  expect(warn).not.toHaveBeenCalled();
  listen(plain);
  expect(warn).toHaveBeenCalledTimes(1);
  warn.mockRestore();
});
