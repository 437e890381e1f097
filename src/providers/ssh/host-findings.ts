import type { Plan } from "../../plan/types.ts";
import { findProgram } from "../../exec/find-program.ts";
import type { Finding } from "../types.ts";
import { ansibleFinding } from "./ansible/find-ansible.ts";
import { hostAnsible } from "./ansible/host-ansible.ts";
import { vmFindings } from "./vm/host.ts";

/** What this host lacks to work on machines. Changes nothing; the machines themselves are measured by `up`. */
export async function hostFindings(plan: Plan | undefined): Promise<Finding[]> {
  const path = process.env["PATH"];
  const programs = ["ssh", "ssh-keygen"].map(async (name): Promise<Finding> => {
    const found = await findProgram(name, path);
    return found === undefined
      ? { code: "SSH_MISSING", ok: false, message: `${name} is not in PATH`, remedy: "apt-get install openssh-client" }
      : { code: "HOST_SSH", ok: true, message: `${name} is ${found}` };
  });
  const ansible = ansibleFinding(hostAnsible(AbortSignal.timeout(30_000)));
  const vms = plan === undefined ? undefined : (plan.machines ?? []).flatMap(({ vm }) => vm ?? []);
  return [...(await Promise.all(programs)), await ansible, ...(await vmFindings(vms, path))];
}
