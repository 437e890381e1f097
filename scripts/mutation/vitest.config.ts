import { readFileSync } from "node:fs";
import { defineConfig } from "vitest/config";
import { BaseSequencer, type TestSpecification } from "vitest/node";

/** Worlds that a property is tried on for one mutant. */
const PROPERTY_RUNS = "20";

/** Examples, then tables, which take half a second to read, then properties: the first test that fails ends a mutant, and most die of an example. */
class CheapestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const cost = ({ moduleId }: TestSpecification): number => {
      const text = readFileSync(moduleId, "utf8");
      return text.includes('from "fast-check"') ? 2 : /(truth-table|upstream-policies)\.ts"/.test(text) ? 1 : 0;
    };
    return files.toSorted((a, b) => cost(a) - cost(b));
  }
}

// The tests that say what the oracle and the grader do, without those of other folders that only pass through them.
export default defineConfig({
  test: {
    include: ["test/unit/policy/**/*.test.ts", "test/unit/grade/**/*.test.ts"],
    // Measures time, which a busy machine would take for a killed mutant.
    exclude: ["test/unit/policy/growth.test.ts"],
    setupFiles: ["scripts/mutation/properties.ts"],
    env: { CNILAB_PROPERTY_RUNS: PROPERTY_RUNS },
    sequence: { sequencer: CheapestFirst },
    // One module graph a mutant: importing it for each file took longer than the examples.
    isolate: false,
    testTimeout: 30_000,
  },
});
