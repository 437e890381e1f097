/**
 * How often a property is tried: as often as its test says, or as CNILAB_PROPERTY_RUNS says. Who runs a test once for each of two thousand
 * mutants wants fewer worlds of it.
 */
export function propertyRuns(usual: number): number {
  return Number(process.env["CNILAB_PROPERTY_RUNS"] ?? usual);
}
