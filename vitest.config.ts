import { defineConfig } from "vitest/config";
import { SharedClusterLast } from "./test/rig/shared-cluster-last.ts";

// A line for each file as it ends, and what failed in it: whoever reads a cut-off CI log sees that much.
const reporters = ["./test/failures-reporter.ts", "default", "./test/counts-reporter.ts"];

export default defineConfig({
  test: {
    reporters,
    // A hung test must say so long before a CI job is ended from outside.
    testTimeout: 30_000,
    sequence: { sequencer: SharedClusterLast },
    projects: [
      {
        extends: true,
        // Hundreds of small files that share no state: one module graph a worker, or most of the time is importing it.
        test: { name: "unit", include: ["test/unit/**/*.test.ts"], isolate: false },
      },
      {
        extends: true,
        test: {
          name: "integration",
          include: ["test/integration/**/*.test.ts"],
          testTimeout: 60_000,
          hookTimeout: 60_000,
        },
      },
      {
        extends: true,
        // Whole labs on the real kernel: side by side they would disturb each other's timings.
        test: {
          name: "e2e",
          include: ["test/e2e/**/*.test.ts"],
          fileParallelism: false,
          testTimeout: 120_000,
          hookTimeout: 120_000,
          sequence: { groupOrder: 1 },
        },
      },
      {
        extends: true,
        // Real clusters on Docker, one after another: three nodes fill a small machine.
        test: {
          name: "rig",
          include: ["test/rig/**/*.test.ts"],
          globalSetup: ["test/rig/killed-lane.ts", "test/rig/calico-image.ts", "test/rig/shared-cluster.ts"],
          fileParallelism: false,
          testTimeout: 600_000,
          hookTimeout: 600_000,
          sequence: { groupOrder: 2 },
        },
      },
    ],
  },
});
