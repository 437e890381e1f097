import { Document, parse, visit } from "yaml";
import { isReservedLabel } from "../../real/node-labels.ts";
import type { InventoryMachine, ClusterSettings } from "../types.ts";
import { badValue, sshArguments } from "./ssh-arguments.ts";

/** The variable with the sudo passwords by node; never in the inventory. */
const PASSWORDS = "cnilab_sudo_passwords";

/** Passwords as variables for `--extra-vars`, in YAML: text, whatever looks like a template in them. */
export function passwordVariables(passwords: Readonly<Record<string, string>>): string {
  const document = new Document({ [PASSWORDS]: passwords });
  markUnsafe(document);
  return document.toString({ lineWidth: 0 });
}

/**
 * An inventory for ansible/site.yaml and reset.yaml, in YAML, without secrets. Ansible takes values for Jinja templates, which may run
 * commands on this host: all that comes from a lab is marked `!unsafe` and stays text. `withPassword` are nodes whose sudo asks for
 * one. Throws ANSIBLE_BAD_VALUE.
 */
export function inventoryText({
  lab,
  machines,
  settings,
  withPassword = [],
}: {
  lab: string;
  machines: readonly InventoryMachine[];
  settings: ClusterSettings;
  withPassword?: readonly string[];
}): string {
  const group = (role: InventoryMachine["role"]): unknown => ({
    hosts: Object.fromEntries(
      machines
        .filter((machine) => machine.role === role)
        .map((machine) => [machine.node, hostVariables(machine)] as const),
    ),
  });
  const document = new Document({
    all: {
      vars: clusterVariables(lab, settings),
      children: { control_plane: group("control-plane"), worker: group("worker") },
    },
  });
  markUnsafe(document);
  for (const { node, role } of machines.filter((machine) => withPassword.includes(machine.node))) {
    const path = ["all", "children", role === "worker" ? "worker" : "control_plane", "hosts", node];
    // The one template: the password itself comes by --extra-vars.
    document.setIn([...path, "ansible_become_password"], `{{ ${PASSWORDS}[inventory_hostname] }}`);
  }
  return document.toString({ lineWidth: 0 });
}

/** All that is a text, and no key. */
function markUnsafe(document: Document): void {
  visit(document, {
    Scalar(key, node) {
      if (key === "key" || typeof node.value !== "string") return;
      node.tag = "!unsafe";
      node.type = "QUOTE_DOUBLE";
    },
  });
}

function hostVariables({ node, target, nodeAddress, labels, taints }: InventoryMachine): Record<string, unknown> {
  // Ansible reads `web[1:3]` as three hosts, and a host name that begins with a hyphen is an option to ssh.
  if (!/^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$/.test(node)) throw badValue(target, "node name", node);
  if (!/^[\w.:%[\]-]+$/.test(target.host) || target.host.startsWith("-")) throw badValue(target, "host", target.host);
  const { port, user, identityFile } = target;
  return {
    ansible_host: target.host,
    ...(port === undefined ? {} : { ansible_port: port }),
    ...(user === undefined ? {} : { ansible_user: user }),
    ...(identityFile === undefined ? {} : { ansible_ssh_private_key_file: identityFile }),
    ansible_ssh_common_args: sshArguments(target),
    cnilab_node_name: node,
    cnilab_node_address: nodeAddress,
    cnilab_node_labels: ownLabels(labels),
    cnilab_node_taints: taints,
  };
}

/** Those that a kubelet may set on its own Node; the others are for the API (NodeRestriction). */
function ownLabels(labels: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.entries(labels).filter(([key]) => !isReservedLabel(key)));
}

function clusterVariables(lab: string, settings: ClusterSettings): Record<string, unknown> {
  return {
    cnilab_lab: lab,
    cnilab_bundle: settings.bundle ?? "",
    cnilab_kubernetes_version: settings.kubernetesVersion,
    cnilab_pod_cidrs: settings.podCidrs,
    cnilab_service_cidrs: settings.serviceCidrs,
    cnilab_dns_domain: settings.dnsDomain,
    cnilab_kube_proxy_mode: settings.kubeProxyMode,
    cnilab_kubeadm_patches: settings.kubeadmPatches.map((text) => parse(text) as unknown),
  };
}
