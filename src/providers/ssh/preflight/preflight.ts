import { asError } from "../../../core/as-error.ts";
import { LabError } from "../../../core/errors.ts";
import { makeVisibleLine } from "../../../core/visible-text.ts";
import type { Finding } from "../../types.ts";
import { kernelTries } from "../../kernel-features.ts";
import { describeLease, isOurs, leaseRemedy, readLease, type LeaseState } from "../lease.ts";
import { runScript, type Machine } from "../machine-script.ts";
import { clockBounds, machineFacts, type MachineRole, type MeasuredMachine } from "./facts.ts";
import { machineFindings, named } from "./machine-findings.ts";
import { portsReachedBy, type PreflightNeeds } from "./needs.ts";
import { pairFindings } from "./pair-findings.ts";

/** A machine as the lab has it. */
export interface PreflightMachine extends Machine {
  role: MachineRole;
  /** Of the node network; IPv4. */
  address: string;
}

/** So that the number of packets grows with the machines, not with their square. */
const PEERS = 16;
const TIMEOUT_MS = 20_000;

/**
 * All that stands in the way of a lab on these machines, at once: each is measured by one program in one round trip, all side by
 * side. Changes nothing there and leaves nothing. A machine that cannot be asked is a finding, too; rejects only on abort.
 */
export async function preflightMachines(
  machines: readonly PreflightMachine[],
  needs: PreflightNeeds,
  signal?: AbortSignal,
): Promise<Finding[]> {
  const looks = await Promise.all(
    machines.map((machine, index) => look(machine, peersOf(machines, index), needs, signal)),
  );
  signal?.throwIfAborted();
  const measured = looks.flatMap(({ machine }) => (machine === undefined ? [] : [machine]));
  const single = await Promise.all(
    looks.map(async ({ machine, lease, findings }) => [
      ...findings,
      ...(machine === undefined
        ? []
        : await machineFindings(machine, needs, isOurs(lease, needs.owner) && needs.force !== "after")),
    ]),
  );
  return [...single.flat(), ...pairFindings(measured, needs)];
}

/** The next ones in their order, so that each is asked by as many as it asks. */
function peersOf(machines: readonly PreflightMachine[], index: number): PreflightMachine[] {
  return [...machines.slice(index + 1), ...machines.slice(0, index)].slice(0, PEERS);
}

interface Look {
  machine?: MeasuredMachine;
  lease: LeaseState;
  findings: Finding[];
}

async function look(
  machine: PreflightMachine,
  peers: readonly PreflightMachine[],
  needs: PreflightNeeds,
  signal: AbortSignal | undefined,
): Promise<Look> {
  const [measured, lease] = await Promise.allSettled([
    measure(machine, peers, needs, signal),
    readLease(machine, signal),
  ]);
  const state: LeaseState = lease.status === "fulfilled" ? lease.value : { kind: "free" };
  if (measured.status === "rejected") {
    return {
      lease: state,
      findings: [...(await unmeasured(machine, measured.reason, signal)), ...leaseFindings(machine.name, state, needs)],
    };
  }
  const unknown =
    lease.status === "rejected"
      ? [
          named(machine.name, {
            code: "MACHINE_UNMEASURED",
            message: `its lease: ${withoutName(machine.name, asError(lease.reason))}`,
          }),
        ]
      : [];
  return {
    machine: measured.value,
    lease: state,
    findings: [...unknown, ...leaseFindings(machine.name, state, needs)],
  };
}

async function measure(
  machine: PreflightMachine,
  peers: readonly PreflightMachine[],
  needs: PreflightNeeds,
  signal: AbortSignal | undefined,
): Promise<MeasuredMachine> {
  const request = {
    kernel: kernelTries([...needs.kernel, ...needs.shapers]),
    packetBytes: needs.packetBytes,
    peers: peers.map(({ name, address, role }) => ({
      name,
      address,
      ports: portsReachedBy(machine.role, role, needs).map(({ protocol, port }) => ({ protocol, port })),
    })),
  };
  const options = { timeoutMs: TIMEOUT_MS, ...(signal === undefined ? {} : { signal }) };
  const asked = Date.now();
  const facts = await runScript(machine, "preflight.py", request, machineFacts, options);
  const { name, role, address } = machine;
  return { name, role, address, facts, clock: clockBounds(facts, asked, Date.now()) };
}

/** Why a machine could not be measured: what it lacks for that hides all else. */
async function unmeasured(
  { name, remote }: PreflightMachine,
  reason: unknown,
  signal: AbortSignal | undefined,
): Promise<Finding[]> {
  signal?.throwIfAborted();
  const error = asError(reason);
  const code = error instanceof LabError ? error.code : "MACHINE_UNMEASURED";
  const hint = error instanceof LabError && error.hint !== undefined ? { remedy: error.hint } : {};
  if (code !== "MACHINE_SCRIPT_FAILED") return [named(name, { code, message: withoutName(name, error), ...hint })];
  const options = { timeoutMs: TIMEOUT_MS, ...(signal === undefined ? {} : { signal }) };
  const [python, sudo] = await Promise.all([
    remote.run(["sh", "-c", "command -v python3"], options),
    remote.run(["true"], { ...options, sudo: true }),
  ]);
  const findings: Finding[] = [];
  if (python.exitCode !== 0) {
    findings.push(
      named(name, {
        code: "MACHINE_PYTHON",
        message: "it has no python3; what else it lacks is not known before",
        remedy: "install it (Debian, Ubuntu: apt-get install python3; RHEL: dnf install python3)",
      }),
    );
  }
  if (sudo.exitCode !== 0) {
    findings.push(
      named(name, {
        code: "MACHINE_SUDO",
        message: `its user may not become root without a password: ${sudo.stderr.trim().split("\n").at(-1) ?? ""}; what else it lacks is not known before`,
        remedy: 'as root: echo "USER ALL=(ALL) NOPASSWD:ALL" > /etc/sudoers.d/cnilab',
      }),
    );
  }
  return findings.length > 0
    ? findings
    : [named(name, { code: "MACHINE_UNMEASURED", message: withoutName(name, error) })];
}

/** Errors of a machine begin with its name, as findings do. */
function withoutName(name: string, { message }: Error): string {
  return message.startsWith(`${name}: `) ? message.slice(name.length + 2) : message;
}

function leaseFindings(machine: string, state: LeaseState, { owner, deathOf }: PreflightNeeds): Finding[] {
  const message = isOurs(state, owner) ? undefined : describeLease(machine, state);
  if (message === undefined) return [];
  const death = deathOf?.(state);
  const told = death === undefined ? message : `${message}; --force takes it over: ${makeVisibleLine(death)}`;
  return [{ code: "LEASE_HELD", ok: death !== undefined, message: told, remedy: leaseRemedy([state]) }];
}
