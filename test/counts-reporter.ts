import type { Reporter, TestCase, TestModule } from "vitest/node";
import { skipsAllowedInCi } from "./skips.ts";

/**
 * Prints why tests were skipped, and `N passed, N failed, N skipped` as the last line. In CI a skip that no lane
 * announces is a failure: a test that never runs there would rot unseen.
 */
export default class CountsReporter implements Reporter {
  onTestRunEnd(modules: readonly TestModule[], unhandledErrors: readonly unknown[]): void {
    const tests = modules.flatMap((module) => [...module.children.allTests()]);
    const broken = modules.filter((module) => module.errors().length > 0).length + unhandledErrors.length;
    const isCi = process.env["CNILAB_CI"] === "true" || process.env["CI"] === "true";
    const skipped = tests.filter((test) => test.result().state === "skipped");
    const reasons = new Map<string, number>();
    for (const test of skipped) reasons.set(reasonOf(test), (reasons.get(reasonOf(test)) ?? 0) + 1);
    for (const [reason, count] of reasons) process.stdout.write(`skipped ${count}: ${reason}\n`);

    const forbidden = isCi
      ? skipped.filter((test) => !skipsAllowedInCi.some((allowed) => reasonOf(test).includes(allowed)))
      : [];
    for (const test of forbidden)
      process.stdout.write(`not allowed to be skipped in CI: ${test.fullName} (${reasonOf(test)})\n`);
    if (forbidden.length > 0) process.exitCode = 1;

    const passed = tests.filter((test) => test.result().state === "passed").length;
    const failed = tests.filter((test) => test.result().state === "failed").length + broken + forbidden.length;
    process.stdout.write(`${passed} passed, ${failed} failed, ${skipped.length - forbidden.length} skipped\n`);
  }
}

/** The note of `context.skip("why")`; `test.skip` and `skipIf` have none and say so. */
function reasonOf(test: TestCase): string {
  const result = test.result();
  return (result.state === "skipped" ? result.note : undefined) ?? "no reason given";
}
