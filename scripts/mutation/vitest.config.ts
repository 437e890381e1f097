import { defineConfig } from "vitest/config";

// The tests that say what the oracle and the grader do, without those of other folders that only pass through them.
export default defineConfig({
  test: {
    include: ["test/unit/policy/**/*.test.ts", "test/unit/grade/**/*.test.ts"],
    testTimeout: 30_000,
  },
});
