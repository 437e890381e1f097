import * as z from "zod";
import { stateFile } from "../state-file.ts";

const schema = z.object({
  lab: z.string(),
  owner: z.string(),
  /** Absolute paths, in the order of their precedence. */
  kubeconfigs: z.array(z.string()).min(1),
  context: z.string(),
  /** "making" until the lab may outlive the run that makes it. */
  stage: z.enum(["making", "up"]),
});

/** What is written before anything is made: whose namespaces to look for, and in which cluster. Never credentials. */
export type ExistingState = z.infer<typeof schema>;

const file = stateFile("existing.json", schema);

/** Undefined where nothing was made here. */
export const readExistingState = file.read;

export const writeExistingState = file.write;

/** The last step of `down`. */
export const removeExistingState = file.remove;
