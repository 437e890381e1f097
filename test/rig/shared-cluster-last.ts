import { readFileSync } from "node:fs";
import { BaseSequencer, type TestSpecification } from "vitest/node";

/**
 * The order of test files: vitest's own, but those on the shared cluster (shared-cluster.ts) come last. Its three nodes stay
 * until the end of the run, and would take processor time from labs whose real and embedded clusters are compared.
 */
export class SharedClusterLast extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const sorted = await super.sort(files);
    return [...sorted.filter((file) => !isOnSharedCluster(file)), ...sorted.filter(isOnSharedCluster)];
  }
}

function isOnSharedCluster({ project, moduleId }: TestSpecification): boolean {
  return project.name === "rig" && readFileSync(moduleId, "utf8").includes('from "./shared-cluster.ts"');
}
