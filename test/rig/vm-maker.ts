import { makeVms } from "../../src/providers/ssh/vm/make.ts";
import { vmPlan } from "./vm-plan.ts";

/** Makes two virtual machines and waits to be killed. */
const { image, stateDirectory } = JSON.parse(process.argv[2] ?? "") as { image: string; stateDirectory: string };
await makeVms(vmPlan({ image }, 2), {
  stateDirectory,
  signal: new AbortController().signal,
  progress: () => undefined,
});
setInterval(() => undefined, 1000);
