import fc from "fast-check";

// The same worlds for every mutant, so that a figure can be had again; a mutant is killed by the first, and nobody reads the smallest.
fc.configureGlobal({ seed: 1, endOnFailure: true, numRuns: Number(process.env["CNILAB_PROPERTY_RUNS"]) });
