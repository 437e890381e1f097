import { stripVTControlCharacters } from "node:util";
import type { Reporter, TestCase, TestModule } from "vitest/node";

/** What fits a log that is cut off after some dozen lines, and still says what each failure was. */
const DIFFERENCE_LINES = 4;
const LINE_LENGTH = 300;

/** Each failure in a few lines, when its file ends: a run that is cut off has told them. And all of them before vitest's own account. */
export default class FailuresReporter implements Reporter {
  onTestModuleEnd(module: TestModule): void {
    for (const test of module.children.allTests("failed")) process.stdout.write(describe(test));
  }

  onTestRunEnd(modules: readonly TestModule[]): void {
    for (const test of modules.flatMap((module) => [...module.children.allTests("failed")]))
      process.stdout.write(describe(test));
  }
}

function describe(test: TestCase): string {
  const lines = [`failed: ${test.module.relativeModuleId}: ${test.fullName}`];
  for (const { message, diff } of test.result().errors ?? []) {
    const changed = stripVTControlCharacters(diff ?? "")
      .split("\n")
      .filter((line) => /^\+ .*\w/.test(line) && line !== "+ Received");
    for (const line of [...message.split("\n", 1), ...changed.slice(0, DIFFERENCE_LINES)])
      lines.push(`  ${line.slice(0, LINE_LENGTH)}`);
  }
  return `${lines.join("\n")}\n`;
}
